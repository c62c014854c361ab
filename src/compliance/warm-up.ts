/**
 * Warm-up: after a start, the summaries of the busiest systems are computed before anybody asks for them, so that the
 * dashboards that come back all at once find answers in memory.
 *
 * Busiest is who had most events in this hour and the one before, by the counts of event types, of which there are so
 * few that they are exact. Only the `candidatesMax` systems with the latest events are looked at: the times of last
 * events are in this process already, and who is busy now had one of the latest. That is one round trip of short
 * lists; counting whole days would read a megabyte for each system. After a night without events all have none,
 * and the order of the last events stands.
 *
 * It runs behind the requests, once, when the service is ready: `summariesMax` summaries, a few at a time, and none that
 * another process has computed already. Redis away before it is known who is busy: that is tried again after the
 * next connect. Away later: the summaries that are missing are computed when they are asked for.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { eventTypes } from '../sketches/registry.js';
import { bucketsIn } from '../windows/bucket.js';
import { HOUR_MS } from '../windows/civil.js';
import { askTop } from './list-questions.js';
import { placesOf } from './place.js';
import { type Ask, all } from './question.js';
import { readTime } from './scope.js';
import type { Summaries } from './summaries.js';

const candidatesMax = 200;
const summariesMax = 20;

interface WarmUpDependencies {
  isReady: () => boolean;
  /** The systems with the latest events, the latest first. */
  latestSystems: (systemsMax: number) => string[];
  shardsOf: ShardsOf;
  /** Learns which cached answers are valid; what is computed before is not found after. */
  look: () => Promise<void>;
  ask: Ask;
  summaries: Summaries;
  clock: Clock;
  log: FastifyBaseLogger;
}

export function createWarmUp(dependencies: WarmUpDependencies) {
  const { isReady, latestSystems, shardsOf, look, ask, summaries, clock, log } = dependencies;
  let isBegun = false;

  async function busiest(now: number): Promise<string[]> {
    const hours = bucketsIn('hour', now - HOUR_MS, now + 1);
    const systems = latestSystems(candidatesMax);
    const asked = systems.map((system) =>
      askTop('event_types', eventTypes.length, placesOf(shardsOf(system), hours)),
    );
    const events = (await ask(all(asked))).map(({ items }) =>
      items.reduce((sum, { count }) => sum + count, 0),
    );
    return systems
      .map((system, i) => ({ system, events: events[i] }))
      .sort((a, b) => b.events - a.events)
      .slice(0, summariesMax)
      .map(({ system }) => system);
  }

  /** To be called whenever the service may have become ready: the first time it has, it warms up. Never throws. */
  return async (): Promise<void> => {
    if (isBegun || !isReady()) return;
    isBegun = true;
    try {
      await look();
      const now = clock.now();
      const time = readTime({}, '1h', now);
      const systems = await busiest(now);
      await summaries(systems.map((system) => ({ ...time, systems: [system], isAll: false })));
    } catch (error) {
      isBegun = false;
      log.warn({ err: error }, 'it is not known which summaries to compute first');
    }
  };
}
