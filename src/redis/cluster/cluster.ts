/**
 * A Redis Cluster as a place to send calls to: each goes to the master of its slot, one pipeline a node and all at
 * once, and the outcomes come back in the order of the calls.
 *
 * Nothing is sent twice whose outcome is unknown. Sent again is only what a node refused without having run it:
 *
 *   MOVED      the slot is served elsewhere: sent there, and the topology is read again
 *   ASK        this key is gone to where its slot is on the way: asked there, behind ASKING. Not a script: ours
 *              declare one key of a system and reach the others, of which some may still be here (docs/cluster.md)
 *   TRYAGAIN   keys of one call are in two places: sent again a moment later; scripts say it in words of their own
 *
 * That goes on for `FOLLOW_MS_MAX`, because whoever shares the round trip waits too. It ends where a connection to a master came up meanwhile: the caller
 * may have left out of a call what the node before held, and has to plan it anew.
 *
 * A node away: the calls of its slots fail at once as unsent, the others go on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Redis } from 'ioredis';
import type { Metrics } from '../../metrics.js';
import {
  type Call,
  type Cluster,
  call,
  type Outcome,
  type ReplicaWait,
  runPipeline,
  sentAgain,
  unsent,
} from '../pipeline.js';
import { createMasters, type Node, type Place } from './masters.js';
import { slotOf, slotOfCall } from './slots.js';

const PAUSE_MS = 20;
const FOLLOW_MS_MAX = 200;
const asking = call('ASKING');

interface ClusterDependencies {
  /** For metrics. */
  name: string;
  seeds: readonly Place[];
  /** Opens a connection that keeps itself up. */
  open: (place: Place) => Redis;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

/** One call on its way to a node. */
interface Trip {
  index: number;
  node: Node | undefined;
  isAsking: boolean;
}

type Redirect = { kind: 'moved' | 'ask'; slot: number; place: Place } | { kind: 'wait' };

/** What a refusal says about where to go, or undefined where it is none that says so. */
function readRedirect({ message }: Error, { name }: Call, from: Node | undefined): Redirect | undefined {
  const [, word, slot, host, port] = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(message) ?? [];
  if (word === 'ASK' && name === 'EVALSHA') return { kind: 'wait' };
  if (word !== undefined) {
    const place = { host: host || (from?.host ?? ''), port: Number(port) };
    return { kind: word === 'ASK' ? 'ask' : 'moved', slot: Number(slot), place };
  }
  return /^TRYAGAIN|access a non local key|undeclared keys were accessed/.test(message)
    ? { kind: 'wait' }
    : undefined;
}

/** How long a round trip may take, and for how many replicas of each node it waits. */
interface Terms {
  timeoutMs: number;
  wait: ReplicaWait;
}

/** Sends each call to its node, and puts its outcome in its place. */
async function travel(
  calls: readonly Call[],
  trips: readonly Trip[],
  outcomes: Outcome[],
  { timeoutMs, wait }: Terms,
): Promise<void> {
  const byNode = new Map<Node | undefined, Trip[]>();
  for (const trip of trips) {
    const own = byNode.get(trip.node);
    if (own) own.push(trip);
    else byNode.set(trip.node, [trip]);
  }
  async function toNode([node, own]: [Node | undefined, Trip[]]): Promise<void> {
    const sent = own.flatMap(({ index, isAsking }) => (isAsking ? [asking, calls[index]] : [calls[index]]));
    const results = node && (await runPipeline(node.redis, sent, timeoutMs, wait));
    let at = 0;
    for (const { index, isAsking } of own) {
      if (isAsking) at++;
      outcomes[index] = results?.[at++] ?? { error: unsent('no node serves the slot') };
    }
  }
  await Promise.all([...byNode].map(toNode));
}

/** Connects to a cluster; `ready` is told at every (re)connect to a master. */
export function createCluster({ name, seeds, open, metrics, log }: ClusterDependencies): Cluster {
  const masters = createMasters({
    seeds,
    open,
    observe(connected, away) {
      metrics.clusterMasters.set({ connection: name, state: 'connected' }, connected);
      metrics.clusterMasters.set({ connection: name, state: 'away' }, away);
    },
    log,
  });

  const tripHome = (calls: readonly Call[], index: number): Trip => ({
    index,
    node: masters.ownerOf(slotOfCall(calls[index])),
    isAsking: false,
  });

  /** Where a refused call goes next; undefined where it goes nowhere. */
  function nextTrip(calls: readonly Call[], index: number, redirect: Redirect): Trip | undefined {
    if (redirect.kind === 'wait') return tripHome(calls, index);
    if (redirect.kind === 'moved') {
      const node = masters.moved(redirect.slot, redirect.place);
      return node && { index, node, isAsking: false };
    }
    const node = masters.asked(redirect.place);
    return node ? { index, node, isAsking: true } : tripHome(calls, index);
  }

  /** Sends again what was refused without having run. */
  async function follow(
    calls: readonly Call[],
    outcomes: Outcome[],
    terms: Terms,
    isLate: () => boolean,
  ): Promise<void> {
    let waiting = calls.map((_, index) => index);
    for (let round = 0; !isLate(); round++) {
      const refused = waiting.flatMap((index) => {
        const { error } = outcomes[index];
        const redirect = error && readRedirect(error, calls[index], tripHome(calls, index).node);
        return redirect ? [{ index, redirect }] : [];
      });
      if (refused.length === 0) return;
      if (round > 0 || refused.some(({ redirect }) => redirect.kind === 'wait')) await pause(PAUSE_MS);
      const trips = refused.flatMap(({ index, redirect }) => {
        metrics.clusterRedirects.inc({ kind: redirect.kind });
        return nextTrip(calls, index, redirect) ?? [];
      });
      if (isLate()) return;
      await travel(calls, trips, outcomes, terms);
      for (const { index } of trips) outcomes[index] = sentAgain(outcomes[index]);
      waiting = trips.map(({ index }) => index);
    }
  }

  return {
    isCluster: true,
    get status() {
      return masters.connects > 0 && masters.all.some(({ redis }) => redis.status === 'ready')
        ? 'ready'
        : 'connecting';
    },
    get masters() {
      return masters.all.map(({ redis }) => redis);
    },
    masterOf: (slot) => masters.ownerOf(slot)?.redis,
    on: (_event, listener) => masters.onReady(listener),
    disconnect: masters.disconnect,
    masterOfKey: (key) => masters.ownerOf(slotOf(key))?.redis,
    async run(calls, timeoutMs, wait) {
      const terms = { timeoutMs, wait };
      const { connects } = masters;
      const outcomes: Outcome[] = new Array(calls.length);
      const trips = calls.map((_, index) => tripHome(calls, index));
      await travel(calls, trips, outcomes, terms);
      if (!outcomes.some(({ error }) => error?.name === 'ReplyError')) return outcomes;
      let isOver = false;
      const timer = setTimeout(() => {
        isOver = true;
      }, FOLLOW_MS_MAX);
      await follow(calls, outcomes, terms, () => isOver || masters.connects !== connects);
      clearTimeout(timer);
      return outcomes;
    },
  };
}
