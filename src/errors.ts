/**
 * Errors: one table of every problem the service answers with, and one of every reason for which a single
 * row is refused. Problems go out as RFC 9457 `application/problem+json`; `/problems/<code>` explains each.
 *
 * Senders decide by the status whether to send again, so it is chosen for them: 4xx only where sending the
 * same bytes again cannot help, 429 and 503 with `Retry-After` where it can. Never 207, 408 or (on ingest) 500: well
 * known log shippers retry the first for ever and drop the data on the others.
 */
interface ProblemRow {
  status: number;
  title: string;
  /** Seconds a client should wait before it tries again. */
  retryAfterSeconds?: number;
  /** The log tells of its cause where that begins and not with every request, of which there may be thousands a second. */
  isQuiet?: true;
}

const problemTable = {
  body_malformed: { status: 400, title: 'The body cannot be read' },
  body_not_utf8: { status: 400, title: 'The body is not UTF-8' },
  batch_empty: { status: 400, title: 'The body holds no event' },
  events_invalid: { status: 400, title: 'No event could be accepted' },
  parameter_invalid: { status: 400, title: 'A parameter is not valid' },
  key_missing: { status: 401, title: 'An API key is needed here' },
  key_unknown: { status: 401, title: 'The API key is not valid' },
  key_expired: { status: 401, title: 'The API key has expired' },
  scope_missing: { status: 403, title: 'The API key is not for this' },
  system_forbidden: { status: 403, title: 'The API key is not for this system' },
  not_found: { status: 404, title: 'There is nothing here' },
  system_unknown: { status: 404, title: 'The system is not known' },
  metric_unknown: { status: 404, title: 'The measurement is not known' },
  no_data: { status: 404, title: 'There is no data for this question' },
  request_in_flight: {
    status: 409,
    title: 'A request with this idempotency key is under way',
    retryAfterSeconds: 1,
  },
  method_not_allowed: { status: 405, title: 'This method is not offered here' },
  pseudonyms_off: { status: 409, title: 'There are no pseudonyms here' },
  body_too_large: { status: 413, title: 'The body is too large' },
  batch_too_large: { status: 413, title: 'The batch holds too many events' },
  name_too_long: { status: 414, title: 'A name in the address is too long' },
  content_type_unsupported: { status: 415, title: 'The content type is not read here' },
  content_encoding_unsupported: { status: 415, title: 'The content encoding is not read here' },
  confirmation_unknown: { status: 409, title: 'There is no purge to confirm or continue' },
  quota_exceeded: { status: 429, title: 'The quota is used up', retryAfterSeconds: 1 },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key belongs to another request' },
  window_unsupported: { status: 422, title: 'This metric does not keep that window' },
  question_too_large: { status: 422, title: 'The question reads too much at once' },
  zone_unsupported: { status: 422, title: 'This time zone is not whole hours from UTC' },
  series_too_long: { status: 422, title: 'The series would have too many points' },
  sketch_unreadable: { status: 422, title: 'The sketch cannot be read' },
  request_invalid: { status: 400, title: 'The request cannot be served' },
  too_many_attempts: {
    status: 429,
    title: 'This address was refused too often',
    retryAfterSeconds: 60,
  },
  internal: { status: 500, title: 'The question could not be answered' },
  overloaded: { status: 503, title: 'Too much is being asked at once', retryAfterSeconds: 1, isQuiet: true },
  purge_busy: { status: 503, title: 'Too much is written to be purged now', retryAfterSeconds: 10 },
  redis_unavailable: { status: 503, title: 'Redis cannot be reached', retryAfterSeconds: 2, isQuiet: true },
  outcome_unknown: { status: 503, title: 'The events may or may not be stored', retryAfterSeconds: 2 },
  stopping: { status: 503, title: 'The service is stopping', retryAfterSeconds: 5, isQuiet: true },
  ingest_failed: { status: 503, title: 'The events could not be stored', retryAfterSeconds: 5 },
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof problemTable;
export const problems: Record<ProblemCode, ProblemRow> = problemTable;

/** Why a row of a batch is refused: code and the sentence that explains it in the documentation. */
const rowErrorTable = {
  line_malformed: 'The line is not valid JSON in UTF-8.',
  line_too_long: 'The line is longer than a whole request may be.',
  not_an_object: 'An event must be an object.',
  required: 'The field is required.',
  type_invalid: 'The field has the wrong type.',
  value_unknown: 'The value is not one of those allowed.',
  empty: 'The name must have at least one byte.',
  too_long: 'The name, id or key is longer than allowed.',
  not_unicode: 'The text holds a lone surrogate or broken UTF-8, so it has no byte form of its own.',
  name_reserved: 'The name "*" means all systems and cannot be one.',
  timestamp_invalid: 'Not RFC 3339 with an offset, nor an epoch number, or no date of the calendar.',
  timestamp_in_future: 'The timestamp is further ahead than allowed.',
  number_not_finite: 'The number is too large to be represented.',
  metadata_too_large: 'The metadata has too many keys.',
  nesting_too_deep: 'The metadata nests too deeply.',
  system_forbidden: 'The API key is not for this system.',
  systems_limit: 'The largest number of systems is reached.',
} as const;

export type RowErrorCode = keyof typeof rowErrorTable;
export const rowErrorCodes: Record<RowErrorCode, string> = rowErrorTable;

/** One refused row: `index` counts from 0, `pointer` is an RFC 6901 JSON pointer into that row. */
export interface RowError {
  index: number;
  code: RowErrorCode;
  pointer: string;
  detail: string;
}

/** One wrong part of a request that is not a row: `pointer` names it. */
export interface FieldError {
  pointer: string;
  detail: string;
}

interface ProblemOptions extends ErrorOptions {
  /** Where it is known better than the table does. */
  retryAfterSeconds?: number;
}

/** A problem to be answered; anything else that is thrown is unexpected. */
export class Problem extends Error {
  override readonly name = 'Problem';
  /** Seconds a client should wait before it tries again; undefined where that does not help. */
  readonly retryAfterSeconds: number | undefined;
  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly extensions: { errors?: FieldError[] | RowError[]; [member: string]: unknown } = {},
    options: ProblemOptions = {},
  ) {
    super(detail, options);
    this.retryAfterSeconds = options.retryAfterSeconds ?? problems[code].retryAfterSeconds;
  }
}
