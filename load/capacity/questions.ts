/** What a question costs: from memory, from Redis, and computed, by how many sketches it reads. */
import { DAY_MS, HOUR_MS } from '../../src/windows/civil.js';
import { startRedis } from '../../test/support/redis-server.js';
import { freePort } from '../../test/support/replication.js';
import type { Context } from '../scenario.js';
import { ask } from '../senders/cannon.js';
import { bodiesOf } from '../streams/bodies.js';
import { evenEvents } from '../streams/even.js';
import { type Service, startService } from '../targets/service.js';

const CONNECTIONS = 50;
const WARM_SECONDS = 1;
const DAYS = 31;
const HOURS = 24;
const BATCH = 1_000;
const BODIES = 100;
const users = 100_000;
const shape = { systems: 1, users, sessions: users, ips: users, endpoints: 200, numericKeys: 1 };
const system = 'system-000';
/** Of each connection: questions that are asked once by each process. */
const SHARED_QUESTIONS = 300;

/** Microseconds. */
export interface QuestionCost {
  node: number;
  redis: number;
}

type PathsOf = (connection: number) => string[];
const compliance = '/api/v1/compliance';

/** Microseconds a request of paths that are asked for some seconds. */
async function costOf(service: Service, pathsOf: PathsOf, seconds: number): Promise<QuestionCost> {
  const aim = { base: service.base, connections: CONNECTIONS, pathsOf };
  const before = await service.counters();
  const { requests, seconds: took, failures } = await ask({ ...aim, seconds });
  const after = await service.counters();
  if (failures > 0) throw new Error(`${failures} questions failed`);
  const each = (of: 'nodeCpu' | 'redisCpu') => ((after[of] - before[of]) * 1e6) / (requests * took);
  return { node: each('nodeCpu'), redis: each('redisCpu') };
}

/** A month and a day, so dense that most sketches are as large as they get. */
async function fill({ base }: Service, now: number): Promise<void> {
  for (const spanMs of [DAYS * DAY_MS, 2 * DAY_MS]) {
    const stepMs = spanMs / BATCH / BODIES;
    const stream = evenEvents({ shape, seed: spanMs, start: now - spanMs, stepMs });
    for (const body of bodiesOf(stream, BATCH, BODIES)) {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${base}/api/v1/events/batch`, { method: 'POST', headers, body });
      if (answer.status !== 201) throw new Error(await answer.text());
    }
  }
}

/** Questions that merge one sketch, and 24. */
function computedPaths(now: number): string[] {
  const instant = (at: number) => new Date(at).toISOString();
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  // From noon to noon no day is whole, so that hours are read.
  const noon = today - DAY_MS / 2;
  const day = `from=${instant(noon - HOURS * HOUR_MS)}&to=${instant(noon)}`;
  return [
    `${compliance}/distinct/users?system=${system}&window=1d`,
    `${compliance}/distinct/users?system=${system}&${day}`,
  ];
}

export async function measureQuestions(seconds: number, context: Context) {
  const now = Date.now();
  const port = await freePort();
  const server = context.own(await startRedis(['--port', String(port), '--bind', '127.0.0.1']));
  const env = { REDIS_URL: `redis://127.0.0.1:${port}` };
  const first = context.own(await startService(env, server));
  await fill(first, now);
  const paths = computedPaths(now);
  const warm = (service: Service, pathsOf: PathsOf) =>
    ask({ base: service.base, connections: CONNECTIONS, seconds: WARM_SECONDS, pathsOf });

  const held: PathsOf = () => [paths[0]];
  await warm(first, held);
  const memory = await costOf(first, held, seconds);

  // Each instant is another question; the second process finds what the first has computed.
  const once =
    (list: number): PathsOf =>
    (connection) =>
      Array.from({ length: SHARED_QUESTIONS }, (_, i) => {
        const at = Math.floor(now / 1_000) - ((connection * 2 + list) * SHARED_QUESTIONS + i) / 1_000;
        return `${paths[0]}&timestamp=${at.toFixed(3)}`;
      });
  for (const list of [0, 1, 0, 1]) await warm(first, once(list));
  const second = context.own(await startService(env, server));
  await warm(second, once(0));
  const shared = await costOf(second, once(1), 1);
  await second.stop();

  const plain = context.own(await startService({ ...env, QUERY_CACHE: 'off' }, server));
  const computed: QuestionCost[] = [];
  for (const path of paths) {
    await warm(plain, () => [path]);
    computed.push(await costOf(plain, () => [path], seconds));
  }
  await plain.stop();
  await first.stop();
  await server.stop();
  const [one, many] = computed;
  const sketches = HOURS - 1;
  const sketch = { node: (many.node - one.node) / sketches, redis: (many.redis - one.redis) / sketches };
  return {
    memory,
    shared,
    computed: { node: one.node - sketch.node, redis: one.redis - sketch.redis },
    sketch,
  };
}
