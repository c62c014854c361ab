/**
 * Formats that are not read here, told by how they begin: so that a message can say what a body or file looks like
 * instead of only that it is no JSON. It is a guess, for people: nothing is decided by it but the words, except that
 * of a body in which no line can be meant as an event none is taken (`isOpaque`).
 */
import { Problem } from '../../errors.js';

interface ForeignFormat {
  /** As it goes on after "it looks like". */
  name: string;
  /** No line of it can be meant as an event. */
  isOpaque: boolean;
}

/** Bytes that are looked at. */
export const headBytes = 1_024;

const bytes = (...values: number[]) => Buffer.from(values);

const gzipMagic = bytes(0x1f, 0x8b);
const magics: readonly (readonly [start: Buffer, name: string])[] = [
  [gzipMagic, 'gzip data'],
  [bytes(0x28, 0xb5, 0x2f, 0xfd), 'zstd data'],
  [bytes(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), 'xz data'],
  [Buffer.from('BZh'), 'bzip2 data'],
  [Buffer.from('PK\x03\x04'), 'a ZIP archive'],
  [Buffer.from('ElfFile\0'), 'a Windows event log (EVTX)'],
  [Buffer.from('LPKSHHRH'), 'a systemd journal'],
  [Buffer.from('PAR1'), 'a Parquet file'],
  [Buffer.from('Obj\x01'), 'an Avro file'],
  [bytes(0xff, 0xfe), 'UTF-16 text'],
  [bytes(0xfe, 0xff), 'UTF-16 text'],
];

/** By the first line that is not blank, without blanks around it. */
const lines: readonly (readonly [pattern: RegExp, name: string])[] = [
  [
    /^\S+ \S+ .{1,256} \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "/,
    'an nginx access log (or Apache)',
  ],
  [/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: /, 'an nginx error log'],
  [/^(?:\S.{0,64} )?CEF:\d+\|/, 'CEF'],
  [/^(?:\S.{0,64} )?LEEF:\d+\.\d+\|/, 'LEEF'],
  [/^<\d{1,3}>(?:\d |[A-Z])/, 'syslog'],
  [/^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ /, 'syslog'],
  [/^\d{4}-\d\d-\d\dT[\d:.]{8,15}(?:Z|[+-]\d\d:?\d\d) \S+ [^\s:=]+: /, 'syslog'],
  [/^#(?:Software|Version|Fields|Date|Start-Date): /, 'a W3C extended log (IIS)'],
  [/^#separator /, 'a Zeek log'],
  [/^<(?:\?xml|!--|!DOCTYPE|[A-Za-z])/, 'XML or HTML'],
  [/^[[{]\s*'/, 'JSON with single quotes'],
  [/^[A-Za-z_][\w.-]*=(?:"[^"]*"|[^\s"]*)(?:\s+[A-Za-z_][\w.-]*=|$)/, 'logfmt'],
  [/^[^,{}[\]]+(?:,[^,{}[\]]*){2}/, 'CSV'],
  [/^[^;{}[\]]+(?:;[^;{}[\]]*){2}/, 'CSV'],
  [/^[^\t{}[\]]+(?:\t[^\t{}[\]]*){2}/, 'tab-separated values'],
];

/** A JSON document that is spread over lines: a list, the object around one, or any object. */
const documentPattern = /^(?:\[\s*(?:$|[[{"])|\{$|\{\s*"events"\s*:)/;

const firstLine = (head: Buffer): string => (head.toString().trimStart().split('\n', 1)[0] ?? '').trimEnd();

/** ASCII in two bytes a character, without a mark. */
const isWide = (head: Buffer): boolean =>
  head.length >= 4 && ((head[0] === 0 && head[2] === 0) || (head[1] === 0 && head[3] === 0));

/** @throws Problem body_malformed where a body is compressed and no header says so: none begins with these bytes otherwise */
export function refuseGzipped(body: Buffer): void {
  if (body[0] !== gzipMagic[0] || body[1] !== gzipMagic[1]) return;
  const detail = 'the body looks gzip-compressed; the header Content-Encoding: gzip is missing';
  throw new Problem('body_malformed', detail);
}

/** What a body or file that is no JSON looks like by its first bytes; undefined: nothing that is known. */
export function foreignFormat(body: Buffer): ForeignFormat | undefined {
  const head = body.subarray(0, headBytes);
  const magic = magics.find(([start]) => head.subarray(0, start.length).equals(start));
  if (magic) return { name: magic[1], isOpaque: true };
  if (isWide(head)) return { name: 'UTF-16 text', isOpaque: true };
  const line = firstLine(head);
  const found = lines.find(([pattern]) => pattern.test(line));
  return found && { name: found[1], isOpaque: false };
}

/** The same of what should have one event a line, and whose first line is no JSON. */
export function foreignLines(body: Buffer): ForeignFormat | undefined {
  const isDocument = documentPattern.test(firstLine(body.subarray(0, headBytes)));
  return isDocument ? { name: 'one JSON value over several lines', isOpaque: true } : foreignFormat(body);
}
