/**
 * Exactly once, when asked: what becomes of a request with an `Idempotency-Key`, in three steps.
 *
 *   claim   -> one script call: whose request this is, what it was at the first try, who is at it (redis/claims.ts)
 *   apply   -> its rows, each part with a marker, in the pipelines of everybody (marked-rows.ts)
 *   finish  -> its answer is kept with the claim, then sent
 *
 * Broken off before the first, nothing has happened. After it, the next try takes the claim over, as soon as the lease
 * is given back or over, and does the same again: what its markers say is stored is passed over. After the third it
 * gets the answer of the first. So nothing is acknowledged before its answer is kept, and a request that was refused
 * because of an outage may be sent again, to any process, until it is answered.
 *
 * A refusal (4xx) of a request of which nothing was stored is not kept: the claim is forgotten, and the key is free
 * for a better request. Where an earlier try has stored something the claim stays, with its body.
 *
 * A body that comes as a stream has no digest before its end. So it is claimed without one, each chunk is noted with
 * the digest so far before it is stored (another digest: another body, 422), and at the end the whole. A repeat of one
 * that is finished is read through and compared before it is answered.
 *
 * Markers are taken away after the end where nobody but this process has ever worked on the request, for then nobody
 * can come late. Else they stay until their time is over.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';
import {
  type Claim,
  type ClaimedRequest,
  type Claims,
  isOwn,
  type KeptAnswer,
  type OwnClaim,
} from '../redis/claims.js';
import { type Store, toProblem } from '../redis/pipeline.js';
import { type Attempt, createAttempt, cutOf, inFlight, reused } from './attempt.js';
import type { Directory } from './directory.js';
import type { ChunkLimits } from './formats/ndjson.js';
import type { Placement } from './placement.js';

interface OnceAnswer extends KeptAnswer {
  /** It is the answer of an earlier try. */
  replayed: boolean;
}

interface OnceDependencies {
  claims: Claims;
  redis: Store;
  directory: Pick<Directory, 'load'>;
  limits: ChunkLimits;
  /** Undefined where no system is spread over shards. */
  placement: Placement | undefined;
  clock: Clock;
  timeoutMs: number;
  metrics: Metrics;
}

type StoreRows = (attempt: Attempt) => Promise<KeptAnswer>;

async function digestOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of stream.iterator({ destroyOnReturn: false })) hash.update(piece as Buffer);
  return hash.digest('base64url');
}

export function createOnce(dependencies: OnceDependencies) {
  const { claims, directory, limits, placement, clock, metrics } = dependencies;
  const count = (outcome: Claim['state']) => metrics.idempotencyClaims.inc({ outcome });

  function refuse(state: 'in_flight' | 'reused'): never {
    count(state);
    throw state === 'reused' ? reused() : inFlight();
  }

  async function finish(request: ClaimedRequest, { token }: OwnClaim, attempt: Attempt, kept: KeptAnswer) {
    const digest = request.digest || attempt.hash.digest('base64url');
    const finished = await claims
      .finish({ ...request, digest }, token, attempt.chunks, kept)
      .catch((cause: Error) => {
        const detail = 'the events are stored, but not their answer; send the same again with the same key';
        throw new Problem('outcome_unknown', detail, {}, { cause });
      });
    if (finished.state === 'reused') throw reused();
    return finished;
  }

  async function carryOut(request: ClaimedRequest, claim: OwnClaim, store: StoreRows): Promise<OnceAnswer> {
    const isNew = claim.state === 'new';
    const attempt = createAttempt(request, claim, dependencies);
    try {
      // The first try may have brought systems that this process has not heard of and has no more room for.
      if (!isNew) await directory.load();
      const kept = await store(attempt);
      const finished = await finish(request, claim, attempt, kept);
      if (finished.state === 'done') return { ...finished, replayed: true };
      if (isNew && finished.alone) attempt.dropMarkers();
      return { ...kept, replayed: false };
    } catch (error) {
      await claims.release(request, claim.token, isNew && !attempt.hasSent);
      throw error;
    }
  }

  return {
    /**
     * Answers a request that has a key.
     * @param stream the body, where it comes as a stream
     * @param store stores the rows and says what to answer; it may be called for a request that is stored in part
     * @throws Problem idempotency_key_reused, request_in_flight, redis_unavailable, outcome_unknown, or what `store` throws
     */
    async answer(
      request: ClaimedRequest,
      stream: Readable | undefined,
      store: StoreRows,
    ): Promise<OnceAnswer> {
      const claim = await claims
        .claim(request, clock.now(), cutOf(limits, placement))
        .catch((error: Error) => {
          throw toProblem(error);
        });
      if (isOwn(claim)) {
        count(claim.state);
        return carryOut(request, claim, store);
      }
      if (claim.state !== 'replayed') return refuse(claim.state);
      const { status, answer, digest } = claim;
      if (stream && (await digestOf(stream)) !== digest) return refuse('reused');
      count('replayed');
      return { status, answer, replayed: true };
    },
  };
}

export type Once = ReturnType<typeof createOnce>;
