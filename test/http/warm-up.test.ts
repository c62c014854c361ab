/** After a start: the summaries of the busiest systems are there before anybody asks. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const HOUR = 3_600_000;
const now = Date.UTC(2026, 0, 31, 13, 20);
const clock = { now: () => now };
const redis = await startRedis();
t.teardown(() => redis.stop());

const times = (count: number, system: string, timestamp = now) =>
  Array.from({ length: count }, (_, i) => event({ system, user_id: `user-${i}`, timestamp }));
const statusOf = async (base: string, system: string) =>
  String((await get(base, `/api/v1/compliance/summary/${system}`)).headers['cache-status']);
/** Answers about one system that were computed, as /metrics tells. */
async function computed(base: string): Promise<number> {
  const { text } = await get(base, '/metrics');
  return Number(
    /papertrail_cache_answers_total\{endpoint="summary",state="miss"\} (\d+)/.exec(text)?.[1] ?? 0,
  );
}

t.test('summaries of the twenty busiest systems are hits though nobody asked', async (t) => {
  const writing = await startApp({ clock, redis });
  const quiet = Array.from({ length: 30 }, (_, i) => times(1, `quiet-${i}`));
  const busy = Array.from({ length: 20 }, (_, i) => times(3, `busy-${i}`, now - (i % 2) * HOUR));
  const past = times(50, 'busy yesterday', now - 24 * HOUR);
  await postRows(writing.base, [...busy.flat(), ...quiet.flat(), ...past]);
  await writing.stop();

  const { base, stop } = await startApp({ clock, redis, config: { QUERY_CACHE: 'on' } });
  t.teardown(stop);
  await until(async () => (await computed(base)) === 20, 'the summaries');
  for (let i = 0; i < 20; i++) t.match(await statusOf(base, `busy-${i}`), /; hit; ttl=\d+$/);
  t.match(await statusOf(base, 'quiet-0'), /fwd=miss/, 'and no others');
  t.match(await statusOf(base, 'busy%20yesterday'), /fwd=miss/);
});

t.test('what another process has computed is taken from there', async (t) => {
  const { base, stop } = await startApp({ clock, redis, config: { QUERY_CACHE: 'on' } });
  t.teardown(stop);
  const { text } = await get(base, '/metrics');
  t.notMatch(text, /state="miss"/);
  await until(
    async () => /endpoint="summary",state="hit_l2"\} 20/.test((await get(base, '/metrics')).text),
    'them',
  );
  t.equal(await computed(base), 0);
});
