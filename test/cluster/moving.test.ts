/**
 * A slot that is moved to another master while events come and questions are asked: nothing is lost, nothing is
 * counted twice, no sketch is torn in two, and no answer leaves out what has been moved already.
 */
import t from 'tap';
import { slotOf } from '../../src/redis/cluster/slots.js';
import { sketchKey, systemKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startAppOn } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { beginMove, type ClusterNode, endMove, moveKeys, startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 37, 20);
const clock = { now: () => now };
const cluster = await startCluster();
const { base, stop } = await startAppOn({
  address: cluster.url,
  clock,
  config: { EVENT_ID_SECONDS: 86_400 },
});
t.teardown(async () => {
  await stop();
  await cluster.stop();
});

const row = (system: string, user_id: string) =>
  event({ system, user_id, timestamp: now, metadata: { ip: '10.0.0.1', latency_ms: 1 } });
const slotOfSystem = (system: string) => slotOf(systemKey(system));

/** Where the slot of a system is, and another master. */
async function ends(system: string): Promise<[ClusterNode, ClusterNode]> {
  const from = await cluster.homeOf(systemKey(system));
  return [from, cluster.masters.find((node) => node !== from) as ClusterNode];
}

async function counted(system: string) {
  const ask = async (path: string, parameters: object = {}) =>
    (
      await get<{ count: number; points: { count: number }[] }>(
        base,
        compliance(path, { system, ...parameters }),
      )
    ).body;
  const from = new Date(now - 3_600_000).toISOString();
  const to = new Date(now + 3_600_000).toISOString();
  const { points } = await ask('timeseries/events', { from, to, step: '1h' });
  return {
    events: points.reduce((sum, { count }) => sum + count, 0),
    users: (await ask('distinct/users', { window: '1d' })).count,
  };
}

async function metric(name: string): Promise<number> {
  const { text } = await get(base, '/metrics');
  return Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
const redirects = (kind: string) => metric(`papertrail_cluster_redirects_total{kind="${kind}"}`);

t.test(
  'while a slot is moved a few keys at a time, senders lose nothing and nothing is counted twice',
  async (t) => {
    const system = 'moving';
    await postRows(base, [row(system, 'first')]);
    const [from, to] = await ends(system);
    const slot = slotOfSystem(system);
    const acknowledged = new Set(['first']);
    let isOver = false;
    let refused = 0;
    async function sender(name: string): Promise<void> {
      for (let i = 0; !isOver; i++) {
        const { status } = await postRows(base, [row(system, `${name}-${i}`), row('other', `${name}-${i}`)]);
        if (status === 201) acknowledged.add(`${name}-${i}`);
        else refused++;
      }
    }
    const senders = ['a', 'b', 'c'].map(sender);
    await beginMove(slot, from, to);
    do await postRows(base, [row('other', 'x')]);
    while ((await moveKeys(slot, from, to, 3)) > 0);
    await endMove(slot, from, to, cluster.masters);
    const atEnd = acknowledged.size;
    await until(() => acknowledged.size > atEnd + 20, 'events after the move');
    isOver = true;
    await Promise.all(senders);
    t.comment(`${acknowledged.size} acknowledged, ${refused} refused`);
    const { events, users } = await counted(system);
    t.equal(events, acknowledged.size, 'each event that was acknowledged, once, and no other');
    t.ok(Math.abs(users - acknowledged.size) <= acknowledged.size * 0.05, `${users} users`);
    t.ok(await redirects('moved'), 'it was told where the slot is');
    const keys = await cluster.keys();
    const own = keys.map((some) => some.filter((key) => key.startsWith(systemKey(system))).length);
    t.strictSame(own.filter((count) => count > 0).length, 1, 'all of it is on one node');
    t.ok(own[cluster.masters.indexOf(to)] > 0);
  },
);

t.test(
  'events with ids, sent until they are stored while their slot is moved, are counted once',
  async (t) => {
    const system = 'identified';
    const rowOf = (id: number) => ({ ...row(system, `u${id}`), event_id: `event ${id}` });
    const send = (rows: object[]) => postRows<{ duplicates: number }>(base, rows);
    await send([rowOf(0)]);
    const [from, to] = await ends(system);
    const slot = slotOfSystem(system);
    let sent = 0;
    let isOver = false;
    async function sender(): Promise<void> {
      while (!isOver) {
        const rows = [rowOf(sent), rowOf(++sent)];
        await until(async () => (await send(rows)).status === 201, 'an answer');
      }
    }
    const senders = [sender(), sender()];
    await beginMove(slot, from, to);
    do await send([rowOf(0)]);
    while ((await moveKeys(slot, from, to, 3)) > 0);
    await endMove(slot, from, to, cluster.masters);
    const atEnd = sent;
    await until(() => sent > atEnd + 20, 'events after the move');
    isOver = true;
    await Promise.all(senders);
    t.equal((await counted(system)).events, sent + 1);
    const known = Array.from({ length: sent + 1 }, (_, id) => rowOf(id));
    t.match(await send(known), { status: 201, body: { duplicates: sent + 1 } });
  },
);

t.test('a sketch that has gone ahead of its slot is asked where it is', async (t) => {
  const system = 'asked';
  await postRows(base, [row(system, 'ada'), row(system, 'bob')]);
  const [from, to] = await ends(system);
  const slot = slotOfSystem(system);
  const before = await counted(system);
  t.strictSame(before, { events: 2, users: 2 });
  await beginMove(slot, from, to);
  const key = sketchKey(system, 'hll', 'users', bucketAt('day', now));
  await from.direct.call('MIGRATE', '127.0.0.1', to.port, key, 0, 5_000);
  t.strictSame(await counted(system), before);
  t.ok((await redirects('ask')) > 0);
  await endMove(slot, from, to, cluster.masters);
  t.strictSame(await counted(system), before);
});

t.test('events for a system that is torn wait for the end of the move, and are counted once', async (t) => {
  for (const [name, isFirst] of [
    ['the record has gone ahead', true],
    ['the record is left behind', false],
  ] as const) {
    t.test(name, async (t) => {
      const system = `torn-${isFirst}`;
      await postRows(base, [row(system, 'ada')]);
      const [from, to] = await ends(system);
      const slot = slotOfSystem(system);
      await beginMove(slot, from, to);
      const root = systemKey(system);
      const sketch = sketchKey(system, 'count', 'events', bucketAt('day', now));
      await from.direct.call('MIGRATE', '127.0.0.1', to.port, isFirst ? root : sketch, 0, 5_000);
      const waits = await redirects('wait');
      const send = async () => (await postRows(base, [row(system, 'bob')])).status;
      const answer = send();
      await until(async () => (await redirects('wait')) > waits, 'the event to wait');
      await endMove(slot, from, to, cluster.masters);
      // On a slow machine the move may take longer than the event waits.
      const status = await answer;
      if (status === 503) await until(async () => (await send()) === 201, 'the event to be stored');
      else t.equal(status, 201);
      t.strictSame(await counted(system), { events: 2, users: 2 });
    });
  }
});

t.test('where the move does not end, the sender gets 503, and nothing was stored', async (t) => {
  const system = 'stuck';
  await postRows(base, [row(system, 'ada')]);
  const [from, to] = await ends(system);
  await beginMove(slotOfSystem(system), from, to);
  await from.direct.call('MIGRATE', '127.0.0.1', to.port, systemKey(system), 0, 5_000);
  t.match(await postRows(base, [row(system, 'bob')]), { status: 503, body: { code: 'redis_unavailable' } });
  const question = compliance('top/active_users', { system, window: '1h' });
  t.match(
    await get(base, question),
    { status: 503, body: { code: 'redis_unavailable' } },
    'so does a question',
  );
  await endMove(slotOfSystem(system), from, to, cluster.masters);
  t.strictSame(await counted(system), { events: 1, users: 1 });
  t.equal((await postRows(base, [row(system, 'bob')])).status, 201);
  t.strictSame(await counted(system), { events: 2, users: 2 });
});
