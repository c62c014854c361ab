/** SIGTERM under load: what was accepted is answered, what was acknowledged is counted, nothing else is stored. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import t from 'tap';
import { sketchKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { event } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.js';
import { until } from '../support/until.js';

const connections = 24;
const acknowledgedFirst = 400;
const at = Date.UTC(2024, 4, 17, 9, 30);
const timestamp = new Date(at).toISOString();
const headers = { 'content-type': 'application/json' };

const redis = await startRedis();
const reader = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  reader.disconnect();
  await redis.stop();
});

/** Every user of a system and how often it was counted, exact below the capacity of a list. */
async function counted(system: string): Promise<Map<string, number>> {
  const key = sketchKey(system, 'top', 'active_users', bucketAt('hour', at));
  const pairs = (await reader.call('ZRANGE', key, 0, -1, 'WITHSCORES')) as string[];
  return new Map(pairs.flatMap((item, i) => (i % 2 ? [] : [[item, Number(pairs[i + 1])]])));
}

/** A request that the service has accepted, and the rest of whose body waits. */
async function halfSent({ base }: ServiceProcess, path: string, type: string, body: string) {
  const outgoing = request(new URL(path, base), {
    method: 'POST',
    // Whoever says "continue" has read the head of the request.
    headers: { 'content-type': type, expect: '100-continue' },
    agent: false,
  });
  const answer = once(outgoing, 'response').then(async ([incoming]) => {
    return { status: incoming.statusCode as number, body: JSON.parse(await text(incoming)) };
  });
  answer.catch(() => {});
  outgoing.flushHeaders();
  await once(outgoing, 'continue');
  const middle = Math.floor(body.length / 2);
  outgoing.write(body.slice(0, middle));
  return {
    finish() {
      outgoing.end(body.slice(middle));
      return answer;
    },
  };
}

for (const workers of ['1', '2']) {
  t.test(
    `under load, all that is acknowledged is counted once and nothing else is (workers: ${workers})`,
    async (t) => {
      const service = await startServiceProcess(redis, { WORKERS: workers });
      t.teardown(service.kill);
      const acknowledged = new Map<string, Set<string>>();
      const outcomes: Record<string, number> = {};
      let total = 0;

      /** One connection's worth of load, until the service refuses it. */
      async function load(system: string): Promise<void> {
        const own = new Set<string>();
        acknowledged.set(system, own);
        for (let n = 0; n < 900; n++) {
          const users = Array.from({ length: 1 + (n % 3) }, (_, i) => `${n}-${i}`);
          const body = JSON.stringify(users.map((user_id) => event({ system, user_id, timestamp })));
          const answer = await fetch(`${service.base}/api/v1/events/batch`, { method: 'POST', headers, body })
            .then(async (answer) => ({ status: answer.status, text: await answer.text() }))
            .catch(() => undefined);
          const outcome = String(answer?.status ?? 'refused');
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
          if (outcome !== '201') return;
          for (const user of users) own.add(user);
          if (++total === acknowledgedFirst) service.child.kill('SIGTERM');
        }
      }

      await Promise.all(Array.from({ length: connections }, (_, i) => load(`system-${workers}-${i}`)));
      t.same(await service.exited, [0, null], 'a clean end');
      t.comment(JSON.stringify(outcomes));
      t.strictSame(
        Object.keys(outcomes).filter((outcome) => !['201', '503', 'refused'].includes(outcome)),
        [],
      );
      for (const [system, users] of acknowledged) {
        t.strictSame(await counted(system), new Map([...users].sort().map((user) => [user, 1])), system);
      }
    },
  );
}

/**
 * Resolves once the service takes no new connection. One that a primary takes when its last worker has just closed gets
 * no answer and stays open until the primary ends.
 */
async function untilRefused({ base }: ServiceProcess): Promise<void> {
  const headers = { connection: 'close' };
  const ask = () => fetch(`${base}/livez`, { headers, signal: AbortSignal.timeout(1_000) });
  const isRefused = async () => !(await ask().catch(() => undefined))?.ok;
  await until(isRefused, 'the end of new connections');
}

for (const workers of ['1', '2']) {
  t.test(`requests whose body is still coming are taken in to the end (workers: ${workers})`, async (t) => {
    const service = await startServiceProcess(redis, { WORKERS: workers });
    t.teardown(service.kill);
    const rows = (name: string) =>
      Array.from({ length: 50 }, (_, i) => event({ system: name, user_id: `u${i}`, timestamp }));
    const lines = rows(`ndjson-${workers}`).map((row) => `${JSON.stringify(row)}\n`);
    const halves = [
      await halfSent(
        service,
        '/api/v1/events/batch',
        'application/json',
        JSON.stringify(rows(`json-${workers}`)),
      ),
      await halfSent(service, '/api/v1/events/batch', 'application/x-ndjson', lines.join('')),
    ];
    service.child.kill('SIGTERM');
    await untilRefused(service);
    for (const half of halves) t.match(await half.finish(), { status: 201, body: { processed: 50 } });
    t.same(await service.exited, [0, null]);
    for (const system of ['json', 'ndjson'])
      t.equal((await counted(`${system}-${workers}`)).size, 50, system);
  });
}

t.test('a new request on a connection that is still open is a 503 that ends it', async (t) => {
  const service = await startServiceProcess(redis);
  t.teardown(service.kill);
  const body = JSON.stringify(event({ system: 'kept', timestamp }));
  const { hostname, port } = new URL(service.base);
  const socket = connect(Number(port), hostname);
  const head = `POST /api/v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  socket.write(`${head}expect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  service.child.kill('SIGTERM');
  await untilRefused(service);
  socket.write(`${body}${head}\r\n${body}`);
  const [, first = '', second = ''] = (await text(socket)).split('HTTP/1.1 ');
  t.match(first, /^201 /);
  t.match(second, /^503 /);
  t.match(second, /\r\nconnection: close\r\n/i);
  t.match(second, /\r\nretry-after: 5\r\n/);
  t.match(second, /"code":"stopping"/);
  t.same(await service.exited, [0, null]);
  t.notMatch(service.lines.join('\n'), /"level":[56]0/, 'a clean stop is no error in the log');
  t.strictSame(await counted('kept'), new Map([['alice', 1]]));
});
