/** Late writes: which systems have their cached answers about spans that are over made invalid, and when. */
import t from 'tap';
import { lateMs } from '../../../src/cache/policies.js';
import { Problem } from '../../../src/errors.js';
import { createSystemDelta, type SystemDelta } from '../../../src/events/delta.js';
import { createLateWrites } from '../../../src/events/late-writes.js';
import { shardName } from '../../../src/redis/keys.js';

const now = Date.UTC(2026, 0, 31, 12);
const written = (system: string, firstEvent: number): SystemDelta => ({
  ...createSystemDelta(system),
  firstEvent,
  lastEvent: now,
});

function create() {
  const calls: (string[] | undefined)[] = [];
  const failures: Error[] = [];
  const lateWrites = createLateWrites({ now: () => now });
  const flush = () =>
    lateWrites.flush(async (systems) => {
      const failure = failures.shift();
      if (failure) throw failure;
      calls.push(systems && [...systems].sort());
    });
  return { ...lateWrites, flush, calls, failures };
}

t.test('the first flush of a process invalidates the answers about all systems', async (t) => {
  const { flush, calls } = create();
  await flush();
  await flush();
  t.strictSame(calls, [undefined]);
});

t.test('systems whose earliest event is late are invalidated once, shards under their system', async (t) => {
  const { flush, calls, written: write } = create();
  await flush();
  write([
    written('late', now - lateMs - 1),
    written('timely', now - lateMs),
    written(shardName('spread', '1.0'), now - lateMs - 1),
  ]);
  write([written('late', now - lateMs - 5_000)]);
  await flush();
  await flush();
  t.strictSame(calls.slice(1), [['late', 'spread']]);
});

t.test('what could not be invalidated is tried again', async (t) => {
  const { flush, calls, failures, written: write } = create();
  failures.push(new Problem('redis_unavailable', 'away'), new Problem('redis_unavailable', 'still away'));
  await flush();
  await flush();
  await flush();
  t.strictSame(calls, [undefined], 'all, as at first');
  write([written('late', 0)]);
  failures.push(new Problem('redis_unavailable', 'away'));
  await flush();
  await flush();
  t.strictSame(calls, [undefined, ['late']]);
});
