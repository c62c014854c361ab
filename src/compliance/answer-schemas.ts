/** Answers of the questions. They list every field they have: what is not here is not sent. */
import { type TSchema, Type } from 'typebox';

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
const about = {
  system: orNull(Type.String({ description: '`*` where all were asked; null for several.' })),
  systems: Type.Optional(Type.Array(Type.String(), { description: 'Where several were asked, up to 100.' })),
  systems_asked: Type.Integer(),
  unknown_systems: Type.Optional(
    Type.Array(Type.String(), { description: 'Those of the systems asked about that are not known.' }),
  ),
  timestamp: Type.String({ description: 'The instant that was asked about.' }),
  as_of: Type.String({
    description:
      'The answer holds every event that was acknowledged before this instant (by the clock of Redis), and is certain ' +
      'as of then only.',
  }),
  computed_at: Type.String({ description: 'The same as `as_of`, for clients of earlier releases.' }),
};
const lowerBound = Type.Optional(
  Type.Literal(true, {
    description: 'There where the numbers are lower bounds, since some of this time is no longer kept.',
  }),
);
const said = {
  ...about,
  window: orNull(Type.String()),
  tz: orNull(Type.String({ description: 'The zone that was asked for.' })),
  from: Type.String({ description: 'First instant covered.' }),
  to: Type.String({ description: 'First instant after it.' }),
  widened: Type.Optional(
    Type.Boolean({
      description: 'True where this is more time than was asked for: an end moved to what is kept.',
    }),
  ),
  coverage: Type.Enum(['complete', 'partial', 'expired', 'future'], {
    description:
      'Whether all that was ever stored for this time is in the answer, some of it, or none; `future` where it has not ' +
      'begun.',
  }),
  coverage_note: Type.Optional(
    Type.String({ description: 'Why not all of it, where minutes are asked about.' }),
  ),
};
const text = Type.String();
const whole = Type.Integer();
const number = Type.Number();

/** Null where nothing of the time is kept, or nothing has come of a time that has not begun. */
const known = (description?: string) =>
  Type.Union([description === undefined ? whole : Type.Integer({ description }), Type.Null()]);

const interval = { standard_error: number, lower: known(), upper: known() };
const note = Type.Optional(
  Type.String({ description: 'Where people may count twice, because the key of their pseudonyms changed.' }),
);
export const distinctAnswer = Type.Object(
  {
    metric: text,
    count: known(),
    lower_bound: lowerBound,
    accuracy: Type.String({ description: 'One standard error, as a percentage.' }),
    bound: Type.Object({ ...interval, confidence: number }),
    note,
    ...said,
  },
  { title: 'Distinct', description: 'How many, with the standard error and a 95% interval.' },
);

export const activityAnswer = Type.Object(
  {
    user_id: Type.Optional(text),
    ip: Type.Optional(text),
    accessed: orNull(
      Type.Boolean({ description: 'Null where nothing of this time is kept, or it has not begun.' }),
    ),
    confidence: orNull(
      Type.Number({
        description: 'Probability that `accessed` is right as of `as_of`; null where a "no" is not certain.',
      }),
    ),
    probability: orNull(
      Type.Number({ description: 'The same as `confidence`, for clients of earlier releases.' }),
    ),
    false_positive_rate: number,
    saturated: Type.Boolean({ description: 'A filter has taken more than it was made for.' }),
    note: text,
    ...said,
  },
  { title: 'Activity', description: 'Yes or no, and how certain that is.' },
);

export const frequencyAnswer = Type.Object(
  {
    metric: text,
    item: text,
    count: known('Never less than the truth.'),
    lower_bound: lowerBound,
    bound: Type.Object({
      lower: known(),
      upper: known(),
      confidence: Type.Number({ description: 'Chance that the truth is not below `lower`.' }),
    }),
    ...said,
  },
  { title: 'Frequency', description: 'How often one item came, however rare it is.' },
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
    k: whole,
    items: Type.Array(item),
    floor: Type.Integer({ description: 'No value that is not tracked has more than this.' }),
    lower_bound: lowerBound,
    note,
    ...said,
  },
  { title: 'Top', description: 'The largest counts, each with its bounds.' },
);

const uniques = {
  unique_users: known(),
  unique_sessions: known(),
  unique_ips: known(),
  lower_bound: lowerBound,
  bounds: Type.Object({
    unique_users: Type.Object(interval),
    unique_sessions: Type.Object(interval),
    unique_ips: Type.Object(interval),
  }),
  logins: known('Events user_login, failed ones included; exact.'),
  failed_logins: known('See docs/logins.md; exact, null where they were not counted all the time.'),
  from: text,
  to: text,
  coverage: said.coverage,
};
export const summaryAnswer = Type.Object(
  {
    ...about,
    note,
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
  count: known('Samples.'),
  lower_bound: lowerBound,
  min: orNull(number),
  max: orNull(number),
  unit: orNull(text),
};
export const percentilesAnswer = Type.Object(
  {
    metric: text,
    ...quantiles,
    ...said,
  },
  {
    title: 'Percentiles',
    description: 'The percentiles, each with its estimated error; null where there are no samples.',
  },
);
export const statsAnswer = Type.Object(
  {
    metric: text,
    count: known('Samples.'),
    lower_bound: lowerBound,
    mean: orNull(number),
    variance: orNull(Type.Number({ description: 'Of the samples themselves: divided by their number.' })),
    standard_deviation: orNull(number),
    skewness: orNull(Type.Number({ description: '0 where both sides of the mean are alike.' })),
    kurtosis: orNull(Type.Number({ description: '3 for a normal distribution.' })),
    min: orNull(number),
    max: orNull(number),
    unit: orNull(text),
    ...said,
  },
  {
    title: 'Statistics',
    description: 'Exact but for rounding; null where it is not defined, as without samples.',
  },
);
export const latencyAnswer = Type.Object(
  {
    metric: text,
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
    percentile: number,
    value: number,
    threshold: number,
    status: Type.Enum(['PASS', 'FAIL']),
    margin: number,
    certain: Type.Boolean({
      description: 'The verdict is the same anywhere within the bound, and all of this time is kept.',
    }),
    bound,
    count: whole,
    lower_bound: lowerBound,
    unit: orNull(text),
    ...said,
  },
  { title: 'Sla', description: 'The verdict, and whether it is certain.' },
);

const step = { from: text, to: text, count: known('For an item, an upper bound.') };
export const seriesAnswer = Type.Object(
  {
    metric: text,
    item: Type.Optional(text),
    unit: orNull(text),
    ...about,
    step: text,
    tz: said.tz,
    from: said.from,
    to: said.to,
    widened: said.widened,
    coverage: said.coverage,
    coverage_note: said.coverage_note,
    note,
    points: Type.Array(
      Type.Object({
        ...step,
        lower: Type.Optional(known()),
        upper: Type.Optional(known()),
        lower_bound: lowerBound,
        by_type: Type.Optional(Type.Record(Type.String(), whole)),
        percentiles: Type.Optional(Type.Record(Type.String(), orNull(number))),
        coverage: Type.Optional(said.coverage),
      }),
      {
        description:
          'One a step, zero where nothing came as of `as_of`. `coverage` where it is not complete.',
      },
    ),
  },
  { title: 'TimeSeries', description: 'The same question, asked of every step of a range.' },
);

export const summariesAnswer = Type.Object(
  {
    summaries: Type.Array(
      Type.Union([
        summaryAnswer,
        Type.Object(
          {
            system: text,
            error: Type.Object({
              code: text,
              status: whole,
              detail: text,
              nearest: Type.Optional(
                Type.Array(text, {
                  description: 'Where the system does not exist: the names nearest to it.',
                }),
              ),
            }),
          },
          { title: 'SummaryFailed' },
        ),
      ]),
    ),
    failed: Type.Integer({ description: 'How many carry an error instead of an answer.' }),
  },
  { title: 'Summaries', description: 'One a system, in the order asked; a part that failed is marked.' },
);
