/**
 * HTTP to the service, as both commands need it: one request, its status and its JSON, and the words for what
 * went wrong. The API key comes from the environment or a file, never from an argument: those show in lists of
 * processes and in histories of shells.
 Redirects are not followed: a POST would arrive elsewhere as a GET, without its events.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { usageFailure } from './exit.js';

const textShownMax = 200;

export interface Answer {
  /** 0 where no answer came: refused, cut, or too late; the text then says why. */
  status: number;
  headers: Headers;
  text: string;
  /** The body where it is a JSON object, else nothing. */
  json: Record<string, unknown>;
}

/** A service, and as whom to talk to it. */
export interface Service {
  /** Without a slash at its end. */
  base: string;
  /** Tells API keys apart without showing them; '' without a key. */
  identity: string;
  /** Sends a request to a path and takes its answer, or what kept it from coming. */
  request(path: string, timeoutMs: number, init?: RequestInit): Promise<Answer>;
}

/** @throws Failure where an address is none of a service */
function readBase(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw usageFailure(`${address} is not an http(s) address`);
  if (url.username || url.password) throw usageFailure('an address with a user or password is not supported');
  if (url.search || url.hash) throw usageFailure(`${address} must end with its path`);
  return url.href.replace(/\/+$/, '');
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** @throws Failure where the file cannot be read, or what it holds is no key */
async function readKey(keyFile: string | undefined, fromEnvironment: string | undefined) {
  let key = fromEnvironment;
  if (keyFile !== undefined) {
    key = await readFile(keyFile, 'utf8').catch((error: Error) => {
      throw usageFailure(`the API key cannot be read: ${error.message}`);
    });
  }
  if (key === undefined) return undefined;
  if (/^[\x21-\x7e]+$/.test(key.trim())) return key.trim();
  throw usageFailure(`${keyFile ?? 'PAPERTRAIL_API_KEY'} does not hold one API key`);
}

/**
 * @param keyFile holds the API key, instead of the environment
 * @throws Failure where the address or the key cannot be used
 */
export async function openService(
  address: string,
  { keyFile, key }: { keyFile?: string | undefined; key?: string | undefined },
): Promise<Service> {
  const base = readBase(address);
  const presented = await readKey(keyFile, key);
  const own: Record<string, string> = presented === undefined ? {} : { authorization: `Bearer ${presented}` };
  const identity =
    presented === undefined ? '' : createHash('sha256').update(presented).digest('hex').slice(0, 16);
  return {
    base,
    identity,
    request(path, timeoutMs, init = {}) {
      const headers = { ...(init.headers as Record<string, string> | undefined), ...own };
      return request(`${base}${path}`, timeoutMs, { ...init, headers });
    },
  };
}

async function request(url: string, timeoutMs: number, init: RequestInit): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { ...init, redirect: 'manual', signal });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parseObject(text) };
  } catch (error) {
    return { status: 0, headers: new Headers(), text: reasonOf(error as Error), json: {} };
  }
}

/** fetch hides the reason in the cause. */
function reasonOf(error: Error): string {
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'connection refused (is it running?)';
  return message || code || error.message;
}

/** What to do about a key that does not count. */
const keyHints: Record<string, string> = {
  key_missing: '; set PAPERTRAIL_API_KEY or use --key-file',
  key_unknown: '; look at what PAPERTRAIL_API_KEY or --key-file holds',
  key_expired: '; papertrail keys create makes a new one where the service runs',
};

/** An answer that is no success in one line: the service's own problem text where there is one. */
export function describe({ status, headers, text, json }: Answer): string {
  if (status === 0) return text;
  const { title, detail, code } = json;
  const hint = keyHints[String(code)] ?? '';
  if (typeof title === 'string' && typeof detail === 'string') {
    return detail === '' || detail === title
      ? `${status} ${title}${hint}`
      : `${status} ${title}: ${detail}${hint}`;
  }
  const location = headers.get('location');
  if (location !== null) return `${status}, moved to ${location}`;
  return `${status} ${text.trim().slice(0, textShownMax)}`.trimEnd();
}
