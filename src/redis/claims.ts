/**
 * Claims: what is known of a request that carries an idempotency key, in one hash for each principal and key. It says
 * what the request was (form and digest of its body), what a second try needs to do the same as the first (the time
 * it took for rows without one, how the body was cut, the id its markers carry), who is at it until when, and in the
 * end the answer.
 *
 *   claim   new: carry it out | taken over: the same, a try before failed | in flight | reused | replayed: the answer
 *   note    for a body that comes as a stream, chunk by chunk: its digest so far
 *   finish  keep the answer
 *   release after a failure: nobody need wait for the lease
 *
 * The lease only saves work: two tries at once do no harm, since every part leaves its marker in the script call that
 * stores it (events/marked-rows.ts). So a holder that was stopped for longer than its lease may go on.
 *
 * Bounds: an answer is some hundred bytes, at most about 50 KB (row errors); chunks are bounded by the caller. Every
 * claim has a TTL. Redis down: nothing is claimed, and so nothing is stored.
 */
import { createClaimReleases } from './claim-releases.js';
import { claimKey } from './keys.js';
import { callScript, readPipeline, type Store } from './pipeline.js';
import { scripts } from './scripts.js';

/** What makes a request with an idempotency key. */
export interface ClaimedRequest {
  principal: string;
  /** As the sender gave it. */
  key: string;
  /** What else than the body tells two requests apart. */
  form: string;
  /** SHA-256 of the body, '' where it is not known before the body is read. */
  digest: string;
}

/** What the first try decided, for all that follow. */
export interface Terms {
  /** Of this claim alone; its markers carry it. */
  id: string;
  /** Milliseconds, the time of rows without one. */
  at: number;
  cut: string;
}

/** A claim that the caller is to carry out. */
export interface OwnClaim extends Terms {
  state: 'new' | 'taken_over';
  token: string;
}
interface FinishedClaim extends KeptAnswer {
  state: 'replayed';
  digest: string;
}
export type Claim = OwnClaim | FinishedClaim | { state: 'in_flight' | 'reused' };

export const isOwn = (claim: Claim): claim is OwnClaim =>
  claim.state === 'new' || claim.state === 'taken_over';

export interface KeptAnswer {
  status: number;
  /** The body. */
  answer: string;
}

interface ClaimsDependencies {
  redis: Store;
  timeoutMs: number;
  leaseMs: number;
  keptSeconds: number;
  /** A value that no other call of it returns. */
  randomId: () => string;
}

export function createClaims({ redis, timeoutMs, leaseMs, keptSeconds, randomId }: ClaimsDependencies) {
  const keptMs = keptSeconds * 1_000;
  const release = createClaimReleases({ redis, timeoutMs, leaseMs });

  async function run(
    name: `${'claim' | 'finish'}-request-1` | 'note-chunk-1',
    { principal, key }: ClaimedRequest,
    args: (string | number)[],
  ): Promise<unknown> {
    const [reply] = await readPipeline(
      redis,
      [callScript(scripts[name], [claimKey(principal, key)], args)],
      timeoutMs,
    );
    return reply;
  }

  return {
    /** How long what belongs to a claim is kept, seconds. */
    keptSeconds,

    /**
     * Claims a request.
     * @param at the time, milliseconds, and how the body is to be cut, should this be the first try
     * @throws what Redis or the connection fails with, as all of these but `release` do
     */
    async claim(request: ClaimedRequest, at: number, cut: string): Promise<Claim> {
      const token = randomId();
      const terms = [token, leaseMs, keptMs, request.form, request.digest, at, cut];
      const reply = (await run('claim-request-1', request, terms).catch((error: Error) => {
        // It may have got there, and nobody knows its token.
        void release({ ...request, token, forget: false });
        throw error;
      })) as string[];
      const state = reply[0] as Claim['state'];
      if (state === 'replayed') {
        return { state, digest: reply[1], status: Number(reply[2]), answer: reply[3] };
      }
      if (state === 'in_flight' || state === 'reused') return { state };
      return { state, token, id: reply[1], at: Number(reply[2]), cut: reply[3] };
    },

    /** Notes a chunk before it is stored. `digest`: SHA-256 of the body up to its end. */
    async note(request: ClaimedRequest, token: string, chunk: number, digest: string) {
      const reply = await run('note-chunk-1', request, [token, leaseMs, chunk, digest]);
      return reply as 'ok' | 'reused' | 'lost';
    },

    /**
     * Keeps the answer of a request that is stored in full; `chunks` were noted.
     * @returns `alone`: nobody else ever worked on it; or the answer of whoever was faster; or reused
     */
    async finish(
      { principal, key, form, digest }: ClaimedRequest,
      token: string,
      chunks: number,
      kept: KeptAnswer,
    ) {
      const terms = [token, keptMs, form, digest, chunks, kept.status, kept.answer];
      const reply = await run('finish-request-1', { principal, key, form, digest }, terms);
      const [state, first, second] = reply as [string, string | number, string];
      if (state === 'done') return { state, status: Number(first), answer: second } as const;
      if (state === 'reused') return { state } as const;
      return { state: 'finished', alone: first === 1 } as const;
    },

    /** Gives the lease back. `forget`: nothing was stored under the claim, and the key may be used again. */
    release: ({ principal, key }: ClaimedRequest, token: string, forget: boolean): Promise<void> =>
      release({ principal, key, token, forget }),
  };
}

export type Claims = ReturnType<typeof createClaims>;
