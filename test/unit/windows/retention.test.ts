/** How long keys live, and what an answer covers, as a table. */
import t from 'tap';
import { type Bucket, bucketAt, type Grain, grains } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import {
  bucketCoverage,
  type Coverage,
  combineCoverage,
  longestMs,
  type Retention,
  recordSeconds,
  ttlSeconds,
} from '../../../src/windows/retention.js';

const retention: Retention = {
  minute: 2 * HOUR_MS,
  hour: 7 * DAY_MS,
  day: 90 * DAY_MS,
  week: 364 * DAY_MS,
  month: 730 * DAY_MS,
};
const now = Date.parse('2026-07-15T13:37:20.500Z');
const longAgo = now - 1_000 * DAY_MS;

t.test('a key lives for its retention from the end of its bucket', async (t) => {
  const left: Record<Grain, number> = {
    minute: 40 + 7_200 - 0.5,
    hour: 22 * 60 + 40 + 7 * 86_400 - 0.5,
    day: 10 * 3_600 + 22 * 60 + 40 + 90 * 86_400 - 0.5,
    week: 4 * 86_400 + 10 * 3_600 + 22 * 60 + 40 + 364 * 86_400 - 0.5,
    month: 16 * 86_400 + 10 * 3_600 + 22 * 60 + 40 + 730 * 86_400 - 0.5,
  };
  for (const grain of grains) {
    t.equal(ttlSeconds(bucketAt(grain, now), retention, now), Math.ceil(left[grain]), grain);
  }
});

t.test('a key of a time long past lives for its retention from now', async (t) => {
  for (const grain of grains) {
    t.equal(ttlSeconds(bucketAt(grain, longAgo), retention, now), retention[grain] / 1_000, grain);
  }
});

t.test('the records of a system outlive every key that is written with them', async (t) => {
  for (const grain of grains) {
    for (let days = 0; days < 800; days++) {
      const at = now - days * DAY_MS;
      for (const ahead of [0, DAY_MS]) {
        if (ttlSeconds(bucketAt(grain, at + ahead), retention, at) > recordSeconds(retention)) {
          t.fail(`${grain} at ${new Date(at).toISOString()}`);
        }
      }
    }
  }
  t.equal(longestMs(retention), retention.month);
});

/** Whole days, hours or minutes before now. */
const ago = (grain: Grain, ms: number): Bucket => bucketAt(grain, now - ms);

interface Case {
  name: string;
  bucket: Bucket;
  firstWritten?: number;
  exists?: boolean;
  since?: number;
  coverage: Coverage;
}

const cases: Case[] = [
  { name: 'never written system', bucket: ago('hour', 900 * DAY_MS), coverage: 'complete' },
  { name: 'now, nothing there', bucket: ago('hour', 0), since: longAgo, coverage: 'complete' },
  { name: 'in the future', bucket: ago('day', -3 * DAY_MS), since: longAgo, coverage: 'complete' },
  {
    name: 'ended within the retention',
    bucket: ago('hour', 6 * DAY_MS),
    since: longAgo,
    firstWritten: now - 6 * DAY_MS,
    exists: true,
    coverage: 'complete',
  },
  {
    name: 'past the retention and gone',
    bucket: ago('hour', 8 * DAY_MS),
    since: longAgo,
    firstWritten: now - 8 * DAY_MS,
    coverage: 'expired',
  },
  {
    name: 'past the retention, begun anew by a late event',
    bucket: ago('hour', 8 * DAY_MS),
    since: longAgo,
    firstWritten: now - 8 * DAY_MS,
    exists: true,
    coverage: 'partial',
  },
  {
    name: 'an old log replayed yesterday',
    bucket: ago('hour', 60 * DAY_MS),
    since: longAgo,
    firstWritten: now - DAY_MS,
    exists: true,
    coverage: 'complete',
  },
  {
    name: 'an old log replayed yesterday, a metric that it did not have',
    bucket: ago('hour', 60 * DAY_MS),
    since: longAgo,
    firstWritten: now - DAY_MS,
    coverage: 'complete',
  },
  {
    name: 'no record within the life of records: never written',
    bucket: ago('hour', 60 * DAY_MS),
    since: longAgo,
    coverage: 'complete',
  },
  {
    name: 'no record, but something is there',
    bucket: ago('hour', 60 * DAY_MS),
    since: longAgo,
    exists: true,
    coverage: 'partial',
  },
  {
    name: 'so old that a record could be gone too',
    bucket: ago('hour', 800 * DAY_MS),
    since: longAgo,
    coverage: 'expired',
  },
  {
    name: 'the same, but the system is younger than that',
    bucket: ago('hour', 800 * DAY_MS),
    since: now - 10 * DAY_MS,
    coverage: 'complete',
  },
  {
    name: 'a minute past its retention',
    bucket: ago('minute', 3 * HOUR_MS),
    since: longAgo,
    firstWritten: now - 3 * HOUR_MS,
    coverage: 'expired',
  },
  {
    name: 'a minute whose hour was replayed: minutes are not written then',
    bucket: ago('minute', 3 * HOUR_MS),
    since: longAgo,
    firstWritten: now - MINUTE_MS,
    coverage: 'expired',
  },
  {
    name: 'a minute whose hour was never written',
    bucket: ago('minute', 3 * HOUR_MS),
    since: longAgo,
    coverage: 'complete',
  },
  {
    name: 'a month that ended within the retention',
    bucket: ago('month', 700 * DAY_MS),
    since: longAgo,
    firstWritten: now - 700 * DAY_MS,
    exists: true,
    coverage: 'complete',
  },
  {
    name: 'a day past its retention',
    bucket: ago('day', 92 * DAY_MS),
    since: longAgo,
    firstWritten: now - 92 * DAY_MS,
    coverage: 'expired',
  },
];

t.test('what one bucket covers', async (t) => {
  for (const { name, bucket, firstWritten, exists = false, since, coverage } of cases) {
    t.equal(bucketCoverage({ bucket, firstWritten, exists }, retention, now, since), coverage, name);
  }
});

t.test(
  'at the very end of the retention a bucket is still complete, a millisecond later it is not',
  async (t) => {
    const bucket = bucketAt('hour', now);
    const facts = { bucket, firstWritten: bucket.start, exists: false };
    const end = bucket.end + retention.hour;
    t.equal(bucketCoverage(facts, retention, end, longAgo), 'complete');
    t.equal(bucketCoverage(facts, retention, end + 1, longAgo), 'expired');
  },
);

t.test('several buckets are complete or expired only where all are', async (t) => {
  t.equal(combineCoverage(['complete', 'complete']), 'complete');
  t.equal(combineCoverage(['expired', 'expired']), 'expired');
  t.equal(combineCoverage(['complete', 'expired']), 'partial');
  t.equal(combineCoverage(['complete', 'partial']), 'partial');
  t.equal(combineCoverage(['partial']), 'partial');
});
