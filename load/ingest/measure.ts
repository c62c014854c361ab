/** Measuring one case: the service, and what bounds it, in turns. */
import { meanOf, sumOf } from '../results/statistics.js';
import type { Context } from '../scenario.js';
import { type FiredShot, fire } from '../senders/cannon.js';
import { startBareIngest } from '../targets/bare.js';
import { startRaw } from '../targets/raw.js';
import { type Counters, type Service, startService } from '../targets/service.js';
import { aimOf, type Case, isMain, MAIN_BATCH, nameOf, type Options } from './cases.js';

const WARM_SECONDS = 1.5;

const rateOf = (shots: readonly FiredShot[], batch: number) =>
  batch * meanOf(shots, ({ requests }) => requests);

/** What the counters of a service have gone on by. */
function difference(before: Counters, after: Counters): Counters {
  const names = Object.keys(after) as (keyof Counters)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Counters;
}

/** The longest digest list there is, in elements. */
async function longestDigestList({ redis }: Service): Promise<number> {
  let longest = 0;
  for await (const keys of redis.scanStream({ match: 'pt:{*}:digest:*', count: 1_000 })) {
    for (const key of keys as string[]) longest = Math.max(longest, await redis.llen(key));
  }
  return longest;
}

export interface Measured {
  case: Case;
  /** Events/s. */
  rate: number;
  /** Events/s of the bare route, and without HTTP; NaN where they were not measured. */
  ceiling: number;
  raw: number;
  shots: FiredShot[];
  used: Counters;
  rss: number;
  digests: number;
  failures: number;
}

/** A case on processes of its own, which are gone after it. */
export async function measure(one: Case, options: Options, context: Context): Promise<Measured> {
  const { seconds, rounds, connections } = options;
  const aim = aimOf(one, options);
  const service = context.own(await startService());
  // The bare route takes JSON only, and parses it as fast whatever it is about.
  const bare = isMain(one) ? context.own(await startBareIngest()) : undefined;
  const raw =
    isMain(one) && one.batch === MAIN_BATCH ? context.own(await startRaw(one.batch, connections)) : undefined;
  for (const target of [bare, service]) {
    if (target) await fire({ ...aim, base: target.base, seconds: WARM_SECONDS });
  }
  await raw?.run(WARM_SECONDS);
  const before = await service.counters();
  const timeline = context.watch(nameOf(one), service.processes);
  const shots: FiredShot[] = [];
  const ceilings: FiredShot[] = [];
  const raws: number[] = [];
  const note = (ms: number) => timeline.note(ms, one.batch);
  for (let round = 0; round < rounds; round++) {
    if (bare) ceilings.push(await fire({ ...aim, base: bare.base, seconds }));
    if (raw) raws.push(await raw.run(seconds));
    await service.idle();
    shots.push(await fire({ ...aim, base: service.base, seconds, note }));
  }
  timeline.stop();
  const after = await service.counters();
  const digests = await longestDigestList(service);
  for (const thing of [service, bare, raw]) await thing?.stop();
  return {
    case: one,
    rate: rateOf(shots, one.batch),
    ceiling: rateOf(ceilings, one.batch),
    raw: meanOf(raws, (rate) => rate),
    shots,
    used: difference(before, after),
    rss: after.rss,
    digests,
    failures: sumOf([...shots, ...ceilings], ({ failures }) => failures),
  };
}

/** The service with some settings, and how many events a request has that it gets. */
interface Side {
  batch: number;
  env: Record<string, string>;
}

/** How many times as fast one is as the other; NaN where that did nothing at all. */
export async function compare(
  options: Options,
  context: Context,
  sides: { faster: Side; slower: Side },
): Promise<{ times: number; slower: number; failures: number }> {
  async function open({ batch, env }: Side) {
    const service = context.own(await startService(env));
    const one: Case = { batch, format: 'json', stream: 'realistic' };
    return { service, batch, shots: [] as FiredShot[], aim: { ...aimOf(one, options), base: service.base } };
  }
  const slower = await open(sides.slower);
  const faster = await open(sides.faster);
  const both = [slower, faster];
  for (const { aim } of both) await fire({ ...aim, seconds: WARM_SECONDS });
  for (let round = 0; round < options.rounds; round++) {
    for (const { aim, shots } of both) shots.push(await fire({ ...aim, seconds: options.seconds }));
  }
  for (const { service } of both) await service.stop();
  const [slowly, fast] = both.map(({ shots, batch }) => rateOf(shots, batch));
  const failures = sumOf(
    both.flatMap(({ shots }) => shots),
    (shot) => shot.failures,
  );
  return { times: slowly > 0 ? fast / slowly : Number.NaN, slower: slowly, failures };
}
