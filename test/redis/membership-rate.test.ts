/** The rate of false positives in answers about filters in Redis: at least what strangers meet, however many are asked. */
import { Redis } from 'ioredis';
import t from 'tap';
import { placesOf } from '../../src/compliance/place.js';
import { askMembership } from '../../src/compliance/set-questions.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import { layerCapacities } from '../../src/sketches/bloom.js';
import { combineRates, falsePositiveRate } from '../../src/sketches/bloom-rate.js';
import { type Bucket, bucketAt } from '../../src/windows/bucket.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { apply, bloomKeys, namesFrom, replyDeadlineMs } from '../support/apply-delta.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

const suffixOf = ({ name }: Bucket) => `bloom:users:day:${name}`;
const daysFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => bucketAt('day', (first + i) * DAY_MS));
const exactRateOf = async (day: Bucket) =>
  falsePositiveRate((await redis.getBuffer(`pt:{s}:${suffixOf(day)}`)) as Buffer);

async function ask(values: readonly string[], days: readonly Bucket[]) {
  const questions = values.map((value) => askMembership('users', value, placesOf(['s'], days)));
  const calls = questions.flatMap((question) => question.calls);
  const replies = await readPipeline(redis, calls, replyDeadlineMs);
  return questions.map(({ decode }, i) => decode([replies[i]]));
}

t.test('the worst of many filters states its own rate, and strangers are found at that rate', async (t) => {
  const days = daysFrom(0, 400);
  const values = layerCapacities[0] - 1;
  await apply(redis, {
    membership: days.map((day) => [suffixOf(day), 900, bloomKeys(namesFrom(`${day.name}-`, values))]),
  });
  const rates = await Promise.all(
    days.map(async (day) => {
      const [{ falsePositiveRate: rate }] = await ask(['ada'], [day]);
      t.equal(rate, await exactRateOf(day));
      return rate;
    }),
  );
  const worst = Math.max(...rates);
  const average = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  t.ok(worst > 3 * average && worst < 0.001, `${worst}, on average ${average}`);
  const probes = 60_000;
  let found = 0;
  for (let asked = 0; asked < probes; asked += 10_000) {
    const strangers = Array.from({ length: 10_000 }, (_, i) => `stranger-${asked + i}`);
    const answers = await ask(strangers, [days[rates.indexOf(worst)]]);
    found += answers.filter((answer) => answer.found).length;
  }
  const slack = 4 * Math.sqrt(worst * probes);
  t.ok(Math.abs(found - worst * probes) < slack, `${found} found, ${worst * probes} expected`);
});

t.test('a question about many filters states no less than their bits, and not much more', async (t) => {
  const days = daysFrom(1_000, 90);
  const sizes = [40, 99, 500, 1_000, 3_000, 12_000];
  for (const [i, day] of days.entries()) {
    const names = namesFrom(`${day.name}-`, sizes[i % sizes.length]);
    await apply(redis, { membership: [[suffixOf(day), 900, bloomKeys(names)]] });
  }
  const exact = await Promise.all(days.map(exactRateOf));
  for (const asked of [1, 6, 31, 62, 63, 90]) {
    const [{ falsePositiveRate: stated }] = await ask(['ada'], days.slice(0, asked));
    const truth = combineRates(exact.slice(0, asked));
    t.ok(stated >= truth && stated < 2.5 * truth, `${asked} days: ${stated} for ${truth}`);
  }
});
