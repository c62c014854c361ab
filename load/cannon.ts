/** autocannon with requests that rotate: every connection sends its own, round and round. */
import autocannon, { type Instance, type Request, type Result } from 'autocannon';

interface Ranks {
  p50: number;
  p95: number;
  p99: number;
}

/** Latencies are those of answers with 2xx. */
export interface Shot extends Ranks {
  /** Requests answered with 2xx per second. */
  requests: number;
  /** Answers other than 2xx, errors and timeouts. */
  failures: number;
  seconds: number;
}

interface FiredShot extends Shot {
  /** Answers with 503. */
  refused: Ranks & { count: number };
}

interface Aim {
  base: string;
  connections: number;
  seconds: number;
  /** Requests a second, all connections together; as many as can be where absent. */
  rate?: number;
}

/** The latencies of nearest rank. */
export function ranksOf(times: readonly number[]): Ranks {
  const sorted = Float64Array.from(times).sort();
  const rank = (p: number) => sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? 0;
  return { p50: rank(50), p95: rank(95), p99: rank(99) };
}

/** Fires for some seconds. Latencies are in milliseconds. `requestsOf`: what a connection sends, by its number. */
async function shoot(
  { base, connections, seconds, rate }: Aim,
  requestsOf: (connection: number) => Request[],
): Promise<FiredShot> {
  let client = 0;
  const times: number[] = [];
  const refused: number[] = [];
  const firing: unknown = autocannon({
    url: base,
    connections,
    duration: seconds,
    ...(rate === undefined ? {} : { overallRate: rate }),
    setupClient(connection) {
      connection.setRequests(requestsOf(client++));
    },
  });
  // It is both: an emitter while it runs, a promise of its result.
  const instance = firing as Instance & Promise<Result>;
  instance.on('response', (_client, status, _bytes, milliseconds) => {
    if (status < 300) times.push(milliseconds);
    else if (status === 503) refused.push(milliseconds);
  });
  const result = await instance;
  return {
    requests: result['2xx'] / result.duration,
    ...ranksOf(times),
    refused: { count: refused.length, ...ranksOf(refused) },
    failures: result.errors + result.timeouts + result.non2xx,
    seconds: result.duration,
  };
}

/** Posts bodies to a path; each connection has its own stretch of them. */
export function fire({
  path,
  bodies,
  headers: more = {},
  ...aim
}: Aim & { path: string; bodies: readonly string[]; headers?: Record<string, string> }): Promise<FiredShot> {
  const bodiesEach = Math.ceil(bodies.length / aim.connections);
  const headers = { 'content-type': 'application/json', ...more };
  return shoot(aim, (connection) =>
    Array.from({ length: bodiesEach }, (_, i) => {
      const body = bodies[(connection * bodiesEach + i) % bodies.length];
      return { method: 'POST', path, headers, body };
    }),
  );
}

/** Gets paths: all connections the same, or each its own where `pathsOf` says so. */
export function ask({ pathsOf, ...aim }: Aim & { pathsOf: (connection: number) => string[] }): Promise<Shot> {
  return shoot(aim, (connection) => pathsOf(connection).map((path) => ({ method: 'GET', path })));
}
