/** What the log says of a breaker: one line when it opens, with what clients get meanwhile, and one when it closes. */
import { pino } from 'pino';
import t from 'tap';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { breakerOf } from '../../src/redis/breaker.js';
import { type ConnectionName, connectionLimits, createConnection } from '../../src/redis/connection.js';
import { call, runPipeline } from '../../src/redis/pipeline.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const said: Record<ConnectionName, [open: RegExp, closed: RegExp]> = {
  write: [/until it closes, new events get 503$/, /new events are taken again$/],
  read: [/questions are answered from the cache .* the others get 503$/, /all questions are answered again$/],
  background: [/administration get 503, and rollups wait$/, /both go on$/],
  limits: [/each process limits by itself$/, /limits are shared again$/],
};

for (const [name, [open, closed]] of Object.entries(said)) {
  t.test(`${name}: an outage with many tries is two lines`, async (t) => {
    const redis = await startRedis();
    const lines: { level: number; msg: string }[] = [];
    const connection = createConnection({
      address: { path: redis.socket },
      name: name as ConnectionName,
      limits: { ...connectionLimits(loadConfig({})), failuresMax: 1, openMs: 10, connectTimeoutMs: 10 },
      metrics: createMetrics(),
      log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    });
    t.teardown(async () => {
      redis.process.kill('SIGCONT');
      connection.disconnect();
      await redis.stop();
    });
    const ping = () => runPipeline(connection, [call('PING')], 10);
    const tries = () => lines.filter(({ msg }) => msg.includes('the breaker tries')).length;
    await until(() => connection.status === 'ready', 'a connection');
    redis.process.kill('SIGSTOP');
    await until(async () => {
      await ping();
      return breakerOf(connection) !== 'closed' && tries() >= 6;
    }, 'several tries');
    redis.process.kill('SIGCONT');
    await until(async () => {
      await ping();
      return breakerOf(connection) === 'closed';
    }, 'an answer');
    const about = lines.filter(({ level, msg }) => level >= 30 && msg.includes('breaker'));
    t.match(about, [
      { level: 40, msg: open },
      { level: 30, msg: closed },
    ]);
    t.equal(about.length, 2);
  });
}
