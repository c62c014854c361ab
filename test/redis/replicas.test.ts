/** INGEST_WAIT_REPLICAS on a real master and replica: what is acknowledged is on both, or the sender is told. */
import { Redis } from 'ioredis';
import t from 'tap';
import { Problem } from '../../src/errors.js';
import { sketchKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startPair } from '../support/replication.js';
import { createWritePath, now } from '../support/write-path.js';

const { master, replica } = await startPair();
const clients = [master, replica].map(({ socket }) => new Redis(socket, { protocol: 2 }));
const wait = { replicas: 1, timeoutMs: 1_000 };
const path = await createWritePath({ socket: master.socket, wait });
t.teardown(async () => {
  replica.process.kill('SIGCONT');
  await path.close();
  for (const client of clients) client.disconnect();
  await replica.stop();
  await master.stop();
});

const day = bucketAt('day', now);
const eventsOn = async (client: Redis) =>
  (await client.hvals(sketchKey('s', 'count', 'events', day))).reduce((sum, count) => sum + Number(count), 0);
const outcomeOf = (promise: Promise<void>) =>
  promise.then(
    () => ({ code: 'stored', message: '' }),
    (error: Error) => ({ code: error instanceof Problem ? error.code : '', message: error.message }),
  );

t.test('what is acknowledged is on the replica', async (t) => {
  for (let count = 1; count <= 20; count++) {
    await path.store([{ user_id: `user-${count}` }]);
    t.equal(await eventsOn(clients[1]), count);
  }
});

t.test('also where the scripts had to be loaded again', async (t) => {
  const before = await eventsOn(clients[1]);
  await clients[0].script('FLUSH');
  await path.store([{ user_id: 'ada' }]);
  t.equal(await eventsOn(clients[1]), before + 1);
});

t.test('a replica that is stuck: outcome_unknown in time, and the write has happened once', async (t) => {
  const before = await eventsOn(clients[0]);
  const connection = await path.redis.client('ID');
  replica.process.kill('SIGSTOP');
  const began = performance.now();
  t.match(await outcomeOf(path.store([{ user_id: 'bob' }])), {
    code: 'outcome_unknown',
    message: /stored, but 0 of 1 replicas had it in time/,
  });
  const took = performance.now() - began;
  t.ok(took >= wait.timeoutMs - 5 && took < wait.timeoutMs + 1_000, `told after ${Math.round(took)} ms`);
  t.equal(await eventsOn(clients[0]), before + 1);

  replica.process.kill('SIGCONT');
  t.strictSame(await outcomeOf(path.store([{ user_id: 'bob' }])), { code: 'stored', message: '' });
  t.equal(await eventsOn(clients[1]), before + 2);
  t.equal(await path.redis.client('ID'), connection, 'on the same connection');
});

t.test('without waiting the same replica holds up nobody', async (t) => {
  const hasty = await createWritePath({ socket: master.socket });
  replica.process.kill('SIGSTOP');
  t.match(await outcomeOf(hasty.store([{ user_id: 'bob' }])), { code: 'stored' });
  replica.process.kill('SIGCONT');
  await hasty.close();
});
