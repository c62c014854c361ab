/** Supervision, with workers that the test ends. */
import { pino } from 'pino';
import t from 'tap';
import { type Ending, pauseMs, supervise } from '../../../src/processes/supervision.js';
import { until } from '../../support/until.js';

const log = pino({ level: 'silent' });

function setUp(workers: number) {
  const started: { number: number; listen: () => void; end: (ending: Ending) => void; signals: string[] }[] =
    [];
  let restarts = 0;
  const supervision = supervise({
    workers,
    start(number) {
      let listen = () => {};
      let end: (ending: Ending) => void = () => {};
      const listening = new Promise<void>((resolve) => {
        listen = resolve;
      });
      const exited = new Promise<Ending>((resolve) => {
        end = resolve;
      });
      const signals: string[] = [];
      started.push({ number, listen, end, signals });
      return { listening, exited, kill: (signal) => void signals.push(signal) };
    },
    onRestart: () => restarts++,
    log,
    random: () => 0,
  });
  return { started, supervision, restarts: () => restarts };
}
const fine: Ending = { code: 0, signal: null };

t.test('the others are started once the first listens', async (t) => {
  const { started, supervision } = setUp(3);
  const start = supervision.start();
  t.equal(started.length, 1);
  started[0].listen();
  t.equal(await start, undefined);
  t.strictSame(
    started.map(({ number }) => number),
    [1, 2, 3],
  );
});

t.test('where the first ends before it listens nothing more is started', async (t) => {
  const { started, supervision, restarts } = setUp(3);
  const start = supervision.start();
  started[0].end({ code: 3, signal: null });
  t.strictSame(await start, { code: 3, signal: null });
  t.equal(started.length, 1);
  t.equal(restarts(), 0);
});

t.test('one that ends is replaced under its number, also where it has not listened yet', async (t) => {
  const { started, supervision, restarts } = setUp(2);
  const start = supervision.start();
  started[0].listen();
  await start;
  started[1].end({ code: null, signal: 'SIGKILL' });
  await until(() => started.length === 3, 'another');
  started[2].end({ code: 1, signal: null });
  await until(() => started.length === 4, 'yet another');
  t.strictSame(
    started.map(({ number }) => number),
    [1, 2, 2, 2],
  );
  t.equal(restarts(), 2);
});

t.test('a stop asks all to end, replaces none, and kills those that do not', async (t) => {
  const { started, supervision } = setUp(2);
  const start = supervision.start();
  started[0].listen();
  await start;
  const stop = supervision.stop(10);
  started[0].end(fine);
  await until(() => started[1].signals.length === 2, 'the end of patience');
  started[1].end({ code: null, signal: 'SIGKILL' });
  t.equal(await stop, 1);
  t.strictSame(
    started.map(({ signals }) => signals),
    [['SIGTERM'], ['SIGTERM', 'SIGKILL']],
  );
});

t.test('a stop during the start, or during a pause, starts nothing more', async (t) => {
  const early = setUp(2);
  const start = early.supervision.start();
  const stop = early.supervision.stop(10_000);
  early.started[0].end(fine);
  await start;
  t.equal(await stop, 0);
  t.equal(early.started.length, 1);

  const late = setUp(2);
  const started = late.supervision.start();
  late.started[0].listen();
  await started;
  late.started[1].end({ code: 1, signal: null });
  await until(() => late.restarts() === 1, 'the pause');
  const stopped = late.supervision.stop(10_000);
  late.started[0].end(fine);
  t.equal(await stopped, 0);
  t.equal(late.started.length, 2);
});

t.test('pauses double up to a bound, half of each left to chance', async (t) => {
  t.strictSame(
    [1, 2, 3, 4].map((deaths) => [pauseMs(deaths, 0), pauseMs(deaths, 1)]),
    [
      [50, 100],
      [100, 200],
      [200, 400],
      [400, 800],
    ],
  );
  t.strictSame([pauseMs(30, 0), pauseMs(30, 1)], [5_000, 10_000]);
});
