/**
 * HTTP to the service, as both commands need it: one request, its status and its JSON, and the words for what
 * went wrong. Redirects are not followed: a POST would arrive elsewhere as a GET, without its events.
 */
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

/** @throws Failure where an address is none of a service */
export function readBase(address: string): string {
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

/** Sends a request and takes its answer, or what kept it from coming. */
export async function request(url: string, timeoutMs: number, init: RequestInit = {}): Promise<Answer> {
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

/** An answer that is no success in one line: the service's own problem text where there is one. */
export function describe({ status, headers, text, json }: Answer): string {
  if (status === 0) return text;
  const { title, detail } = json;
  if (typeof title === 'string' && typeof detail === 'string') {
    return detail === '' || detail === title ? `${status} ${title}` : `${status} ${title}: ${detail}`;
  }
  const location = headers.get('location');
  if (location !== null) return `${status}, moved to ${location}`;
  return `${status} ${text.trim().slice(0, textShownMax)}`.trimEnd();
}
