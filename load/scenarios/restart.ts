/**
 * Redis is killed under load and started again from its file: how long until events are acknowledged again, and whether
 * all that was acknowledged is counted. Senders repeat what was not acknowledged under the same idempotency key, and
 * Redis writes its file at every command, as it must where nothing may be lost.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { startRedisPair } from '../../test/chaos/redis-pair.js';
import { startSenders } from '../../test/chaos/senders.js';
import { countAll, stormSystems } from '../../test/chaos/storm.js';
import { seededRandom } from '../../test/support/random.js';
import { freePort } from '../../test/support/replication.js';
import { atLeast, atMost } from '../results/result.js';
import { scenario } from '../scenario.js';
import { startServiceAt } from '../targets/service.js';

const GAP_MS_MAX = 5_000;

export const restart = scenario({
  name: 'restart',
  about: 'Redis is killed and started again under load: acknowledged is counted, and how soon all is well.',
  short: { restarts: 3, senders: 20, batch: 200, 'calm-seconds': 3 },
  full: { restarts: 10, 'calm-seconds': 5 },
  async run({ restarts, senders, batch: eventsPerBatch, ...rest }, context) {
    const calmMs = rest['calm-seconds'] * 1_000;
    const redis = context.own(await startRedisPair());
    const port = await freePort();
    const settings = { REDIS_URL: `redis://127.0.0.1:${redis.port}`, LOG_LEVEL: 'fatal' };
    const service = context.own(await startServiceAt(port, settings));
    const watched = () => ({ service: service.pid, redis: redis.pid, sender: process.pid });
    const timeline = context.watch('Redis killed and started again', watched);
    let lastAt = performance.now();
    let gapMs = 0;
    const { sent, end, giveUp } = startSenders({
      base: () => service.base,
      count: senders,
      eventsPerBatch,
      systems: stormSystems,
      random: seededRandom(1),
      note(ms) {
        const at = performance.now();
        gapMs = Math.max(gapMs, at - lastAt);
        lastAt = at;
        timeline.note(ms, eventsPerBatch);
      },
    });
    context.own({ stop: giveUp });
    await pause(calmMs);
    for (let i = 0; i < restarts; i++) {
      context.say(`kill ${i + 1} of ${restarts}`);
      await redis.restart('SIGKILL');
      await pause(calmMs);
    }
    await end();
    timeline.stop();
    const { counted, samples } = await countAll(service.base, Date.now());
    return [
      atLeast('events acknowledged', sent.acknowledged, '', 1),
      atMost('acknowledged and not counted', Math.max(0, sent.acknowledged - counted), '', 0),
      atMost('counted twice', Math.max(0, counted - sent.acknowledged), '', 0),
      atMost('samples lost or counted twice', Math.abs(samples - sent.acknowledged), '', 0),
      atMost('longest time without an acknowledgement', gapMs, 'ms', GAP_MS_MAX),
      atMost('requests that hung', sent.hangs, '', 0),
    ];
  },
});
