/** autocannon with bodies that rotate: every connection sends its own stretch of the stream, round and round. */
import autocannon, { type Instance, type Result } from 'autocannon';

export interface Shot {
  /** Requests answered per second. */
  requests: number;
  p50: number;
  p95: number;
  p99: number;
  /** Answers other than 2xx, errors and timeouts. */
  failures: number;
  seconds: number;
}

interface Target {
  base: string;
  path: string;
  bodies: readonly string[];
  connections: number;
  seconds: number;
}

/** Fires for some seconds. Latencies are in milliseconds. */
export async function fire({ base, path, bodies, connections, seconds }: Target): Promise<Shot> {
  let client = 0;
  const bodiesEach = Math.ceil(bodies.length / connections);
  const times: number[] = [];
  const firing: unknown = autocannon({
    url: base + path,
    connections,
    duration: seconds,
    setupClient(connection) {
      const first = client++ * bodiesEach;
      const own = Array.from({ length: bodiesEach }, (_, i) => bodies[(first + i) % bodies.length]);
      const headers = { 'content-type': 'application/json' };
      connection.setRequests(own.map((body) => ({ method: 'POST' as const, path, headers, body })));
    },
  });
  // It is both: an emitter while it runs, a promise of its result.
  const instance = firing as Instance & Promise<Result>;
  instance.on('response', (_client, _status, _bytes, milliseconds) => times.push(milliseconds));
  const result = await instance;
  const sorted = Float64Array.from(times).sort();
  const rank = (p: number) => sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? 0;
  return {
    requests: result['2xx'] / result.duration,
    p50: rank(50),
    p95: rank(95),
    p99: rank(99),
    failures: result.errors + result.timeouts + result.non2xx,
    seconds: result.duration,
  };
}
