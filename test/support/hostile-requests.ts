/**
 * Requests that nobody in his right mind would send, and some that are right: arbitraries of fast-check for every
 * operation of the API description, every body format and everything around them.
 */
import { gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';

export interface HostileRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

interface Parameter {
  in: string;
  name: string;
}
interface Operation {
  parameters?: Parameter[];
}
export interface Description {
  paths: Record<string, Record<string, Operation>>;
}

const AT = 1_700_000_000;
const names = ['crm', 'a}:x{b', '{', '}', ':', '*', '%7B', 'pt:{a}', '__proto__', 'constructor', '..', '\0'];
const name = fc.oneof(
  fc.constantFrom(...names),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('\ud800', 'x'.repeat(300), '\r\nFLUSHALL\r\n', ''),
);
const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(AT, AT * 1_000, -1, 0, 1e308, Number.MAX_SAFE_INTEGER),
);

/** Values that mean something to some parameter. */
const meaningful = fc.constantFrom(
  ...['users', 'ips', 'active_users', 'latency_ms', 'events', '1h', '1d', '1w', '1M', '1m', 'true', 'false'],
  ...[
    'crm',
    '*',
    'alice',
    '192.0.2.1',
    'Europe/Berlin',
    'Asia/Kolkata',
    'UTC',
    'Mars/Olympus',
    '95',
    '50,99.9',
  ],
  ...[
    String(AT),
    `${AT - 90_000}`,
    `${AT + 3_600}`,
    '2023-11-14T22:13:20Z',
    '2023-02-30T00:00:00Z',
    '01/02/2023',
  ],
  ...['-1', '0', '1e400', 'NaN', '1000001', '100', '15m', '300', 'now', '..', '%', '\0'],
);
const value = fc.oneof({ weight: 4, arbitrary: meaningful }, name, number.map(String));

const times = [String(AT), `${AT - 90_000}`, `${AT + 3_600}`, '2023-11-14T22:13:20Z'];
/** What a parameter of that name would rightly be. */
const usualValues: Record<string, string[]> = {
  system: ['crm', 'crm', '*', 'a}:x{b'],
  metric: ['users', 'ips', 'active_users', 'endpoints', 'latency_ms', 'events', 'event_types'],
  window: ['1m', '5m', '15m', '1h', '1d', '1w', '1M'],
  ...{ timestamp: times, from: times, to: times },
  ...{ tz: ['Europe/Berlin', 'Asia/Kolkata', 'UTC'], rolling: ['true', 'false'], step: ['1m', '1h', '1d'] },
  ...{ user_id: ['alice'], ip: ['192.0.2.1'], item: ['alice', '/a'], k: ['1', '10', '1000'] },
  ...{ percentiles: ['50,95,99'], percentile: ['95'], threshold: ['100'], limit: ['1', '100'] },
};
const valueFor = (parameter: string): fc.Arbitrary<string> =>
  Object.hasOwn(usualValues, parameter)
    ? fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...usualValues[parameter]) }, value)
    : value;

function encodeValue(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return '%ED%A0%80'; // a lone surrogate, as bytes
  }
}

const method = (usual: string) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(usual) },
    fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
  );

const headers = fc.dictionary(
  fc.constantFrom(
    ...[
      'accept-encoding',
      'cache-control',
      'if-none-match',
      'prefer',
      'x-request-id',
      'authorization',
      'x-api-key',
    ],
    ...['traceparent', 'range', 'accept', 'pragma', 'idempotency-key', 'expect-ct'],
  ),
  fc.oneof(
    fc.constantFrom(
      'gzip',
      'br',
      'identity',
      '*',
      'no-cache',
      'max-age=0',
      'handling=strict',
      'Bearer x',
      '"a"',
    ),
    fc.stringMatching(/^[\x21-\x7e]{0,40}$/),
  ),
  { maxKeys: 3 },
);

/** Now and then a parameter that is not one. */
const stranger = fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.tuple(fc.tuple(name, value)));

/** A question or any other request without a body, by its description. */
function plain(path: string, usual: string, parameters: readonly Parameter[]): fc.Arbitrary<HostileRequest> {
  const asked = parameters.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name);
  const known = asked.map((parameter) =>
    fc.option(fc.tuple(fc.constant(parameter), valueFor(parameter)), {
      nil: undefined,
      freq: parameter === 'system' ? 19 : 1,
    }),
  );
  const terms = fc
    .tuple(fc.tuple(...known), stranger)
    .map(([right, wrong]) => [...right.filter((term) => term !== undefined), ...wrong]);
  const places = fc.tuple(...[...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => valueFor(parameter)));
  return fc.tuple(method(usual), places, terms, headers).map(([chosen, values, pairs, fields]) => {
    let next = 0;
    const target = path.replace(/\{\w+\}/g, () => encodeValue(values[next++] ?? ''));
    const search = pairs.map(([key, text]) => `${encodeValue(key)}=${encodeValue(text)}`).join('&');
    const body = chosen === 'POST' ? Buffer.from('{}') : undefined;
    return { method: chosen, path: search === '' ? target : `${target}?${search}`, headers: fields, body };
  });
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary }, fc.anything({ maxDepth: 2 }));
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        event_type: maybe(fc.constantFrom('user_login', 'api_access', 'custom', 'error_event')),
        system: maybe(name),
        user_id: maybe(name),
        session_id: maybe(name),
        timestamp: maybe(
          fc.oneof(fc.constantFrom(AT, '2023-11-14T22:13:20Z', '2023-02-30T00:00:00Z'), number),
        ),
        metadata: maybe(
          fc.dictionary(
            fc.oneof(fc.constantFrom('ip', 'endpoint', 'status', 'latency_ms'), name),
            maybe(number),
          ),
        ),
      },
      { requiredKeys: ['system', 'event_type'] },
    ) as fc.Arbitrary<unknown>,
  },
  fc.anything({ maxDepth: 3 }),
);

const asJson = (content: unknown): Buffer => Buffer.from(JSON.stringify(content) ?? 'null');
function asMsgpack(content: unknown): Buffer {
  try {
    return Buffer.from(encode(content, { ignoreUndefined: true }));
  } catch {
    return Buffer.from([0xc1]);
  }
}

const body = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(event, { maxLength: 8 })
      .map((rows) => ({ type: 'application/json', bytes: asJson(rows) })),
  },
  event.map((row) => ({ type: 'application/json', bytes: asJson(row) })),
  fc.anything({ maxDepth: 3 }).map((content) => ({ type: 'application/json', bytes: asJson(content) })),
  fc.array(event, { maxLength: 8 }).map((rows) => ({
    type: 'application/x-ndjson',
    bytes: Buffer.concat(rows.flatMap((row) => [asJson(row), Buffer.from('\n')])),
  })),
  fc.array(event, { maxLength: 4 }).map((rows) => ({ type: 'application/msgpack', bytes: asMsgpack(rows) })),
  fc
    .tuple(
      fc.constantFrom(
        'application/json',
        'application/x-ndjson',
        'application/msgpack',
        'text/plain',
        'a/b;;',
        '',
      ),
      fc.uint8Array({ maxLength: 60 }),
    )
    .map(([type, bytes]) => ({ type, bytes: Buffer.from(bytes) })),
  fc
    .integer({ min: 1, max: 20_000 })
    .map((depth) => ({ type: 'application/json', bytes: Buffer.from('['.repeat(depth)) })),
);

/** A request with a body: as it is, compressed, said to be compressed, or cut. */
function withBody(path: string): fc.Arbitrary<HostileRequest> {
  const form = fc.constantFrom('plain', 'plain', 'plain', 'gzip', 'not gzip', 'cut');
  return fc.tuple(method('POST'), body, form, headers).map(([chosen, { type, bytes }, how, fields]) => {
    const own: Record<string, string> = type === '' ? {} : { 'content-type': type };
    let sent = bytes;
    if (how === 'gzip') sent = gzipSync(bytes);
    if (how === 'cut') sent = gzipSync(bytes).subarray(0, -4);
    if (how !== 'plain') own['content-encoding'] = 'gzip';
    return { method: chosen, path, headers: { ...fields, ...own }, body: sent };
  });
}

const stray: fc.Arbitrary<HostileRequest> = fc
  .tuple(method('GET'), fc.array(value, { maxLength: 5 }), headers)
  .map(([chosen, parts, fields]) => ({
    method: chosen,
    path: `/${parts.map(encodeValue).join('/')}`,
    headers: fields,
    body: undefined,
  }));

/** Any request to any operation that is described, or to none. */
export function hostileRequests({ paths }: Description): fc.Arbitrary<HostileRequest> {
  const each = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([usual, { parameters = [] }]) => {
      const without = plain(path, usual.toUpperCase(), parameters);
      return usual === 'post' ? [without, withBody(path)] : [without];
    }),
  );
  return fc.oneof({ weight: 2, arbitrary: withBody('/api/v1/events/batch') }, stray, ...each);
}
