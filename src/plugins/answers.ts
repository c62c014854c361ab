/**
 * Cached answers on the wire: the bytes as they are held, with the headers that let clients keep them too.
 *
 *   ETag            strong, with a suffix for each encoding, since compressed bytes are other bytes (RFC 9110, 8.8.3.3)
 *   304             where If-None-Match names that tag or is `*` (13.1.2)
 *   Cache-Control   private; the times of cache/policies.ts, counted from the computation (RFC 9111, RFC 5861)
 *   Age             since the computation, so max-age minus Age is what is left
 *   Cache-Status    where the answer came from (RFC 9211); a stale one says so in `ttl` and `detail`
 *   Vary            Accept-Encoding
 *
 * A hit costs a few headers and a Buffer: no schema is walked, nothing is serialised or compressed. The encoding is
 * chosen as @fastify/compress chooses it for everything else; it leaves alone what has a Content-Encoding, and what
 * is below its threshold, which is the one of the cache.
 */
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CachedAnswer } from '../cache/answers.js';
import { type Encoding, encodings } from '../cache/entry.js';
import { encodedBytesMin } from '../cache/memory.js';
import { securityHeaders } from './security-headers.js';

const CONTENT_TYPE = 'application/json; charset=utf-8';
/** What hooks have said by the time an answer is held out: for everybody, and where there are limits. */
const securityFields = Object.entries(securityHeaders).flat();
const rateFields = ['ratelimit-policy', 'ratelimit'] as const;
const supported: Encoding[] = [...encodings];
const seconds = (ms: number) => Math.max(0, Math.floor(ms / 1_000));

/** Whether the client will not have an answer from before its request: `Cache-Control: no-cache` or `max-age=0`. */
export function wantsFresh({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  const control = headers['cache-control'];
  if (control !== undefined) return /(?:^|[\s,])(?:no-cache|max-age=0)(?:$|[\s,])/i.test(control);
  return headers.pragma !== undefined && /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(headers.pragma);
}

function encodingFor({ headers }: FastifyRequest, bodyBytes: number): Encoding | undefined {
  const accepted = headers['accept-encoding'];
  if (typeof accepted !== 'string' || bodyBytes < encodedBytesMin) return undefined;
  if (headers['x-no-compression'] !== undefined) return undefined;
  return negotiate(accepted.toLowerCase(), supported) ?? undefined;
}

/** Whether an If-None-Match names a tag, quotes included. The comparison is weak: `W/` says nothing here. */
function isNamed(condition: string | undefined, tag: string): boolean {
  if (condition === undefined) return false;
  if (condition.trim() === '*') return true;
  const tags: readonly string[] = condition.match(/"[^"]*"/g) ?? [];
  return tags.includes(tag);
}

/** Where an answer came from, in the words of RFC 9211. */
function cacheStatus({ state, entry, now }: CachedAnswer, forced: boolean): string {
  const ttl = Math.floor((entry.freshUntil - now) / 1_000);
  const forward = forced ? 'request' : 'miss';
  switch (state) {
    case 'hit_l1':
      return `papertrail; hit; ttl=${ttl}`;
    case 'hit_l2':
      return `papertrail; hit; ttl=${ttl}; detail=shared`;
    case 'stale':
      return `papertrail; hit; ttl=${ttl}; detail=stale-while-revalidate`;
    case 'error_stale':
      return `papertrail; hit; ttl=${ttl}; detail=stale-if-error`;
    case 'miss':
      return `papertrail; fwd=${forward}; stored; ttl=${ttl}`;
    case 'coalesced':
      return `papertrail; fwd=${forward}; collapsed; ttl=${ttl}`;
    case 'uncached':
      return `papertrail; fwd=${forward}`;
    case 'off':
      return 'papertrail; fwd=bypass';
  }
}

const etagOf = ({ entry: { tag } }: CachedAnswer, encoding: Encoding | undefined): string =>
  encoding === undefined ? `"${tag}"` : `"${tag}-${encoding}"`;

const sendLater = async (reply: FastifyReply, body: Promise<Buffer>): Promise<FastifyReply> =>
  reply.send(await body);

/** Sends an answer, or 304 where the client has it. */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: CachedAnswer,
): FastifyReply | Promise<FastifyReply> {
  const { entry, state, now } = answer;
  const { body } = entry;
  const encoding = encodingFor(request, body.length);
  const etag = etagOf(answer, encoding);
  reply.headers({
    etag,
    'cache-control': state === 'off' ? 'private, no-cache' : entry.cacheControl,
    'cache-status': cacheStatus(answer, wantsFresh(request)),
    vary: 'Accept-Encoding',
    age: seconds(now - entry.computedAt),
  });
  if (isNamed(request.headers['if-none-match'], etag)) return reply.code(304).send();
  reply.header('content-type', CONTENT_TYPE);
  if (encoding === undefined) return reply.send(body);
  reply.header('content-encoding', encoding);
  const encoded = answer.encoded(encoding);
  // What is there already goes out without waiting a turn for it.
  return Buffer.isBuffer(encoded) ? reply.send(encoded) : sendLater(reply, encoded);
}

/**
 * Sends an answer that is held and fresh, where nothing has to be weighed or waited for: the same bytes and headers,
 * past the framework's way to a reply, which would cost as much again. Hooks for what was answered run as ever.
 * @returns whether it was sent
 */
export function sendHeld(request: FastifyRequest, reply: FastifyReply, answer: CachedAnswer): boolean {
  const { entry, state, now } = answer;
  if (state !== 'hit_l1' || request.headers['if-none-match'] !== undefined) return false;
  const encoding = encodingFor(request, entry.body.length);
  const body = encoding === undefined ? entry.body : answer.encoded(encoding);
  if (!Buffer.isBuffer(body)) return false;
  reply.hijack();
  const headers = ['x-request-id', request.id, ...securityFields, 'etag', etagOf(answer, encoding)];
  for (const field of rateFields) {
    const value = reply.getHeader(field);
    if (value !== undefined) headers.push(field, String(value));
  }
  headers.push('cache-control', entry.cacheControl, 'cache-status', cacheStatus(answer, false));
  headers.push('vary', 'Accept-Encoding', 'age', String(seconds(now - entry.computedAt)));
  headers.push('content-type', CONTENT_TYPE, 'content-length', String(body.length));
  if (encoding !== undefined) headers.push('content-encoding', encoding);
  reply.raw.writeHead(200, headers);
  reply.raw.end(body);
  return true;
}
