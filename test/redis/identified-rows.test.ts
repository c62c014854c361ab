/** Identified rows on a real Redis: others may be quicker any number of times. */
import { Redis } from 'ioredis';
import t from 'tap';
import { createDelta } from '../../src/events/delta.js';
import { addRow, createRefold, type Refold } from '../../src/events/identified-rows.js';
import { createEventReader } from '../../src/events/read-event.js';
import { createSystemWrites } from '../../src/events/system-writes.js';
import { systemKey } from '../../src/redis/keys.js';
import { knownIdsHead } from '../../src/redis/known-ids.js';
import { runPipeline, type Send } from '../../src/redis/pipeline.js';
import { idHashBytes, writeIdHash } from '../../src/sketches/hash.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { replyDeadlineMs } from '../support/apply-delta.js';
import { startRedis } from '../support/redis-server.js';
import { createWritePath, now, retention } from '../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const path = await createWritePath({ socket: server.socket });
t.teardown(async () => {
  redis.disconnect();
  await path.close();
  await server.stop();
});

const reader = createEventReader(DAY_MS, true);
const head = knownIdsHead(86_400);

function hashOf(id: string): Buffer {
  const hash = Buffer.alloc(idHashBytes);
  writeIdHash(id, hash, 0);
  return hash;
}

t.test('a part that loses a row to somebody else each time it is sent is stored in the end', async (t) => {
  const root = systemKey('s');
  const [prefix, , slice] = head;
  const key = `${root}:${prefix}${Math.floor(Number((await redis.time())[0]) / Number(slice))}`;
  const refoldRow = createRefold({
    futureMsMax: DAY_MS,
    pseudonyms: undefined,
    minuteRetentionMs: retention.minute,
  });
  const quicker: string[] = [];
  /** Has the first row that is folded again stored by somebody else, before what is left goes out. */
  const refold: Refold = (part, row, at, request) => {
    const { event_id } = row as { event_id: string };
    if (!part.kept && quicker.length < 30) {
      quicker.push(event_id);
      void redis.sadd(key, hashOf(event_id));
    }
    refoldRow(part, row, at, request);
  };
  const { filter, folder, metrics } = path;
  const send: Send = (calls) => runPipeline(redis, calls, replyDeadlineMs);
  const writes = createSystemWrites({
    send,
    sharing: 'any',
    filter,
    folder,
    retention,
    clock: { now: () => now },
    monotonic: { now: () => now },
    metrics,
    ids: { head, refold },
    randomId: () => 'epoch',
  });
  const group = createDelta();
  for (let i = 0; i < 40; i++) {
    const row = { event_type: 'api_access', system: 's', event_id: `id-${i}`, user_id: `u${i}` };
    t.equal(reader.read(row, now), undefined);
    addRow({ group, marked: undefined, request: 5, now, minutesFrom: 0 }, row, reader.event);
  }
  await redis.sadd(key, hashOf('id-39'));
  const planned = writes.plan(group.apart);
  const calls = planned.calls.map(({ call }) => call);
  const duplicates = new Map<number, number>();
  const failures = await writes.settle(planned, await send(calls), duplicates);
  t.strictSame(failures, []);
  t.strictSame(duplicates, new Map([[5, 31]]));
  t.strictSame(await redis.hvals(`${root}:count:events:day:${bucketAt('day', now).name}`), ['9']);
  t.equal(await redis.scard(key), 40);
});
