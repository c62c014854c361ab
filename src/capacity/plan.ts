/**
 * The plan: how many processes, masters and bytes a stream of events and questions needs.
 *
 *   CPU of the service  = sum over work (work.ts) of amount x cost of Node   + questions x their cost
 *   CPU of Redis        = the same with the costs of Redis
 *
 * What is dear is not the event but the group, and for each group the systems in it; and how large groups are hangs on the
 * load. A group leaves when the one before has come back; what arrives meanwhile goes with it. So a process that has time
 * makes many small groups, uses much of its CPU at a fraction of what it can do, and more load makes groups
 * larger before it makes anything slower. CPU in use therefore does not tell what is left. So the size is found at full load:
 *
 *   full load   = demand / utilization, where groups are as large as they get: no process and no master may then need more
 *                 than a core
 *   as it is    = the demand itself, with as many groups as there is time for: their round trips, and the CPU of Node and
 *                 Redis for them, one after the other. Bytes and CPU in use are those
 *
 * More processes make more and smaller groups, each with a repeat filter that sees less; more masters make more commands;
 * shards make more parts. So it begins with one of each, and whatever is over its bound gets one more until nothing is. All
 * masters have the same number of systems, as near as that goes; a system that is more than a master can take is spread
 * over shards (SYSTEM_SHARDS), by its users.
 */
import { shardsMax } from '../redis/shard-names.js';
import { measured } from './measured.js';
import { type Demand, type Size, type Use, useOf } from './use.js';
import { type WorkKind, workKinds } from './work.js';

/** Redis recommends no larger clusters. */
const MASTERS_MAX = 1_000;
/** As busy as a process or master gets by making small groups. */
const BUSY_MAX = 0.9;
const HALVINGS = 24;
/** Work that is done before a group leaves, whatever the groups. */
const FRONT: readonly WorkKind[] = ['requests', 'events', 'samples'];

/**
 * Seconds that the groups of one second take one process, one after the other: round trips, and CPU of Node and of Redis,
 * whose masters work side by side.
 */
function secondsInGroups(
  demand: Demand,
  { processes, masters }: Size,
  { work, groupsPerSecond }: Use,
): number {
  const { node, redis } = measured.events;
  const micros = workKinds
    .filter((kind) => !FRONT.includes(kind))
    .reduce((sum, kind) => sum + work[kind] * (node[kind] + redis[kind] / masters), 0);
  return ((groupsPerSecond * demand.roundTripMs) / 1_000 + micros / 1e6 / demand.speed) / processes;
}

/** Events of the largest group, as in events/writer.ts, and requests that wait without being told to come again. */
export const GROUP_EVENTS_MAX = 20_000;
export const WAITING_REQUESTS = 64;

/** With groups as large as they are at full load. */
function useAtFull(demand: Demand, size: Size): Use {
  const { eventsPerSecond, batch, waitMs } = demand;
  const perProcess = eventsPerSecond / size.processes;
  const inTime = Math.max(WAITING_REQUESTS * batch, (perProcess * waitMs) / 1_000);
  const eventsInGroup = Math.max(batch, Math.min(GROUP_EVENTS_MAX, inTime));
  return useOf(demand, size, eventsPerSecond / eventsInGroup);
}

/** With as many groups as there is time for. */
function useAsItIs(demand: Demand, size: Size): Use {
  const fits = (use: Use) =>
    use.busiest.process <= BUSY_MAX &&
    use.busiest.master <= BUSY_MAX &&
    secondsInGroups(demand, size, use) <= 1;
  let best = useAtFull(demand, size);
  let most = demand.eventsPerSecond / demand.batch;
  const all = useOf(demand, size, most);
  if (fits(all)) return all;
  for (let halving = 0; halving < HALVINGS; halving++) {
    const use = useOf(demand, size, (best.groupsPerSecond + most) / 2);
    if (fits(use)) best = use;
    else most = use.groupsPerSecond;
  }
  return best;
}

export interface Plan {
  size: Size;
  /** Of the demand as it is. */
  use: Use;
  /** Of as much as these can take. */
  full: Use;
}

/**
 * The smallest size that keeps a demand within its bounds.
 * @throws RangeError where no size does: its systems cannot be spread further
 */
export function planFor(demand: Demand): Plan {
  const { utilization } = demand;
  const most: Demand = {
    ...demand,
    eventsPerSecond: demand.eventsPerSecond / utilization,
    questionsPerSecond: demand.questionsPerSecond / utilization,
  };
  const size: Size = { processes: 1, masters: 1, shards: 1 };
  for (;;) {
    const full = useAtFull(most, size);
    const { process, master, memory, network } = full.busiest;
    const isMasterFull = master > 1 || memory > 1 || network > 1;
    if (process <= 1 && !isMasterFull) return { size, use: useAsItIs(demand, size), full };
    if (process > 1) size.processes = Math.max(size.processes + 1, Math.ceil(full.serviceCores));
    if (!isMasterFull) continue;
    const apart = demand.shape.systems * size.shards;
    if (size.masters < apart)
      size.masters = Math.min(apart, Math.max(size.masters + 1, Math.ceil(full.redisCores)));
    else size.shards++;
    if (size.shards > shardsMax) {
      throw new RangeError(`no system can be spread over more than ${shardsMax} shards`);
    }
    if (size.masters > MASTERS_MAX) throw new RangeError(`no cluster has more than ${MASTERS_MAX} masters`);
  }
}
