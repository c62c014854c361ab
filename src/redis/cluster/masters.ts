/**
 * The masters of a cluster: which there are, which slots each serves, and a connection to each. Whichever node answers
 * is asked (CLUSTER SLOTS), in turn, so that one with an old view does not stick: every `REFRESH_MS`, soon after a
 * connection came or went or a call was sent to the wrong place, and every `AWAY_MS` while a master is away or a
 * slot has none. Where no node answers, those of REDIS_URL are tried again.
 *
 * Who listens is told whenever a master may hold less than was acknowledged before: a connection to it came up, or a
 * node that was connected already became one. `connects` counts that. The first time is when all masters have been
 * tried, so that whoever asks at once finds those that there are.
 *
 * A node that serves no slot is kept for a while (a slot may be on its way to it), one that is gone is not.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Redis } from 'ioredis';
import { within } from '../deadline.js';
import { SLOTS } from './slots.js';

const REFRESH_MS = 10_000;
const AWAY_MS = 250;
const SOON_MS = 20;
const ANSWER_MS_MAX = 1_000;
/** Readings for which a node without slots is kept. */
const IDLE_READINGS_MAX = 6;

export interface Place {
  host: string;
  port: number;
}

export interface Node extends Place {
  redis: Redis;
  /** A first connection came up or failed. */
  isTried: boolean;
  /** Readings since it served a slot or was asked for. */
  idleReadings: number;
}

/** As CLUSTER SLOTS tells them; a host may be left out by a node that does not know its own. */
type SlotRange = [from: number, to: number, master: [host: string | null, port: number]];

interface MastersDependencies {
  seeds: readonly Place[];
  /** Opens a connection that keeps itself up. */
  open: (place: Place) => Redis;
  /** Called when masters or connections to them have changed. */
  observe: (connected: number, away: number) => void;
  log: FastifyBaseLogger;
}

const isReady = ({ redis }: Node) => redis.status === 'ready';

export function createMasters({ seeds, open, observe, log }: MastersDependencies) {
  const nodes = new Map<string, Node>();
  const listeners: (() => void)[] = [];
  let owners: (Node | undefined)[] = [];
  let masters = new Set<Node>();
  let connects = 0;
  let timer: NodeJS.Timeout | undefined;
  let isDueSoon = false;
  let isStopped = false;
  let turn = 0;
  let told = '';

  function announce(): void {
    connects++;
    for (const listener of listeners) listener();
  }

  /** A connection came or went. */
  function changed(node: Node): void {
    node.isTried = true;
    if (connects > 0 && isReady(node) && masters.has(node)) announce();
    begin();
    refreshSoon();
  }

  function begin(): void {
    const all = [...masters];
    const connected = all.filter(isReady).length;
    observe(connected, all.length - connected);
    if (connects === 0 && connected > 0 && all.every(({ isTried }) => isTried)) announce();
  }

  function nodeAt({ host, port }: Place): Node {
    const id = `${host}:${port}`;
    const known = nodes.get(id);
    if (known) return known;
    const node: Node = { host, port, redis: open({ host, port }), isTried: false, idleReadings: 0 };
    nodes.set(id, node);
    node.redis.on('ready', () => changed(node));
    node.redis.on('close', () => changed(node));
    return node;
  }

  function dropOthers(): void {
    for (const [id, node] of nodes) {
      if (masters.has(node)) continue;
      const isGone = node.isTried && !isReady(node);
      if (!isGone && ++node.idleReadings <= IDLE_READINGS_MAX) continue;
      nodes.delete(id);
      node.redis.disconnect();
    }
  }

  function adopt(ranges: readonly SlotRange[], asked: Place): void {
    const before = masters;
    owners = new Array(SLOTS);
    masters = new Set();
    for (const [from, to, [host, port]] of ranges) {
      const node = nodeAt({ host: host || asked.host, port });
      node.idleReadings = 0;
      masters.add(node);
      owners.fill(node, from, to + 1);
    }
    dropOthers();
    const joined = [...masters].filter((node) => !before.has(node));
    if (joined.length > 0 || masters.size < before.size) {
      const names = [...masters].map(({ host, port }) => `${host}:${port}`);
      log.info({ masters: names }, 'redis cluster: the masters are known');
    }
    if (connects > 0 && joined.some(isReady)) announce();
    begin();
  }

  async function read(): Promise<void> {
    const answering = [...nodes.values()].filter(isReady);
    if (answering.length === 0) for (const seed of seeds) nodeAt(seed);
    for (let tries = 0; tries < answering.length; tries++) {
      const node = answering[turn++ % answering.length];
      try {
        const ranges = (await within(node.redis.call('CLUSTER', 'SLOTS'), ANSWER_MS_MAX)) as SlotRange[];
        if (isStopped) return;
        if (ranges.length === 0) throw new Error('it does not belong to a cluster yet');
        told = '';
        return adopt(ranges, node);
      } catch (error) {
        if (isStopped) return;
        const { message } = error as Error;
        const level = message === told ? 'debug' : 'warn';
        log[level]({ node: `${node.host}:${node.port}` }, `redis cluster: no topology: ${message}`);
        told = message;
      }
    }
  }

  async function refresh(): Promise<void> {
    isDueSoon = false;
    await read();
    if (isDueSoon || isStopped) return;
    clearTimeout(timer);
    const isWhole = masters.size > 0 && [...masters].every(isReady) && !owners.includes(undefined);
    timer = setTimeout(refresh, isWhole ? REFRESH_MS : AWAY_MS);
  }

  /** Has the topology read in a moment, once however often that is asked for. */
  function refreshSoon(): void {
    if (isDueSoon || isStopped) return;
    isDueSoon = true;
    clearTimeout(timer);
    timer = setTimeout(refresh, SOON_MS);
  }

  void refresh();
  return {
    /** How often those who listen were told. */
    get connects(): number {
      return connects;
    },
    /** Those that serve slots, connected or not. */
    get all(): Node[] {
      return [...masters];
    },
    onReady(listener: () => void): void {
      listeners.push(listener);
    },
    ownerOf: (slot: number): Node | undefined => owners[slot],

    /** Takes note of where a slot is now. @returns that node if it is a master that is connected */
    moved(slot: number, place: Place): Node | undefined {
      refreshSoon();
      const node = nodes.get(`${place.host}:${place.port}`);
      if (!node || !masters.has(node) || !isReady(node)) return undefined;
      owners[slot] = node;
      return node;
    },

    /** The node to which a slot is on its way, if it is connected; else it will be. */
    asked(place: Place): Node | undefined {
      const node = nodeAt(place);
      node.idleReadings = 0;
      return isReady(node) ? node : undefined;
    },

    disconnect(): void {
      isStopped = true;
      clearTimeout(timer);
      for (const { redis } of nodes.values()) redis.disconnect();
    },
  };
}
