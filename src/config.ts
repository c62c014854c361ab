/**
 * Settings: one table, read once from the environment at start.
 *
 * Every setting has a type, a default, a range and a sentence; env-schema checks and converts, so wrong
 * values end the start with a line for each that names it. `.env.example` is tested against this table both ways.
 * Names end with their unit. Nothing else in the project reads `process.env`.
 */
import { join } from 'node:path';
import { envSchema } from 'env-schema';
import { type Static, Type } from 'typebox';
import { lineOf, SettingsError } from './settings-error.js';

const whole = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: fallback, minimum, maximum, description });
const DAY_SECONDS = 86_400;
const DATA_DIR_DEFAULT = '.data';

export const settings = Type.Object({
  HOST: Type.String({
    default: '127.0.0.1',
    description:
      'Address to listen on. Without API keys only those of this machine: see ACCESS_WITHOUT_KEYS.',
  }),
  API_KEYS_FILE: Type.String({
    default: '',
    description:
      'Where API keys are kept; a file that is not there has none. Empty: keys.json under DATA_DIR.',
  }),
  API_KEYS: Type.String({
    default: '',
    description: 'API keys besides those of the file: a JSON array of its records.',
  }),
  ACCESS_WITHOUT_KEYS: Type.Union([Type.Literal('loopback'), Type.Literal('anyone')], {
    default: 'loopback',
    description:
      'Who may enter while there are no API keys. anyone: whoever can reach HOST may read and change everything.',
  }),
  OPERATIONS_ACCESS: Type.Union([Type.Literal('open'), Type.Literal('key')], {
    default: 'open',
    description: 'key: figures and the API description are for holders of any API key, where there are keys.',
  }),
  PORT: whole(3000, 0, 65_535, 'Port to listen on; 0 takes a free one.'),
  WORKERS: whole(
    0,
    0,
    1_024,
    'Processes that share the port; 0: as many as there are cores, less one for Redis.',
  ),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', description: 'pino log level. debug adds a line for every request.' },
  ),
  TRUST_PROXY: Type.String({
    default: '',
    description: 'Proxies whose X-Forwarded-For is believed: addresses and CIDRs, with commas between.',
  }),
  CONNECTIONS_MAX: whole(10_000, 1, 1_000_000, 'Connections open at once; one more is closed on arrival.'),
  KEEP_ALIVE_SECONDS: whole(72, 1, 3_600, 'A connection without a request is closed after this long.'),
  HEADERS_SECONDS_MAX: whole(10, 1, 600, 'How long the headers of a request may take to arrive.'),
  BODY_IDLE_SECONDS: whole(30, 1, 3_600, 'A request or answer of which no byte moves for so long is ended.'),
  LIMIT_INGEST_EVENTS_PER_SECOND: whole(0, 0, 10_000_000, 'Events of one API key; 0: no limit.'),
  LIMIT_QUERIES_PER_SECOND: whole(0, 0, 1_000_000, 'Questions of one API key; 0: no limit.'),
  LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS: whole(
    0,
    0,
    1_000_000,
    'Requests of one client address; 0: no limit.',
  ),
  LIMIT_BURST_SECONDS: whole(1, 1, 3_600, 'Seconds of a full rate that may come at once.'),
  REDIS_URL: Type.String({
    default: '',
    description:
      'Redis or Valkey (>= 6.2) to use; redis+cluster://host:port,host:port for a cluster. ' +
      'Empty: the service runs its own under DATA_DIR.',
  }),
  DATA_DIR: Type.String({ default: DATA_DIR_DEFAULT, description: 'Where the own Redis keeps its data.' }),
  REDIS_APPENDFSYNC: Type.Union(
    ['always', 'everysec', 'no'].map((policy) => Type.Literal(policy)),
    {
      default: 'everysec',
      description:
        'When the own Redis syncs its append-only file. always: an acknowledged event survives a power cut.',
    },
  ),
  REDIS_CONNECT_TIMEOUT_MS: whole(500, 10, 60_000, 'How long a connection to Redis may take.'),
  REDIS_INGEST_TIMEOUT_MS: whole(
    5_000,
    50,
    60_000,
    'How long a write may take before its outcome is unknown.',
  ),
  REDIS_QUERY_TIMEOUT_MS: whole(800, 50, 60_000, 'How long a question may take.'),
  REDIS_KEEP_ALIVE_SECONDS: whole(10, 1, 3_600, 'Idle time after which TCP asks whether Redis is there.'),
  REDIS_HEALTH_CHECK_SECONDS: whole(
    5,
    1,
    3_600,
    'How often each connection is tried with a PING, so that a dead one is found before somebody needs it.',
  ),
  REDIS_RECONNECT_MS_MAX: whole(
    500,
    25,
    60_000,
    'Longest pause between two tries to connect; it is reached by doubling, half of it left to chance.',
  ),
  REDIS_BREAKER_FAILURES_MAX: whole(
    5,
    1,
    1_000,
    'Calls in a row without an answer after which nobody is made to wait for Redis.',
  ),
  REDIS_BREAKER_OPEN_MS: whole(500, 10, 60_000, 'How long that lasts the first time.'),
  QUERIES_IN_FLIGHT_MAX: whole(500, 1, 100_000, 'Questions computed at once; one more gets 503.'),
  QUERY_CACHE: Type.Union([Type.Literal('on'), Type.Literal('off')], {
    default: 'on',
    description: 'off: every question is computed anew.',
  }),
  SLOW_QUERY_MS: whole(100, 1, 60_000, 'A question that took this long is logged and kept in a list.'),
  CACHE_MAX_SIZE_MB: whole(100, 1, 65_536, 'Memory of this process for finished answers, in MiB.'),
  EVICTION_ALLOWED: Type.Boolean({
    default: false,
    description: 'Be ready although maxmemory-policy is not noeviction, so that Redis may drop sketches.',
  }),
  BATCH_EVENTS_MAX: whole(10_000, 1, 1_000_000, 'Events in one request, and in one chunk of an NDJSON body.'),
  BODY_BYTES_MAX: whole(16 * 1024 ** 2, 1024, 1024 ** 3, 'Bytes of one body after decompression.'),
  FUTURE_SECONDS_MAX: whole(DAY_SECONDS, 0, 10 * 365 * DAY_SECONDS, 'How far ahead of now an event may be.'),
  SYSTEMS_MAX: whole(10_000, 1, 1_000_000, 'Different systems; an event for one more is a row error.'),
  SYSTEM_SHARDS: Type.String({
    default: '',
    description:
      'Systems to be spread over the nodes of a cluster, and over how many shards: payments=4,audit=8.',
  }),
  QUERY_SYSTEMS_MAX: whole(1_000, 1, 100_000, 'Systems that a question about all of them may read.'),
  WRITER: Type.Union([Type.Literal('grouped'), Type.Literal('plain')], {
    default: 'grouped',
    description: 'plain: events are written one command at a time, many times slower (docs/performance.md).',
  }),
  PIPELINES_IN_FLIGHT_MAX: whole(2, 1, 16, 'Write pipelines under way to Redis at once.'),
  INGEST_PENDING_BYTES_MAX: whole(
    64 * 1024 ** 2,
    1024,
    16 * 1024 ** 3,
    'Bytes of request bodies waiting for Redis; past it new events get 503.',
  ),
  INGEST_REQUESTS_IN_FLIGHT_MAX: whole(
    512,
    1,
    100_000,
    'Requests waiting for Redis; past it new events get 503.',
  ),
  INGEST_QUEUE_MS_MAX: whole(
    50,
    1,
    60_000,
    'Where more than 64 requests wait, new events get 503 if they would wait longer than this.',
  ),
  INGEST_FLOOD_BYTES_MAX: whole(
    96 * 1024,
    1024,
    16 * 1024 ** 3,
    'Bytes of request bodies waiting for Redis while more requests are refused than answered; past it new events get 503.',
  ),
  EVENT_LOOP_DELAY_MS_MAX: whole(
    250,
    10,
    60_000,
    'Mean delay of the event loop; past it new events get 503.',
  ),
  HEAP_USED_PERCENT_MAX: whole(90, 1, 100, 'Share of the heap in use; past it new events get 503.'),
  INGEST_WAIT_REPLICAS: whole(0, 0, 16, 'Replicas that must have a write before it is acknowledged.'),
  INGEST_WAIT_MS: whole(1_000, 1, 60_000, 'How long they may take; then the outcome is unknown.'),
  REPEAT_FILTER_VALUES_MAX: whole(500_000, 0, 100_000_000, 'Values remembered as already written; 0: none.'),
  IDEMPOTENCY_SECONDS: whole(
    DAY_SECONDS,
    60,
    30 * DAY_SECONDS,
    'Requests with an idempotency key are known this long.',
  ),
  EVENT_ID_SECONDS: whole(
    0,
    0,
    DAY_SECONDS,
    'An event with an event_id that came within this time is not counted again; 0: event_id means nothing. The same for all processes.',
  ),
  PSEUDONYM_KEY: Type.String({
    default: '',
    description: 'Key of the pseudonyms that stand for ids of people, 32 characters or more. Empty: none.',
  }),
  PSEUDONYM_KEY_FILE: Type.String({ default: '', description: 'File to read PSEUDONYM_KEY from.' }),
  PSEUDONYM_KEY_PREVIOUS: Type.String({
    default: '',
    description: 'The key before it, while what was written under that is still asked about.',
  }),
  PSEUDONYM_KEY_PREVIOUS_FILE: Type.String({
    default: '',
    description: 'File to read PSEUDONYM_KEY_PREVIOUS from.',
  }),
  PSEUDONYM_KEY_ROTATED_AT: Type.String({
    default: '',
    description: 'From when PSEUDONYM_KEY writes, RFC 3339. Events of before it keep the form of then.',
  }),
  RETENTION_MINUTE_SECONDS: whole(
    7_200,
    60,
    DAY_SECONDS,
    'Minute buckets are kept this long, and written only for events that are no older.',
  ),
  RETENTION_HOUR_SECONDS: whole(
    7 * DAY_SECONDS,
    3_600,
    366 * DAY_SECONDS,
    'Hour buckets are kept this long.',
  ),
  RETENTION_DAY_SECONDS: whole(90 * DAY_SECONDS, DAY_SECONDS, 3_660 * DAY_SECONDS, 'Day buckets.'),
  RETENTION_WEEK_SECONDS: whole(364 * DAY_SECONDS, 7 * DAY_SECONDS, 3_660 * DAY_SECONDS, 'Week buckets.'),
  RETENTION_MONTH_SECONDS: whole(730 * DAY_SECONDS, 31 * DAY_SECONDS, 3_660 * DAY_SECONDS, 'Month buckets.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.String({
    default: '',
    description: 'OTLP/HTTP collector for traces, such as http://127.0.0.1:4318. Empty: no traces.',
  }),
  OTEL_SERVICE_NAME: Type.String({ default: 'papertrail', description: 'What traces call this service.' }),
  OTEL_TRACES_SAMPLER_ARG: Type.Number({
    default: 1,
    minimum: 0,
    maximum: 1,
    description: 'Share of the requests that are traced; a caller that has decided already is followed.',
  }),
  STOP_SECONDS_MAX: whole(25, 1, 600, 'How long a clean stop may take before it is cut short.'),
});

export type Config = Static<typeof settings>;

/** Whether a setting is a secret, so that its value is never shown: it is called a key, a token or a password. */
export const isSecretSetting = (name: string): boolean =>
  /(?:^|(?<!WITHOUT)_)(?:KEYS?|SECRET|TOKEN|PASSWORD)(?:_PREVIOUS)?$/.test(name);

/**
 * The settings of this process.
 * @param env names and values as text, by default the environment
 * @throws SettingsError with a line for each setting whose value is refused
 */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const data = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name in settings.properties && value !== ''),
  );
  try {
    return envSchema<Config>({ schema: settings, data, env: false });
  } catch (error) {
    const { errors } = error as { errors?: { instancePath: string }[] };
    if (!errors) throw error;
    const names = new Set(errors.map(({ instancePath }) => instancePath.slice(1) as keyof Config));
    throw new SettingsError([...names].map((name) => lineOf(name, settings.properties[name])));
  }
}

/** Where the API keys are kept: the same for the service and the command line. */
export const keyFileOf = ({ API_KEYS_FILE, DATA_DIR }: Pick<Config, 'API_KEYS_FILE' | 'DATA_DIR'>): string =>
  API_KEYS_FILE || join(DATA_DIR, 'keys.json');

/** What the command line takes from the environment: which service it talks to, as whom, and where it keeps things. */
export function commandLineEnvironment(env: Record<string, string | undefined> = process.env) {
  const { API_KEYS_FILE = '', DATA_DIR } = env;
  return {
    base: env.PAPERTRAIL_URL || 'http://127.0.0.1:3000',
    key: env.PAPERTRAIL_API_KEY || undefined,
    stateHome: env.XDG_STATE_HOME || undefined,
    keyFile: keyFileOf({ API_KEYS_FILE, DATA_DIR: DATA_DIR || DATA_DIR_DEFAULT }),
  };
}
