/**
 * Failed log-ins: which events are one. This is the one table; docs/logins.md shows it.
 *
 *   user_login       is a log-in; it failed where any field of the table says so
 *   security_event   stands for a failed log-in where its `status_code` or outcome says failure (a `status` says how the
 *                    event itself ended, which may be a refused privilege)
 *
 * Fields that contradict each other: a reply code 2xx in `status` or `status_code` never is a failure, whatever else is
 * said; else one field that says failure is enough. What is not in the table says nothing, and neither do `unknown`,
 * `pending` and an absent field.
 *
 * Cost: a walk over the metadata of log-ins and security events. What a text means is remembered.
 */
import { eventTypes, loginType } from '../sketches/registry.js';

/** In a text, the first of these words or phrases and of `successWords` decides. */
export const failureWords: readonly string[] = [
  ...'fail fails failed failing failure failures error errors false'.split(' '),
  ...'deny denies denied reject rejects rejected refuse refused forbidden block blocked'.split(' '),
  ...'invalid incorrect wrong bad mismatch unsuccessful unauthorized unauthorised unauthenticated'.split(' '),
  ...'lock locked lockout disabled expired revoked'.split(' '),
  ...['not found', 'no such user', 'no such account', 'unknown user', 'unknown account'],
];
export const successWords: readonly string[] = [
  ...'success successful successfully succeed succeeded ok okay true'.split(' '),
  ...'accept accepted allow allowed grant granted permit permitted pass passed approved'.split(' '),
  ...'valid verified authorized authorised authenticated'.split(' '),
];
/** Before a word of either list they turn it round: "not authorized", "no error". */
export const negations: readonly string[] = ['no', 'not', 'non', 'never', 'without'];

/** Reply codes of HTTP, FTP and SMTP from here on are failures. */
const FAILED_CODES_FROM = 400;

type Verdict = 'failure' | 'done' | undefined;

const decidingWord = new RegExp(
  `\\b(?:(${negations.join('|')}) )?(?:(${failureWords.join('|')})|${successWords.join('|')})\\b`,
);
/** A number, or a reply code and what it means: `401`, `401 Unauthorized`. */
const codeText = /^(?:(\d+)|(\d{3})[\s:,;-].*)$/s;
/** What Windows calls an error, such as 0xC000006D. */
const errorStatus = /^0xc[0-9a-f]{7}$/i;

const TEXT_READ_MAX = 256;
const TEXT_REMEMBERED_MAX = 64;
const TEXTS_REMEMBERED_MAX = 1_000;
const verdicts = new Map<string, Verdict>();

/** `done`: a 2xx. */
function verdictOfCode(code: number): Verdict {
  if (code >= FAILED_CODES_FROM) return 'failure';
  return code >= 200 && code < 300 ? 'done' : undefined;
}

function verdictOfWords(text: string): Verdict {
  const words = text
    .replace(/([a-z])([A-Z])/g, '$1 $2') // InvalidPassword
    .replace(/[^A-Za-z]+/g, ' ')
    .toLowerCase();
  const found = decidingWord.exec(words);
  if (!found) return undefined;
  const [, negation, failure] = found;
  return (failure === undefined) === (negation === undefined) ? undefined : 'failure';
}

function verdictOfText(text: string): Verdict {
  const read = text.slice(0, TEXT_READ_MAX).trim();
  const code = codeText.exec(read);
  const verdict = code ? verdictOfCode(Number(code[1] ?? code[2])) : undefined;
  return verdict ?? (errorStatus.test(read) ? 'failure' : verdictOfWords(read));
}

function rememberedVerdict(text: string): Verdict {
  if (text.length > TEXT_REMEMBERED_MAX) return verdictOfText(text);
  let verdict = verdicts.get(text);
  if (verdict === undefined && !verdicts.has(text)) {
    verdict = verdictOfText(text);
    if (verdicts.size >= TEXTS_REMEMBERED_MAX) verdicts.clear();
    verdicts.set(text, verdict);
  }
  return verdict;
}

/** What a status, a code, an outcome or a result says. */
function verdictOf(value: unknown): Verdict {
  if (typeof value === 'string') return rememberedVerdict(value);
  if (typeof value === 'number') return verdictOfCode(value);
  return value === false ? 'failure' : undefined;
}

const saysFailure = (value: unknown): boolean => verdictOf(value) === 'failure';

type Metadata = Readonly<Record<string, unknown>>;

/** ECS with nested names. */
const hasFailedOutcome = (event: unknown): boolean =>
  typeof event === 'object' && event !== null && saysFailure((event as Metadata).outcome);

const deniesSuccess = (success: unknown): boolean =>
  success === 0 ||
  (typeof success === 'string' && /^\s*(?:0|no|n|f)\s*$/i.test(success)) ||
  saysFailure(success);

/** OCSF: 1 is success, 2 failure. */
const isFailureId = (id: unknown): boolean => id === 2 || id === '2';

/** Walks the fields that are there: asking for those that mostly are not would take longer. */
function hasFailed(type: number, metadata: Metadata): boolean {
  let ofAny = false;
  let ofLogin = false;
  for (const field in metadata) {
    switch (field) {
      case 'status': {
        const verdict = verdictOf(metadata.status);
        if (verdict === 'done') return false;
        ofLogin ||= verdict === 'failure';
        break;
      }
      case 'status_code': {
        const verdict = verdictOf(metadata.status_code);
        if (verdict === 'done') return false;
        ofAny ||= verdict === 'failure';
        break;
      }
      case 'outcome':
      case 'event.outcome':
        ofAny ||= saysFailure(metadata[field]);
        break;
      case 'event':
        ofAny ||= hasFailedOutcome(metadata.event);
        break;
      case 'result':
        ofLogin ||= saysFailure(metadata.result);
        break;
      case 'success':
        ofLogin ||= deniesSuccess(metadata.success);
        break;
      case 'status_id':
        ofLogin ||= isFailureId(metadata.status_id);
    }
  }
  return ofAny || (ofLogin && type === LOGIN);
}

const LOGIN = eventTypes.indexOf(loginType);
const SECURITY = eventTypes.indexOf('security_event');

/**
 * Whether an event is a log-in that failed, or stands for one.
 * @param type index into `eventTypes`
 * @param metadata as it came
 */
export const isFailedLogin = (type: number, metadata: Metadata): boolean =>
  (type === LOGIN || type === SECURITY) && hasFailed(type, metadata);
