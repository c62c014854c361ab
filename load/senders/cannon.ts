/** autocannon with requests that rotate: every connection sends its own, round and round. */
import autocannon, { type Instance, type Request, type Result } from 'autocannon';
import { type Ranks, ranksOf } from '../results/statistics.js';
import { createRefresh } from '../streams/bodies.js';

/** Latencies are those of answers with 2xx, in milliseconds. */
export interface Shot extends Ranks {
  /** Requests answered with 2xx per second. */
  requests: number;
  /** Answers other than 2xx, errors and timeouts. */
  failures: number;
  seconds: number;
}

export interface FiredShot extends Shot {
  /** Answers with 503. */
  refused: Ranks & { count: number };
}

interface Aim {
  base: string;
  connections: number;
  seconds: number;
  /**
   * Seconds before those, whose answers are not counted. Whoever counts from the first request on counts too little, by
   * as much as is under way at the end.
   */
  leadSeconds?: number;
  /** Requests a second, all connections together, those of a second at its beginning; as many as can be where absent. */
  rate?: number | undefined;
  /** Told of every answer with 2xx. */
  note?: ((ms: number) => void) | undefined;
}

/** Requests that were sent so far, of all shots: ids that are written into bodies stay new. */
let serial = 0;

/** Fires for some seconds. `requestsOf`: what a connection sends, by its number. */
async function shoot(
  { base, connections, seconds, leadSeconds = 0, rate, note }: Aim,
  requestsOf: (connection: number) => Request[],
): Promise<FiredShot> {
  let client = 0;
  const times: number[] = [];
  const refused: number[] = [];
  const firing: unknown = autocannon({
    url: base,
    connections,
    duration: leadSeconds + seconds,
    ...(rate === undefined ? {} : { overallRate: rate }),
    setupClient(connection) {
      connection.setRequests(requestsOf(client++));
    },
  });
  // It is both: an emitter while it runs, a promise of its result.
  const instance = firing as Instance & Promise<Result>;
  const countFrom = performance.now() + leadSeconds * 1_000;
  instance.on('response', (_client, status, _bytes, milliseconds) => {
    if (status < 300) note?.(milliseconds);
    if (performance.now() < countFrom) return;
    if (status < 300) times.push(milliseconds);
    else if (status === 503) refused.push(milliseconds);
  });
  const result = await instance;
  const counted = result.duration - leadSeconds;
  return {
    requests: times.length / counted,
    ...ranksOf(times),
    refused: { count: refused.length, ...ranksOf(refused) },
    failures: result.errors + result.timeouts + result.non2xx,
    seconds: counted,
  };
}

interface Fire extends Aim {
  path: string;
  bodies: readonly Buffer[];
  headers?: Record<string, string>;
}

/** Posts bodies to a path; each connection has its own stretch of them. */
export function fire({ path, bodies, headers: more, ...aim }: Fire): Promise<FiredShot> {
  const bodiesEach = Math.ceil(bodies.length / aim.connections);
  const headers = { 'content-type': 'application/json', ...more };
  const requests = bodies.map((body): Request => {
    const refresh = createRefresh(body, () => serial++, Date.now);
    if (!refresh) return { method: 'POST', path, headers, body };
    const setupRequest = (request: Request) => {
      refresh(); // the sender copies the body right after this, so that requests can share it
      return request;
    };
    return { method: 'POST', path, headers, body, setupRequest };
  });
  return shoot(aim, (connection) =>
    Array.from({ length: bodiesEach }, (_, i) => ({
      ...(requests[(connection * bodiesEach + i) % requests.length] as Request),
    })),
  );
}

/** Gets paths: all connections the same, or each its own where `pathsOf` says so. */
export function ask({ pathsOf, ...aim }: Aim & { pathsOf: (connection: number) => string[] }): Promise<Shot> {
  return shoot(aim, (connection) => pathsOf(connection).map((path) => ({ method: 'GET', path })));
}
