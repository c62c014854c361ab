/**
 * Requests as bytes: the path goes out as it is given (`fetch` would tidy up `%2e%2e` and bad encodings), on a
 * connection of its own, and the answer is read whatever its status.
 */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer<Body = unknown> {
  status: number;
  headers: IncomingHttpHeaders;
  /** As it came, still compressed where it is. */
  bytes: Buffer;
  text: string;
  /** The parsed body, undefined where it is not JSON. */
  body: Body;
}

interface Message {
  method?: string;
  path: string;
  headers?: Record<string, string | string[]>;
  /** All of it at once, or piece by piece. */
  body?: string | Buffer | AsyncIterable<string | Buffer>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Sends one request and reads its answer. */
export function send<Body = unknown>(base: string, message: Message): Promise<Answer<Body>> {
  const { method = 'GET', path, headers, body } = message;
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port, method, path, headers, agent: false };
    const outgoing = request(options, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const bytes = Buffer.concat(parts);
        const text = bytes.toString();
        const status = incoming.statusCode ?? 0;
        resolve({ status, headers: incoming.headers, bytes, text, body: parse(text) as Body });
      });
    });
    outgoing.on('error', reject);
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body);
    else writePieces(body).catch(reject);

    async function writePieces(pieces: AsyncIterable<string | Buffer>): Promise<void> {
      outgoing.flushHeaders();
      for await (const piece of pieces) outgoing.write(piece);
      outgoing.end();
    }
  });
}

export const get = <Body = unknown>(base: string, path: string) => send<Body>(base, { path });

export const json = { 'content-type': 'application/json' };
export const ndjson = { 'content-type': 'application/x-ndjson' };
export const msgpack = { 'content-type': 'application/msgpack' };

/** Sends a body to the batch path. */
export function post<Body = BatchAnswer>(
  base: string,
  body: string | Buffer | AsyncIterable<string | Buffer>,
  headers: Record<string, string | string[]> = json,
  path = '/api/v1/events/batch',
): Promise<Answer<Body>> {
  return send<Body>(base, { method: 'POST', path, headers, body });
}

/** Sends rows as JSON to the batch path. */
export const postRows = <Body = BatchAnswer>(
  base: string,
  rows: readonly unknown[],
  headers: Record<string, string> = {},
) => post<Body>(base, JSON.stringify(rows), { ...json, ...headers });

/** What ingest answers, fields of a problem included. */
export interface BatchAnswer {
  success: boolean;
  processed: number;
  total: number;
  accepted: number;
  rejected: number;
  errors: { index: number; code: string; pointer: string; detail: string }[];
  errorsTruncated: boolean;
  requestId: string;
  code: string;
  detail: string;
  committed_rows: number;
}

/** An event that is accepted, with some fields of its own. */
export const event = (fields: object = {}): Record<string, unknown> => ({
  event_type: 'user_login',
  system: 'crm',
  user_id: 'alice',
  ...fields,
});

/** `path?name=value...`, every value percent-encoded. */
export const query = (path: string, parameters: Record<string, string | number>): string =>
  `${path}?${Object.entries(parameters)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')}`;

export const compliance = (path: string, parameters: Record<string, string | number> = {}): string =>
  query(`/api/v1/compliance/${path}`, parameters);

/** One step of a purge: what is asked for, or the `confirm` of the step before. */
export const purge = <Body = { confirm: string; done: boolean }>(base: string, body: object) =>
  post<Body>(base, JSON.stringify(body), json, '/api/v1/admin/purge');
