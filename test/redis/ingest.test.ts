/** Ingest on a real Redis: what a request holds while it waits. What it answers is tested in test/http. */
import t from 'tap';
import { createIngest } from '../../src/events/ingest.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { startRedis } from '../support/redis-server.js';
import { createWritePath, now, retention } from '../support/write-path.js';

const server = await startRedis();
const path = await createWritePath({ socket: server.socket });
t.teardown(async () => {
  await path.close();
  await server.stop();
});

const ingest = createIngest({
  writer: path.writer,
  directory: path.directory,
  clock: { now: () => now },
  metrics: path.metrics,
  pseudonyms: undefined,
  readsIds: false,
  placement: undefined,
  futureMsMax: DAY_MS,
  minuteRetentionMs: retention.minute,
});
const rowsOf = (count: number) =>
  Array.from({ length: count }, () => ({ event_type: 'api_access', system: 's', user_id: 'ada' }));

t.test('a request that waits for Redis has let go of its rows', async (t) => {
  const rows = rowsOf(3);
  const stored = ingest.ingest({ rows, bytes: 300 }, { strict: false });
  t.same(rows, [], 'while it waits');
  t.equal((await stored).accepted, 3);
});

t.test('chunks are counted as they came, though their rows are let go of', async (t) => {
  const chunks = [rowsOf(2), [...rowsOf(1), 'no event']];
  async function* read() {
    for (const rows of chunks) yield { rows, bytes: 100 };
  }
  t.match(await ingest.ingestChunks(read(), {}), { accepted: 3, rejected: 1, errors: [{ index: 3 }] });
  t.same(chunks, [[], []]);
});
