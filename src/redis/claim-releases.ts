/**
 * Releases of claims: who gives up a request says so in Redis, so that the next try need not wait for the end of the
 * lease. Most often a request is given up because Redis cannot be reached, and then neither can this be said: it is
 * owed, and tried again until it arrives or the lease would be over. What arrives late does no harm, since it counts
 * only where the claim still has the token.
 *
 * Bound: at most `OWED_MAX` are remembered; the leases of others run out by themselves.
 */
import { claimKey } from './keys.js';
import { callScript, readPipeline, type Store } from './pipeline.js';
import { scripts } from './scripts.js';

const OWED_MAX = 10_000;
const TRY_EVERY_MS = 100;

/** A claim, by what makes its key, its token, and whether it is to be forgotten: nothing was stored under it. */
interface Release {
  principal: string;
  key: string;
  token: string;
  forget: boolean;
}

interface ReleasesDependencies {
  redis: Store;
  timeoutMs: number;
  leaseMs: number;
}

export function createClaimReleases({ redis, timeoutMs, leaseMs }: ReleasesDependencies) {
  const triesMax = Math.ceil(leaseMs / TRY_EVERY_MS);
  const owed = new Map<string, { release: Release; tries: number }>();
  let isWaiting = false;

  const send = (releases: readonly Release[]) =>
    readPipeline(
      redis,
      releases.map(({ principal, key, token, forget }) =>
        callScript(scripts['release-request-1'], [claimKey(principal, key)], [token, forget ? 1 : 0]),
      ),
      timeoutMs,
    );

  function wait(): void {
    if (isWaiting || owed.size === 0) return;
    isWaiting = true;
    setTimeout(tryAgain, TRY_EVERY_MS).unref();
  }

  async function tryAgain(): Promise<void> {
    const due = [...owed.values()];
    try {
      await send(due.map(({ release }) => release));
      for (const { release } of due) owed.delete(release.token);
    } catch {
      for (const one of due) if (++one.tries >= triesMax) owed.delete(one.release.token);
    }
    isWaiting = false;
    wait();
  }

  /** Gives a claim back: at once, or as soon as Redis can be told. */
  return async (release: Release): Promise<void> => {
    try {
      await send([release]);
    } catch {
      if (owed.size < OWED_MAX) owed.set(release.token, { release, tries: 0 });
      wait();
    }
  };
}
