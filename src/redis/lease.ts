/**
 * Leases: one process of many does a job for all. Whoever finds no holder takes the lease; he renews it while he
 * works, and when he dies it runs out and the next one who asks takes over.
 *
 * A holder may be stopped for longer than his lease and then go on as if nothing had been. So every taking gives
 * out a fencing token, larger than all before, and whoever writes something down on the strength of a lease has the
 * script compare it with the token of the last writer, which stands beside the data: the older one is refused.
 * Being polite saves work; the token is what makes it safe.
 *
 * Layout: `holder`, the id of the holder with the lease's time as its TTL, and `token`, the last one given out.
 * Should Redis lose the tail of its data, tokens in use may be above it; whoever is refused says which one he saw
 * (`outrank`), and what is given out next is above that. Redis down: nobody holds anything.
 */
import { leaseKeys } from './keys.js';
import { callScript, readPipeline, type Store } from './pipeline.js';
import { scripts } from './scripts.js';

interface LeaseOptions {
  redis: Store;
  /** What the lease is for; there is one holder a job. */
  job: string;
  /** Nobody else's. */
  holderId: string;
  leaseMs: number;
  /** The token must outlive whatever it is compared with. */
  tokenSeconds: number;
  timeoutMs: number;
}

export function createLease({ redis, job, holderId, leaseMs, tokenSeconds, timeoutMs }: LeaseOptions) {
  const { holder, token } = leaseKeys(job);
  let seen = 0;

  return {
    /**
     * Takes or renews the lease.
     * @returns the fencing token, or undefined where somebody else holds the lease
     * @throws what Redis or the connection fails with
     */
    async hold(): Promise<number | undefined> {
      const terms = [holderId, leaseMs, tokenSeconds, seen];
      const take = callScript(scripts['take-lease-2'], [holder, token], terms);
      const [given] = await readPipeline(redis, [take], timeoutMs);
      return given === 0 ? undefined : Number(given);
    },

    /** Takes note of a token that refused the own one: what is taken next is above it. */
    outrank(inUse: number): void {
      seen = Math.max(seen, inUse);
    },

    /** Gives the lease back, where it is held. @throws what Redis or the connection fails with */
    async release(): Promise<void> {
      await readPipeline(redis, [callScript(scripts['release-lease-1'], [holder], [holderId])], timeoutMs);
    },
  };
}
