/** What a person sees of an import under way, on a terminal and in a log. */
import { PassThrough } from 'node:stream';
import t from 'tap';
import { startProgress } from '../../src/cli/progress.js';

const startedAt = 1_000_000;

/** Progress on a stream that is a terminal, or not, with a clock that the test moves. */
function show(isTTY: boolean, options: { bytesTotal?: number; quiet?: boolean } = {}) {
  let now = startedAt;
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const settings = { bytesTotal: 1_000, quiet: false, ...options };
  const clock = { now: () => now };
  const progress = startProgress({
    ...settings,
    clock,
    stream: stream as unknown as NodeJS.WriteStream,
  });
  return {
    progress,
    /** What was written by the end. */
    ended(): string {
      progress.stop();
      return String(stream.read() ?? '');
    },
    pass: (seconds: number) => {
      now += seconds * 1_000;
    },
  };
}

t.test('a terminal gets a bar with share, rows, rate and time left', async (t) => {
  const { progress, pass, ended } = show(true);
  progress.begin();
  pass(10);
  progress.addBytes(250);
  progress.addRows(5_000);
  t.match(ended(), /=+-+ 25% {2}5,000 rows {2}500\/s {2}30 s left/);
});

t.test('what an earlier import had done does not count as speed', async (t) => {
  const { progress, pass, ended } = show(true);
  pass(3);
  progress.addBytes(800);
  progress.begin();
  pass(10);
  progress.addBytes(100);
  progress.addRows(1_000);
  t.match(ended(), /90% {2}1,000 rows {2}100\/s {2}10 s left/);
});

t.test('a log gets what is said and no bar; --quiet nothing', async (t) => {
  const log = show(false);
  log.progress.addBytes(500);
  log.progress.say('waiting\u001b[2J');
  t.equal(log.ended(), 'papertrail: waiting\\u001b[2J\n');
  const quiet = show(true, { quiet: true });
  quiet.progress.say('waiting');
  t.equal(quiet.ended(), '');
});

t.test('an input of unknown size has no bar', async (t) => {
  const { progress, ended } = show(true, { bytesTotal: Number.NaN });
  progress.addBytes(500);
  t.equal(ended(), '');
});
