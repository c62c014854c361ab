/**
 * One limit of 1,000 events a second, two processes: whichever is asked, together they let through what the limit says,
 * within 2%. Senders send as fast as they can and try again at once, which is the worst there is. What is counted is
 * what was acknowledged, and it is compared with what is stored.
 */
import t from 'tap';
import { event, get, query } from '../support/http.js';
import { seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.js';
import { until } from '../support/until.js';

const perSecond = 1_000;
const seconds = 3;
const senders = 6;
const eventsSmallMax = 8;
const eventsLarge = 60;
/** Where the machine is so busy that senders stand still, they find afterwards what they missed. */
const burstSeconds = 3;

const redis = await startRedis();
const env = {
  LIMIT_INGEST_EVENTS_PER_SECOND: `${perSecond}`,
  LIMIT_BURST_SECONDS: `${burstSeconds}`,
};
const services: ServiceProcess[] = [];
t.teardown(async () => {
  await Promise.all(services.map((service) => service.kill()));
  await redis.stop();
});
services.push(...(await Promise.all([1, 2].map(() => startServiceProcess(redis, env)))));

async function sendRows({ base }: ServiceProcess, count: number, system: string): Promise<number> {
  const answer = await fetch(`${base}/api/v1/events/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Array.from({ length: count }, () => event({ system }))),
  });
  const body = (await answer.json()) as { accepted: number };
  if (answer.status === 201) return body.accepted;
  if (answer.status !== 429) throw new Error(`${answer.status} ${JSON.stringify(body)}`);
  return 0;
}

/** Which process the sender asks after so many seconds. */
type Choose = (sender: number, at: number) => number;

/**
 * Empties the bucket, lets the senders go on for some seconds until each finds it empty, and counts. The instant at which
 * a request is decided lies between its sending and its answer; so the time that passed has bounds, and the rate too.
 */
async function drive(system: string, choose: Choose) {
  let first = 0;
  await until(async () => {
    first = performance.now();
    return (await sendRows(services[0], perSecond * burstSeconds, 'warm-up')) > 0;
  }, 'a full bucket');
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1_000;
  let accepted = 0;
  let lastSent = 0;
  async function sendOn(sender: number): Promise<void> {
    const random = seededRandom(sender);
    for (;;) {
      const at = elapsed();
      const isLarge = random() < 0.2;
      const count = isLarge ? eventsLarge : 1 + Math.floor(random() * eventsSmallMax);
      const stored = await sendRows(services[choose(sender, at)], count, system);
      accepted += stored;
      if (at < seconds || stored > 0 || isLarge) continue;
      lastSent = Math.max(lastSent, at);
      return;
    }
  }
  await Promise.all(Array.from({ length: senders }, (_, sender) => sendOn(sender)));
  const longest = elapsed() + (started - first) / 1_000;
  return { accepted, least: accepted / longest, most: accepted / lastSent };
}

/** Events of a system that are stored, by minutes. */
async function stored(system: string): Promise<number> {
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const path = query('/api/v1/compliance/timeseries/events', { system, from, step: '1m' });
  const { body } = await get<{ points: { count: number }[] }>(services[1].base, path);
  return body.points.reduce((sum, { count }) => sum + count, 0);
}

const drives: [name: string, choose: Choose][] = [
  ['one', () => 0],
  ['both', (sender) => sender % 2],
  ['turns', (_, at) => Math.floor(at / 0.3) % 2],
];
for (const [name, choose] of drives) {
  t.test(`asked ${name}: ${perSecond} a second go through, within 2%`, async (t) => {
    const { accepted, least, most } = await drive(name, choose);
    t.ok(least <= perSecond * 1.02, `no more: at least ${least.toFixed(1)} a second`);
    t.ok(most >= perSecond * 0.98, `no less: at most ${most.toFixed(1)} a second`);
    t.equal(await stored(name), accepted, 'what was acknowledged is stored, and nothing else');
    t.comment(`${accepted} events, ${least.toFixed(1)} to ${most.toFixed(1)} a second`);
  });
}
