/**
 * A fuzz run: hostile requests to a service, many at a time. What must hold of every answer and, after all of them,
 * of every key in Redis.
 */
import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { isGlobalKey, parseKey, systemKey } from '../../src/redis/keys.js';
import { type Description, type HostileRequest, hostileRequests } from './hostile-requests.js';
import type { TestRedis } from './redis-server.js';
import { withRedis } from './redis-state.js';

/** No answer by then is a hang. */
const ANSWER_MS_MAX = 10_000;
const AT_ONCE = 25;

interface Outcome {
  status: number;
  type: string;
  text: string;
}

function ask(base: URL, agent: Agent, one: HostileRequest): Promise<Outcome> {
  const { hostname, port } = base;
  const { method, path, body } = one;
  const headers = body ? { ...one.headers, 'content-length': body.length } : one.headers;
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers, agent }, (incoming) => {
      let text = '';
      incoming.setEncoding('latin1');
      incoming.on('data', (part: string) => {
        if (text.length < 4_096) text += part;
      });
      incoming.on('error', reject);
      incoming.on('end', () => {
        clearTimeout(timer);
        resolve({
          status: incoming.statusCode ?? 0,
          type: incoming.headers['content-type'] ?? '',
          text,
        });
      });
    });
    const timer = setTimeout(() => outgoing.destroy(new Error('no answer')), ANSWER_MS_MAX);
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.end(body);
  });
}

/** A request as one can send it again: its body in base64. */
const describe = ({ method, path, headers, body }: HostileRequest) =>
  `${method} ${path} ${JSON.stringify(headers)} ${body?.toString('base64').slice(0, 2_000) ?? ''}`;

/** What is wrong with an answer, or undefined. A `HEAD` has no body to look at. */
function wrongWith({ method }: HostileRequest, { status, type, text }: Outcome): string | undefined {
  if (status >= 500) return `a ${status}: ${text.slice(0, 300)}`;
  if (status < 200) return `status ${status}`;
  if (status >= 400 && method !== 'HEAD' && type !== 'application/problem+json')
    return `a ${status} of ${type}`;
  return undefined;
}

interface FuzzOptions {
  base: string;
  cases: number;
  seed: number;
  /** Told after every few cases how many there were. */
  progress?: (cases: number) => void;
}

/** Sends `cases` requests. @returns how often each status was answered @throws where an answer is wrong, with the request */
export async function fuzz({ base, cases, seed, progress }: FuzzOptions): Promise<Map<number, number>> {
  const description = (await (await fetch(`${base}/openapi.json`)).json()) as Description;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const target = new URL(base);
  const statuses = new Map<number, number>();
  let done = 0;
  const volley = fc.array(hostileRequests(description), { minLength: AT_ONCE, maxLength: AT_ONCE });
  const result = await fc.check(
    fc.asyncProperty(volley, async (requests) => {
      const answers = await Promise.all(
        requests.map(async (one) => {
          const answer = await ask(target, agent, one).catch((cause: Error) => {
            throw new Error(`${describe(one)}: ${cause.message}`, { cause });
          });
          const wrong = wrongWith(one, answer);
          if (wrong) throw new Error(`${describe(one)}: ${wrong}`);
          return answer;
        }),
      );
      for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      done += answers.length;
      progress?.(done);
    }),
    { numRuns: Math.ceil(cases / AT_ONCE), seed, endOnFailure: true },
  );
  agent.destroy();
  if (result.failed) throw new Error(`seed ${seed}: ${(result.errorInstance as Error)?.message}`);
  return statuses;
}

/** Keys that are neither in the tag of their own system nor among those that all systems share. */
export async function strayKeys(redis: TestRedis): Promise<string[]> {
  const keys: string[] = [];
  await withRedis(redis, async (connection) => {
    for await (const page of connection.scanStream({ count: 1_000 })) keys.push(...(page as string[]));
  });
  return keys.filter((key) => {
    if (isGlobalKey(key)) return false;
    const system = parseKey(key)?.system;
    return system === undefined || !(key === systemKey(system) || key.startsWith(`${systemKey(system)}:`));
  });
}
