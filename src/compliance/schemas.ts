/** Parameters and answers of the questions. Answers list every field they have: what is not here is not sent. */
import { type TSchema, Type } from 'typebox';
import { distinctMetrics, readGrains, topMetrics } from '../sketches/registry.js';
import { windows } from '../windows/cover.js';

const system = Type.String({ minLength: 1, maxLength: 256, description: 'System name, as it was sent.' });
const timestamp = Type.Optional(
  Type.String({
    description: 'Any instant of the window asked about: RFC 3339 or an epoch number. Default: now.',
  }),
);
const window = (fallback: string, kind: keyof typeof readGrains) =>
  Type.Enum([...windows], {
    default: fallback,
    description: `The aligned UTC window that holds the timestamp; kept are ${Object.keys(readGrains[kind]).join(', ')}.`,
  });
const strict = { additionalProperties: false };

export const distinctParams = Type.Object({ metric: Type.Enum(distinctMetrics.map((row) => row.metric)) });
export const topParams = Type.Object({ metric: Type.Enum(topMetrics.map((row) => row.metric)) });
export const percentileParams = Type.Object({
  metric: Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'A numeric metadata key; api_latency means latency_ms.',
  }),
});
export const systemParams = Type.Object({ system });

export const distinctQuery = Type.Object({ system, window: window('1h', 'distinct'), timestamp }, strict);
export const activityQuery = Type.Object(
  {
    user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    ip: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    system,
    window: window('1d', 'membership'),
    timestamp,
  },
  strict,
);
export const topQuery = Type.Object(
  {
    system,
    k: Type.Integer({ minimum: 1, maximum: 1_000, default: 10 }),
    window: window('1h', 'top'),
    timestamp,
  },
  strict,
);
export const percentilesQuery = Type.Object(
  {
    system,
    percentiles: Type.String({ default: '50,95,99', description: 'Comma-separated, each 0 to 100.' }),
    window: window('1h', 'percentiles'),
    timestamp,
  },
  strict,
);
export const slaQuery = Type.Object(
  {
    metric: percentileParams.properties.metric,
    system,
    threshold: Type.String({ description: 'A number: the largest value that keeps the SLA.' }),
    percentile: Type.String({ default: '95', description: '0 to 100.' }),
    window: window('1h', 'percentiles'),
    timestamp,
  },
  strict,
);
export const latencyQuery = Type.Object(
  {
    metric: Type.String({ default: 'api_latency', minLength: 1, maxLength: 256 }),
    window: window('1h', 'percentiles'),
    timestamp,
  },
  strict,
);
export const summaryQuery = Type.Object({ timestamp }, strict);

const said = {
  timestamp: Type.String({ description: 'The instant that was asked about.' }),
  from: Type.String({ description: 'First instant covered.' }),
  to: Type.String({ description: 'First instant after it.' }),
  coverage: Type.Enum(['complete', 'partial', 'expired'], {
    description: 'Whether all that was ever stored for this time is in the answer, some of it, or none.',
  }),
};
const text = Type.String();
const whole = Type.Integer();
const number = Type.Number();
const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

const interval = { standard_error: number, lower: whole, upper: whole };
export const distinctAnswer = Type.Object(
  {
    metric: text,
    system: text,
    window: text,
    count: whole,
    accuracy: Type.String({ description: 'One standard error, as a percentage.' }),
    bound: Type.Object({ ...interval, confidence: number }),
    ...said,
  },
  { title: 'Distinct', description: 'How many, with the standard error and a 95% interval.' },
);

export const activityAnswer = Type.Object(
  {
    user_id: Type.Optional(text),
    ip: Type.Optional(text),
    system: text,
    window: text,
    accessed: Type.Boolean(),
    probability: orNull(
      Type.Number({ description: 'That the answer is right; null where a "no" is not certain.' }),
    ),
    false_positive_rate: number,
    saturated: Type.Boolean({ description: 'A filter has taken more than it was made for.' }),
    note: text,
    ...said,
  },
  { title: 'Activity', description: 'Yes or no, and how certain that is.' },
);

const item = Type.Object(
  {
    item: text,
    count: Type.Integer({ description: 'Never less than the truth.' }),
    lower: whole,
    upper: whole,
    guaranteed: Type.Boolean({ description: 'Certainly among the top k.' }),
  },
  { title: 'TopItem' },
);
export const topAnswer = Type.Object(
  {
    metric: text,
    system: text,
    window: text,
    k: whole,
    items: Type.Array(item),
    floor: Type.Integer({ description: 'No value that is not tracked has more than this.' }),
    ...said,
  },
  { title: 'Top', description: 'The largest counts, each with its bounds.' },
);

const uniques = {
  unique_users: whole,
  unique_sessions: whole,
  unique_ips: whole,
  bounds: Type.Object({
    unique_users: Type.Object(interval),
    unique_sessions: Type.Object(interval),
    unique_ips: Type.Object(interval),
  }),
  from: text,
  to: text,
  coverage: said.coverage,
};
export const summaryAnswer = Type.Object(
  {
    system: text,
    timestamp: said.timestamp,
    hourly: Type.Object({ ...uniques, top_users: Type.Array(item), top_ips: Type.Array(item) }),
    daily: Type.Object(uniques),
  },
  { title: 'Summary', description: 'The hour and the day that hold the instant.' },
);

const bound = Type.Object(
  {
    rank_error: Type.Number({ description: 'Estimated error of the rank, 0 to 1.' }),
    lower: Type.Number({ description: 'The value that far below.' }),
    upper: Type.Number({ description: 'The value that far above.' }),
  },
  { title: 'PercentileBound' },
);
const quantiles = {
  percentiles: Type.Record(Type.String(), orNull(number), { description: 'p50 and so on; p999 is 99.9.' }),
  bounds: Type.Record(Type.String(), bound),
  count: Type.Integer({ description: 'Samples.' }),
  min: orNull(number),
  max: orNull(number),
  unit: orNull(text),
};
export const percentilesAnswer = Type.Object(
  {
    metric: text,
    system: text,
    window: text,
    ...quantiles,
    ...said,
  },
  {
    title: 'Percentiles',
    description: 'The percentiles, each with its estimated error; null where there are no samples.',
  },
);
export const latencyAnswer = Type.Object(
  {
    system: text,
    metric: text,
    window: text,
    ...quantiles,
    sla_status: Type.Record(Type.String(), Type.Enum(['PASS', 'FAIL'])),
    ...said,
  },
  {
    title: 'LatencySummary',
    description: 'The percentiles, and the usual targets where the unit is milliseconds.',
  },
);
export const slaAnswer = Type.Object(
  {
    metric: text,
    system: text,
    percentile: number,
    value: number,
    threshold: number,
    status: Type.Enum(['PASS', 'FAIL']),
    margin: number,
    certain: Type.Boolean({ description: 'The verdict is the same anywhere within the bound.' }),
    bound,
    count: whole,
    unit: orNull(text),
    window: text,
    ...said,
  },
  { title: 'Sla', description: 'The verdict, and whether it is certain.' },
);
