/**
 * autocannon with requests that rotate: every connection sends its own, round and round. A connection of a limited load
 * sends what it has for a second at the beginning of that, so connections take turns, each group in its part of the second:
 * or else what is offered would be many times the rate for a moment, and nothing after it. The second in which they begin
 * is not counted: to begin takes the sender longer than to send.
 */
import { setTimeout as pause } from 'node:timers/promises';
import autocannon, { type Instance, type Request, type Result } from 'autocannon';
import { meanOf, type Ranks, ranksOf, sumOf } from '../results/statistics.js';
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
  /** Requests a second, all connections together; as many as can be where absent. */
  rate?: number | undefined;
  /** Told of every answer with 2xx. */
  note?: ((ms: number) => void) | undefined;
}

/** Requests that were sent so far, of all shots: ids that are written into bodies stay new. */
let serial = 0;

/** Groups of connections of a limited load. */
const TURNS = 20;

/** A part of something whole, as even as whole parts get. */
const partOf = (whole: number, part: number, parts: number): number =>
  Math.floor((whole * (part + 1)) / parts) - Math.floor((whole * part) / parts);

/** Fires for some seconds. `requestsOf`: what a connection sends, by its number. */
async function shoot(
  { base, connections, seconds, leadSeconds = 0, rate, note }: Aim,
  requestsOf: (connection: number) => Request[],
): Promise<FiredShot> {
  let client = 0;
  const times: number[] = [];
  const refused: number[] = [];
  let failures = 0;
  const turns = rate === undefined ? 1 : Math.min(TURNS, connections, Math.floor(rate));
  const uncounted = leadSeconds + (turns > 1 ? 1 : 0);
  const countFrom = performance.now() + uncounted * 1_000;

  async function takeTurn(turn: number): Promise<Result> {
    const begin = turn / turns;
    await pause(begin * 1_000);
    const firing: unknown = autocannon({
      url: base,
      connections: partOf(connections, turn, turns),
      duration: uncounted + seconds - begin,
      ...(rate === undefined ? {} : { overallRate: partOf(rate, turn, turns) }),
      setupClient(connection) {
        connection.setRequests(requestsOf(client++));
      },
    });
    // It is both: an emitter while it runs, a promise of its result.
    const instance = firing as Instance & Promise<Result>;
    instance.on('response', (_client, status, _bytes, milliseconds) => {
      if (status < 300) note?.(milliseconds);
      if (performance.now() < countFrom) return;
      if (status < 300) times.push(milliseconds);
      else failures++;
      if (status === 503) refused.push(milliseconds);
    });
    const result = await instance;
    return { ...result, duration: begin + result.duration };
  }

  const results = await Promise.all(Array.from({ length: turns }, (_, turn) => takeTurn(turn)));
  const counted = meanOf(results, ({ duration }) => duration) - uncounted;
  return {
    requests: times.length / counted,
    ...ranksOf(times),
    refused: { count: refused.length, ...ranksOf(refused) },
    failures: failures + sumOf(results, ({ errors, timeouts }) => errors + timeouts),
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
