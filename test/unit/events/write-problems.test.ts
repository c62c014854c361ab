/** What a request is told whose systems have failed, each in a way of its own: the gravest, and never less than is true. */
import t from 'tap';
import { createDelta, type SystemDelta } from '../../../src/events/delta.js';
import { problemsOf } from '../../../src/events/write-problems.js';
import { ReplyError, TooFewReplicasError, unsent } from '../../../src/redis/pipeline.js';
import { deltaOf } from '../../support/write-path.js';

const errors = {
  tooFew: new TooFewReplicasError('0 of 1 replicas had it in time'),
  unsent: unsent('no node serves the slot'),
  fault: new ReplyError('LOADING Redis is loading the dataset in memory'),
  full: new ReplyError('OOM command not allowed'),
  refused: new ReplyError('WRONGTYPE'),
  cut: new Error('Connection is closed.'),
};
type Name = keyof typeof errors | 'stored';

const systemOf = (requests: readonly number[], delta = createDelta()): SystemDelta => {
  for (const request of requests) deltaOf([{ system: 's' }], delta, request);
  return delta.systems.get('s') as SystemDelta;
};

/** What one request is told whose systems ended so. */
function told(names: readonly Name[], isPartial = false) {
  const failures = names.flatMap((name) =>
    name === 'stored' ? [] : [{ delta: systemOf([0]), error: errors[name], isPartial }],
  );
  const stored = names.filter((name) => name === 'stored').map(() => systemOf([0]));
  return problemsOf(failures, stored).get(0);
}

t.test('alone, each says what became of the events', async (t) => {
  t.match(told(['unsent']), { code: 'redis_unavailable', message: /nothing was stored/ });
  t.match(told(['fault']), {
    code: 'redis_unavailable',
    message: /nothing was stored: Redis is still loading/,
  });
  t.match(told(['full']), { code: 'ingest_failed', message: /nothing was stored: .*maxmemory/ });
  t.match(told(['refused']), { code: 'ingest_failed' });
  t.match(told(['cut']), { code: 'outcome_unknown', message: /may be stored or not/ });
  t.match(told(['tooFew']), { code: 'outcome_unknown', message: /the events are stored, but 0 of 1/ });
  t.equal(told(['stored']), undefined);
});

t.test('that nothing was stored is not said where a part is', async (t) => {
  for (const other of ['stored', 'tooFew'] as const) {
    t.match(told(['unsent', other]), { code: 'outcome_unknown', message: /^some of the events are stored/ });
    t.match(told([other, 'fault']), { code: 'ingest_failed', message: /^some of the events are not stored/ });
  }
  t.match(told(['fault'], true), { code: 'ingest_failed', message: /^some of the events are not stored/ });
  t.match(told(['unsent'], true), { code: 'outcome_unknown' });
});

t.test('of several the gravest is told, whatever their order', async (t) => {
  const byGravity = ['tooFew', 'unsent', 'fault', 'refused', 'cut'] as const;
  const codes = byGravity.slice(1).map((name, i) => {
    const lesser = byGravity[i];
    t.equal(told([name, lesser])?.message, told([lesser, name])?.message);
    return told([name, lesser])?.code;
  });
  t.strictSame(codes, ['outcome_unknown', 'redis_unavailable', 'ingest_failed', 'outcome_unknown']);
});

t.test('a request is not told of the systems of another', async (t) => {
  const failures = [{ delta: systemOf([1]), error: errors.unsent, isPartial: false }];
  const problems = problemsOf(failures, [systemOf([0, 2])]);
  t.strictSame([...problems.keys()], [1]);
  t.match(problems.get(1), { code: 'redis_unavailable' });
});
