/**
 * Generations: invalidation without deletion. The key of an answer holds a generation, the sum of the counters of
 * what it is about; to invalidate is to raise a counter, and what was stored under the old sum is never found again
 * and expires by itself. No process has to be told, and no list of keys has to be kept or scanned.
 *
 * The counters stand in one hash in Redis, one for an endpoint, for a system, for both, or for everything. Every
 * process looks once a second whether they have changed (a few bytes where not), so an invalidation holds at once
 * where it was made, and `lookEveryMs` and a round trip later everywhere.
 *
 * A counter that is lost must not make an old answer valid again. So each life of the hash has a random base, which
 * is a part of every generation: a hash that was evicted, flushed or lost in a failover comes back under another
 * base, and every answer of before is out of reach. The same keeps the hash small: past `fieldsMax` counters it
 * begins anew, which invalidates everything once.
 *
 * Late events change only the answers about spans that are over (policies.ts). So they raise counters of their own, on
 * which only those answers depend. There is a fixed number of them, chosen by a hash of the system's name, since every
 * system may have late events in every second.
 *
 * Redis away: the generations last seen stay in use, so cached answers go on being found. Before they are seen for
 * the first time a process uses a base of its own and shares nothing.
 */
import { generationField, generationsKey, lateField } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { type Call, callScript, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { hash64 } from '../sketches/hash.js';

export const lookEveryMs = 1_000;
const HASH_SECONDS = 7 * 86_400;
/** Counters of one hash; a look at as many takes Redis about a millisecond. */
const fieldsMax = 2_000;

/** Counters of late events, shared by the systems. */
const LATE_FIELDS = 256;

/** What to invalidate: these systems (all where absent) at this endpoint (all where absent). */
export interface Invalidation {
  systems?: readonly string[] | undefined;
  endpoint?: string | undefined;
}

const halves = new Uint32Array(2);

/** The counter of the late events of a system. */
function lateFieldOf(system: string): string {
  hash64(system, halves);
  return lateField(halves[0] % LATE_FIELDS);
}

interface GenerationsDependencies {
  redis: Store;
  timeoutMs: number;
  randomId: () => string;
}

export function createGenerations({ redis, timeoutMs, randomId }: GenerationsDependencies) {
  let base = randomId();
  let total = 0;
  let counters = new Map<string, number>();

  async function ask(call: Call): Promise<void> {
    const [reply] = (await readPipeline(redis, [call], timeoutMs)) as [string[]];
    if (reply.length === 0) return;
    const fields = new Map<string, string>();
    for (let i = 0; i < reply.length; i += 2) fields.set(reply[i], reply[i + 1]);
    const seen = { base: fields.get('base') ?? '', total: Number(fields.get('total')) };
    // Replies on one connection come in order, but a new connection may lead to a replica that lags.
    if (seen.base === base && seen.total < total) return;
    ({ base, total } = seen);
    fields.delete('base');
    fields.delete('total');
    counters = new Map([...fields].map(([field, count]) => [field, Number(count)]));
  }

  const counter = (field: string): number => counters.get(field) ?? 0;
  const count = (endpoint: string | undefined, system: string | undefined): number =>
    counter(generationField(endpoint, system));

  async function raise(fields: readonly string[]): Promise<void> {
    for (let from = 0; from < fields.length; from += fieldsMax / 2) {
      const part = encodePayload(fields.slice(from, from + fieldsMax / 2));
      const args = [randomId(), HASH_SECONDS, fieldsMax, part];
      await ask(callScript(scripts['raise-generations-1'], [generationsKey], args));
    }
  }

  /** How often what an answer depends on was invalidated. */
  function raised(systems: readonly string[], endpoint: string, closed: boolean): number {
    const late = counter(lateField('calls'));
    if (systems.includes('*')) return closed ? total : total - late;
    let sum = count(undefined, undefined) + count(endpoint, undefined);
    for (const system of systems) sum += count(undefined, system) + count(endpoint, system);
    if (!closed || late === 0) return sum;
    const fields = new Set(systems.map(lateFieldOf));
    for (const field of fields) sum += counter(field);
    return sum + counter(lateField('*'));
  }

  return {
    /** Looks whether anything was invalidated. @throws where Redis does not answer */
    look: (): Promise<void> =>
      ask(
        callScript(
          scripts['read-generations-1'],
          [generationsKey],
          [randomId(), `${base}.${total}`, HASH_SECONDS],
        ),
      ),

    /** Makes answers invalid, here at once. @throws where Redis does not answer */
    async invalidate({ systems, endpoint }: Invalidation): Promise<void> {
      await raise((systems ?? [undefined]).map((system) => generationField(endpoint, system)));
    },

    /**
     * Makes the answers about these systems (all where absent) and spans that are over invalid, here at once.
     * @throws where Redis does not answer
     */
    async invalidateClosed(systems: Iterable<string> | undefined): Promise<void> {
      const fields = systems === undefined ? [lateField('*')] : new Set([...systems].map(lateFieldOf));
      await raise([...fields, lateField('calls')]);
    },

    /** Changes with whatever is invalidated. */
    get version(): string {
      return `${base}.${total}`;
    },

    /**
     * The generation of the answers of an endpoint about some systems; `*` means all there are. It changes whenever one
     * of them is invalidated.
     * @param closed whether they are about spans that are over
     */
    generationOf(systems: readonly string[], endpoint: string, closed = false): string {
      const sum = total === 0 ? 0 : raised(systems, endpoint, closed);
      return sum === 0 ? base : `${base}.${sum}`;
    },
  };
}
