/**
 * Ingest: rows in, an account of them out. Every row is read, admitted and folded in one pass, without an
 * object per event; then the request waits until Redis has acknowledged all it brought.
 *
 * Where people have pseudonyms, these take the place of their ids as soon as a row is admitted: nothing that
 * comes after knows another name.
 *
 * Lenient (the rule): good rows are stored, bad ones are named by index, code and pointer; no good row at all
 * is a 400, or a 403 where the sender may touch none of their systems. Strict (`Prefer: handling=strict`): any bad row is a 400 and nothing is stored.
 *
 * The rows of a request with an idempotency key are folded apart (marked-rows.ts), with the time of its first try; and
 * so are those with an id of their own, where that means anything (identified-rows.ts).
 */
import type { Clock } from '../clock.js';
import { Problem, type RowError, type RowErrorCode, rowErrorCodes } from '../errors.js';
import type { Metrics } from '../metrics.js';
import type { Pseudonyms } from '../privacy/pseudonyms.js';
import { foldEvent } from './delta.js';
import type { Directory } from './directory.js';
import type { Chunk } from './formats/ndjson.js';
import { malformedLine, oversizedLine } from './formats/rows.js';
import { addRow, type RowTerms } from './identified-rows.js';
import type { MarkedRows } from './marked-rows.js';
import {
  addNotices,
  ignoredFields,
  type Notices,
  noteIgnored,
  noticeMembers,
  openNotices,
} from './notices.js';
import type { Placement } from './placement.js';
import { createEventReader, type ReadEvent, type RowProblem } from './read-event.js';
import type { Place, Writer } from './writer.js';

/** Row errors listed in an answer, and their bytes, since they name keys as long as senders like; the rest is counted. */
const ROW_ERRORS_LISTED_MAX = 100;
const ROW_ERRORS_BYTES_MAX = 48 * 1024;

export interface Account {
  accepted: number;
  rejected: number;
  /** Of those, the ones whose system the sender must not touch. */
  forbidden: number;
  /** Of the accepted, those that were not counted again; undefined where events are not told by ids. */
  duplicates: number | undefined;
  /** The first ones. */
  errors: RowError[];
  /** Bytes of `errors` as JSON. */
  errorsBytes: number;
  /** Milliseconds of the last accepted event. */
  lastAt: number;
  /** Of the accepted. */
  notices: Notices;
}

interface IngestDependencies {
  writer: Writer;
  directory: Directory;
  clock: Clock;
  metrics: Metrics;
  /** Undefined where ids are kept as they come. */
  pseudonyms: Pseudonyms | undefined;
  /** Whether an `event_id` is looked at. */
  readsIds: boolean;
  /** Undefined where no system is spread over shards. */
  placement: Placement | undefined;
  futureMsMax: number;
  /** Milliseconds that minute buckets are kept. */
  minuteRetentionMs: number;
}

/** What the rows of a request come under. */
interface StoreTerms {
  /** The systems they may be of; undefined: any. */
  allowed?: AllowedSystems;
  /** Where the request has an idempotency key. */
  marked?: MarkedRows | undefined;
}

interface IngestTerms extends StoreTerms {
  /** All or nothing. */
  strict: boolean;
}

interface ChunkTerms {
  allowed?: AllowedSystems;
  /** Begins a chunk of a body with an idempotency key. */
  mark?: ((chunk: Chunk) => Promise<MarkedRows>) | undefined;
}

const lineProblem = (code: RowErrorCode): RowProblem => ({ code, pointer: '', detail: rowErrorCodes[code] });
/** The systems that rows may be of; undefined: any. */
type AllowedSystems = ReadonlySet<string> | undefined;

const systemForbidden: RowProblem = {
  code: 'system_forbidden',
  pointer: '/system',
  detail: rowErrorCodes.system_forbidden,
};
const lineProblems = new Map<unknown, RowProblem>([
  [malformedLine, lineProblem('line_malformed')],
  [oversizedLine, lineProblem('line_too_long')],
]);

/** The problem of a line that looks like another format. */
function foreignProblem({ description }: symbol): RowProblem {
  const { detail, ...problem } = lineProblem('line_malformed');
  return { ...problem, detail: `${detail} It looks like ${description}.` };
}

export function createIngest(dependencies: IngestDependencies) {
  const { writer, directory, clock, metrics, pseudonyms, readsIds, placement } = dependencies;
  const { futureMsMax, minuteRetentionMs } = dependencies;
  const reader = createEventReader(futureMsMax, readsIds);

  function readRow(row: unknown, now: number, allowed: AllowedSystems): RowProblem | undefined {
    if (typeof row === 'symbol') return lineProblems.get(row) ?? foreignProblem(row);
    const problem = reader.read(row, now);
    if (problem || allowed === undefined || allowed.has(reader.event.system)) return problem;
    return systemForbidden;
  }

  /** What is wrong with the system of the row that was read. `trial`: see the directory. */
  function admissionProblem(trial?: Set<string>): RowProblem | undefined {
    if (directory.admit(reader.event.system, trial)) return undefined;
    return { code: 'systems_limit', pointer: '/system', detail: rowErrorCodes.systems_limit };
  }

  function reject(account: Account, index: number, problem: RowProblem): void {
    account.rejected++;
    if (problem === systemForbidden) account.forbidden++;
    metrics.eventsRejected.inc({ reason: problem.code });
    list(account, { index, ...problem });
  }

  function list(account: Account, error: RowError): void {
    if (account.errors.length >= ROW_ERRORS_LISTED_MAX) return;
    account.errorsBytes += Buffer.byteLength(JSON.stringify(error));
    if (account.errorsBytes <= ROW_ERRORS_BYTES_MAX) account.errors.push(error);
  }

  /** The problem of a request none of whose rows can be stored. */
  function refusal(account: Account): Problem {
    const [first] = account.errors;
    const detail = `${account.rejected} of ${account.rejected + account.accepted} events refused; the first, ${first.index}: ${first.detail}`;
    const errorsTruncated = account.rejected > account.errors.length;
    const code = account.forbidden === account.rejected ? 'system_forbidden' : 'events_invalid';
    return new Problem(code, detail, { errors: account.errors, errorsTruncated });
  }

  /** Adds the account of the rows that follow. */
  function add(account: Account, part: Account): void {
    account.accepted += part.accepted;
    account.rejected += part.rejected;
    account.forbidden += part.forbidden;
    if (account.duplicates !== undefined) account.duplicates += part.duplicates ?? 0;
    for (const error of part.errors) list(account, error);
    if (part.accepted > 0) account.lastAt = part.lastAt;
    addNotices(account.notices, part.notices);
  }

  const openAccount = (): Account => ({
    accepted: 0,
    rejected: 0,
    forbidden: 0,
    duplicates: readsIds ? 0 : undefined,
    errors: [],
    errorsBytes: 0,
    lastAt: Number.NaN,
    notices: openNotices(),
  });

  /** @throws Problem events_invalid, system_forbidden where any row is bad */
  function checkAll(rows: readonly unknown[], now: number, allowed: AllowedSystems): void {
    const account = openAccount();
    const trial = new Set<string>();
    rows.forEach((row, index) => {
      const problem = readRow(row, now, allowed) ?? admissionProblem(trial);
      if (problem) reject(account, index, problem);
      else account.accepted++;
    });
    if (account.rejected > 0) throw refusal(account);
  }

  /**
   * Adds rows to a new account and waits until the good ones are stored. Empties their list before it waits: they are some
   * ten times as large as what is sent of them. `first`: the index of the first row.
   */
  async function store(
    { rows, bytes }: Pick<Chunk, 'rows' | 'bytes'>,
    account: Account,
    first: number,
    { allowed, marked }: StoreTerms,
  ): Promise<void> {
    const now = marked ? marked.at : clock.now();
    const minutesFrom = now - minuteRetentionMs;
    const event: ReadEvent = reader.event;
    const { ignored } = event;
    const { notices } = account;
    let place: Place | undefined;
    let terms: RowTerms | undefined;
    let accepted = 0;
    let repeated = 0;
    for (let i = 0; i < rows.length; i++) {
      let problem = readRow(rows[i], now, allowed);
      if (!problem) {
        place ??= writer.join(bytes, first > 0); // first, since only what joins may claim a place in the directory
        problem = admissionProblem();
        if (!problem) {
          if (pseudonyms) pseudonyms.replaceIn(event);
          if (readsIds && (marked || event.id !== undefined)) {
            terms ??= { group: place.delta, marked, request: place.request, now, minutesFrom };
            if (!addRow(terms, rows[i], event)) repeated++;
          } else if (marked) foldEvent(marked.nextDelta(event.system), event, place.request, minutesFrom);
          else place.take(event, minutesFrom, placement?.shardOf(event));
          accepted++;
          account.lastAt = event.at;
          if (event.isTimeDefaulted) notices.withoutTime++;
          if (ignored.names.length > 0) noteIgnored(notices, ignored);
        }
      }
      if (problem) {
        reject(account, first + i, problem);
        marked?.pass(rows[i]);
      }
    }
    rows.length = 0;
    if (!place) return;
    marked?.handTo(place.delta);
    repeated += await place.stored;
    account.accepted += accepted;
    metrics.eventsAccepted.inc(accepted);
    if (notices.withoutTime > 0) metrics.eventsUndated.inc(notices.withoutTime);
    if (notices.ignored) metrics.fieldsIgnored.inc(ignoredFields(notices));
    if (account.duplicates === undefined) return;
    account.duplicates += repeated;
    metrics.eventsDuplicate.inc(repeated);
  }

  return {
    /**
     * Stores the rows of one body, and empties their list.
     * @throws Problem events_invalid, system_forbidden, or 503 where it is not certain that all good rows are stored
     */
    async ingest(body: Pick<Chunk, 'rows' | 'bytes'>, terms: IngestTerms): Promise<Account> {
      const { strict, allowed, marked } = terms;
      if (strict) checkAll(body.rows, marked ? marked.at : clock.now(), allowed);
      const account = openAccount();
      await store(body, account, 0, terms);
      if (account.accepted === 0) throw refusal(account);
      return account;
    },

    /**
     * Stores chunks one after the other, never reading the next before the last is stored. `mark`: begins a chunk of
     * a body with an idempotency key.
     * @throws an error whose `committed` is the account of the `committed_rows` first rows, which are dealt with
     */
    async ingestChunks(chunks: AsyncIterable<Chunk>, { allowed, mark }: ChunkTerms): Promise<Account> {
      const account = openAccount();
      let committed = 0;
      try {
        for await (const chunk of chunks) {
          const part = openAccount();
          const { length } = chunk.rows;
          await store(chunk, part, committed, { allowed, marked: await mark?.(chunk) });
          committed += length;
          add(account, part);
        }
      } catch (error) {
        const { accepted, rejected, duplicates, errors, notices } = account;
        const members = { accepted, rejected, duplicates, ...noticeMembers(notices), errors };
        throw Object.assign(error as Error, { committed: { committed_rows: committed, ...members } });
      }
      if (committed === 0) throw new Problem('batch_empty', 'the body holds no event');
      if (account.accepted === 0) throw refusal(account);
      return account;
    },
  };
}

export type Ingest = ReturnType<typeof createIngest>;
