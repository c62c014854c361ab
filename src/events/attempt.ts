/**
 * Attempts: one try of a request with an idempotency key, as the claim says it is to be done. It cuts the body as the
 * first try did, gives every chunk its marked rows, and keeps book of what it has sent off.
 *
 * Bound: a streamed body has at most so many chunks, since each is noted with the claim.
 */
import { createHash, type Hash } from 'node:crypto';
import { Problem } from '../errors.js';
import type { ClaimedRequest, Claims, OwnClaim } from '../redis/claims.js';
import { systemKey } from '../redis/keys.js';
import { call, runPipeline, type Store, toProblem } from '../redis/pipeline.js';
import { readSpread } from '../redis/spread.js';
import { bucketAt } from '../windows/bucket.js';
import type { Chunk, ChunkLimits } from './formats/ndjson.js';
import { createMarkedRows, type MarkedRows, markerHead } from './marked-rows.js';
import { createPlacement, type Placement } from './placement.js';

/** Rows of one system that one script call stores, see marked-rows.ts. */
const PART_ROWS = 64;
const CHUNKS_MAX = 1_000;
/** More markers of one request are left to their TTL. */
const MARKERS_DROPPED_MAX = 5_000;

export const reused = () =>
  new Problem('idempotency_key_reused', 'another request was sent with this Idempotency-Key');
export const inFlight = () =>
  new Problem('request_in_flight', 'this request is being carried out for an earlier try of it');

/** How a body is cut and where its parts go, as text for the claim. */
export const cutOf = ({ rowsMax, bytesMax }: ChunkLimits, placement: Placement | undefined): string =>
  `${rowsMax}:${bytesMax}:${PART_ROWS}:${placement?.text ?? ''}`;

interface AttemptDependencies {
  claims: Claims;
  redis: Store;
  /** As systems are spread now; a claim may be of another time. */
  placement: Placement | undefined;
  timeoutMs: number;
}

export function createAttempt(
  request: ClaimedRequest,
  { id, at, cut, token }: OwnClaim,
  { claims, redis, placement: present, timeoutMs }: AttemptDependencies,
) {
  const [rows, bytes, partRows, spread = ''] = cut.split(':');
  const placement = spread === (present?.text ?? '') ? present : createPlacement(readSpread(spread));
  const limits: ChunkLimits = { rowsMax: Number(rows), bytesMax: Number(bytes) };
  const hash: Hash = createHash('sha256');
  const head = markerHead(bucketAt('hour', at), claims.keptSeconds);
  const markers = new Map<string, string[]>();
  let sent = 0;
  let chunks = 0;

  function onMarker(system: string, field: string): void {
    if (++sent > MARKERS_DROPPED_MAX) return;
    const fields = markers.get(system);
    if (fields) fields.push(field);
    else markers.set(system, [field]);
  }
  const terms = { id, at, partRows: Number(partRows), head, placement, onMarker };
  const rowsOf = (chunk: number) => createMarkedRows({ ...terms, chunk });

  return {
    /** How a streamed body is cut, and what is to be fed with its bytes. */
    limits,
    hash,

    /** The rows of a body that is there as a whole. */
    whole: (): MarkedRows => rowsOf(0),

    /** Begins the next chunk of a streamed body. @throws Problem where an earlier try had another one here */
    async next({ digest = '' }: Chunk): Promise<MarkedRows> {
      if (chunks === CHUNKS_MAX) {
        const detail = `a body with an Idempotency-Key is at most ${CHUNKS_MAX} chunks of ${rows} rows`;
        throw new Problem('body_too_large', detail);
      }
      const noted = await claims.note(request, token, chunks, digest).catch((error: Error) => {
        throw toProblem(error);
      });
      if (noted === 'reused') throw reused();
      if (noted === 'lost') throw inFlight();
      return rowsOf(chunks++);
    },

    /** How many chunks were begun. */
    get chunks(): number {
      return chunks;
    },

    /** Whether anything was handed over to be stored. */
    get hasSent(): boolean {
      return sent > 0;
    },

    /** Takes the markers away without waiting for it; those that stay have a TTL. */
    dropMarkers(): void {
      const calls = [...markers].map(([system, fields]) =>
        call('HDEL', `${systemKey(system)}:${head[0]}`, ...fields),
      );
      void runPipeline(redis, calls, timeoutMs);
    },
  };
}

export type Attempt = ReturnType<typeof createAttempt>;
