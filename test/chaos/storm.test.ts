/** Everything that can fail does, once: the short form of `npm run chaos`. And it ends when it is broken off. */
import t from 'tap';
import { runStorm } from './storm.js';

const MEMORY_BYTES_MAX = 1024 ** 3;

t.test('through every kind of fault', async (t) => {
  const report = await runStorm({ senders: 10, eventsPerBatch: 50, seed: 20_260_101 });
  const { sent, faults, counted, samples, largestServiceBytes } = report;
  t.ok(faults.size >= 14, `${faults.size} kinds of fault happened`);
  t.ok(sent.acknowledged > 0, `${sent.acknowledged} events were acknowledged`);
  t.equal(counted, sent.acknowledged, 'each acknowledged event is counted, and none twice');
  t.equal(samples, sent.acknowledged, 'and so is each in the digests');
  t.equal(sent.hangs, 0, 'no request hangs');
  const outcomes = [...sent.tries.keys()];
  // Where a killed service held the claim of a request, its sender waits for the end of a lease.
  const told = /^(201|connection lost|503 \w+|409 request_in_flight)$/;
  t.match(
    outcomes,
    outcomes.map(() => told),
    `senders are told to try again: ${outcomes.join(', ')}`,
  );
  t.ok(largestServiceBytes < MEMORY_BYTES_MAX, 'the memory of the service stays bounded');
});

t.test('a storm that is broken off leaves nothing running', async (t) => {
  let pids: (number | undefined)[] = [];
  const broken = runStorm({
    senders: 2,
    eventsPerBatch: 1,
    seed: 1,
    onStart(processes) {
      pids = Object.values(processes());
    },
    onFault() {
      throw new Error('enough');
    },
  });
  await t.rejects(broken, { message: 'enough' });
  t.equal(pids.length, 2);
  for (const pid of pids) t.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' });
});
