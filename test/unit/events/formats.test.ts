/** The decoders of bodies: what they make of rows at the edges of their bounds, without a service around them. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { isTooDense, parseJson } from '../../../src/events/formats/json.js';
import { parseMsgpack } from '../../../src/events/formats/msgpack.js';
import { readNdjson } from '../../../src/events/formats/ndjson.js';
import { malformedLine, namesMax, oversizedLine } from '../../../src/events/formats/rows.js';

/** Chunks of a body that arrives in pieces of so many bytes. */
async function chunksOf(body: string, pieceBytes: number, rowsMax: number, bytesMax = 1e8) {
  const bytes = Buffer.from(body);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  const chunks: (readonly unknown[])[] = [];
  for await (const { rows } of readNdjson(Readable.from(pieces), { rowsMax, bytesMax })) chunks.push(rows);
  return chunks;
}

t.test('msgpack: the key __proto__ is ignored wherever it is, and stays what it is as a value', async (t) => {
  const value = [{ __proto_: { isAdmin: true }, user_id: '__proto__', metadata: { __proto_: 1, x: 2 } }];
  const plain = Buffer.from(encode(value)).toString('latin1');
  const body = Buffer.from(plain.replaceAll('\xa8__proto_', '\xa9__proto__'), 'latin1');
  const [row] = parseMsgpack(body, 10) as Record<string, unknown>[];
  t.equal(row.user_id, '__proto__');
  t.equal(row.isAdmin, undefined);
  t.equal(Object.getPrototypeOf(row), Object.prototype);
  t.notOk(Object.keys(row).includes('__proto__'));
  t.hasStrict(row.metadata, { x: 2 });
});

t.test('msgpack: too many events are told from the first bytes, too many maps anywhere', async (t) => {
  t.throws(() => parseMsgpack(Buffer.from([0x93, 1, 2, 3]), 2), { code: 'batch_too_large' });
  const list = Buffer.concat([
    Buffer.from([0x81, 0xa1, 0x61, 0xdd, 0, 0x1e, 0x84, 0x80]),
    Buffer.alloc(2e6, 0x80),
  ]);
  t.throws(() => parseMsgpack(list, 10), {
    code: 'body_malformed',
    message: /more than 1000000 lists and maps/,
  });
});

t.test('JSON: brackets in text are not counted, escaped quotes do not end it', async (t) => {
  const text = (part: string) => Buffer.from(JSON.stringify({ text: part.repeat(50) }));
  for (const part of ['[', '{', '"[', '\\[', '\\"[', '\\\\"{']) t.notOk(isTooDense(text(part), 1), part);
  t.ok(isTooDense(Buffer.from('["\\"",[1]]'), 1));
  t.strictSame(parseJson(text('[')), { text: '['.repeat(50) }, 'a body of text is read');
});

t.test('an object has as many names as it may, wherever it is, and lists have none', async (t) => {
  const object = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`:${i}`, {}]));
  const dense = (value: unknown) => isTooDense(Buffer.from(JSON.stringify(value)), 100_000);
  t.notOk(dense({ a: object(namesMax), b: [object(namesMax), object(namesMax)], c: 'x'.repeat(1e5) }));
  t.ok(dense([{ a: 'x'.repeat(1e5), b: [1, object(namesMax + 1)] }]));
  const packed = (count: number) => Buffer.from(encode([{ a: object(count) }]));
  t.ok(parseMsgpack(packed(namesMax), 10));
  t.throws(() => parseMsgpack(packed(namesMax + 1), 10), { code: 'body_malformed' });
});

t.test('NDJSON: however it is cut into pieces, the rows are the same', async (t) => {
  const body = '\n{"a":1}\r\n\n \n\r\n{"b":"é"}\n[\n\n\n{"c":3}';
  for (let pieceBytes = 1; pieceBytes <= body.length + 2; pieceBytes++) {
    const rows = (await chunksOf(body, pieceBytes, 100)).flat();
    t.strictSame(rows, [{ a: 1 }, { b: 'é' }, malformedLine, { c: 3 }], `pieces of ${pieceBytes}`);
    const short = (await chunksOf(body, pieceBytes, 100, 8)).flat();
    t.strictSame(short, [{ a: 1 }, oversizedLine, malformedLine, { c: 3 }], 'with lines of 8 bytes at most');
    for (const chunk of await chunksOf(body, pieceBytes, 2)) t.ok(chunk.length <= 2);
  }
});

t.test('NDJSON: a line of too many lists does not cost the lines around it', async (t) => {
  const dense = `{"a":[${'[],'.repeat(1.5e6)}1]}`;
  for (const before of ['{"b":1}', '"', '"\\']) {
    const [rows] = await chunksOf(`${before}\n${dense}\n{"c":[[],[]]}\n`, 65_536, 100);
    t.equal(rows[1], malformedLine, before);
    t.strictSame(rows[2], { c: [[], []] });
  }
});

t.test('ndjson: where a body is cut, and the digests there, do not depend on how it arrives', async () => {
  const line = fc.constantFrom('{"a":1}', '{"b":"é"}', '', ' ', 'x'.repeat(40), '[]', '{x', '\t', '"😀"');
  const ending = fc.constantFrom('\n', '\r\n');
  const text = fc
    .array(fc.tuple(line, ending), { maxLength: 30 })
    .map((lines) => Buffer.from(lines.flat().join('')));
  const limits = { rowsMax: 4, bytesMax: 30 };
  async function read(pieces: readonly Buffer[]) {
    const hash = createHash('sha256');
    const chunks: unknown[] = [];
    for await (const chunk of readNdjson(Readable.from(pieces), limits, hash)) chunks.push(chunk);
    return { chunks, digest: hash.digest('base64url') };
  }
  const places = fc.array(fc.nat({ max: 600 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(text, fc.boolean(), places, async (lines, isCut, at) => {
      const bytes = isCut ? lines.subarray(0, -1) : lines;
      const ends = [...new Set(at.filter((place) => place < bytes.length))].sort((a, b) => a - b);
      const pieces = [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
      const [whole, inPieces] = [await read([bytes]), await read(pieces)];
      t.strictSame(inPieces, whole);
      t.equal(whole.digest, createHash('sha256').update(bytes).digest('base64url'));
    }),
    { seed: 3, numRuns: 500 },
  );
});
