/** Parameters of the questions. */
import { Type } from 'typebox';
import { encodablePattern } from '../redis/keys.js';
import { distinctMetrics, frequencyMetrics, readGrains, topMetrics } from '../sketches/registry.js';
import { windows } from '../windows/cover.js';
import { defaultWindows, type Kind } from './scope.js';

const strict = { additionalProperties: false };
const name = Type.String({ minLength: 1, maxLength: 256 });
/** Systems that one question may name. */
const SYSTEMS_MAX = 100;
const system = Type.Union([name, Type.Array(name, { minItems: 1, maxItems: SYSTEMS_MAX })], {
  description: `A system, as it was sent; repeated for up to ${SYSTEMS_MAX} of them, \`*\` for all.`,
});
const forms =
  'RFC 3339, an epoch number, a date (its first instant), now, today, yesterday, or -30m, -24h, -7d, -2w';
const timestamp = Type.Optional(
  Type.String({ description: `Any instant of the window asked about: ${forms}. Default: now.` }),
);
const instant = (description: string) => Type.Optional(Type.String({ description }));
const tz = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'IANA time zone of days, weeks and months. Default: UTC.',
  }),
);
const range = {
  from: instant(`First instant of a range, instead of a window: ${forms}.`),
  to: instant('First instant after the range, in the same forms. Default: now.'),
};
const time = (kind: Kind) => ({
  window: Type.Optional(
    Type.Enum([...windows], {
      description: `The aligned window that holds the timestamp, default ${defaultWindows[kind]}; in UTC ${Object.keys(readGrains[kind]).join(', ')} are kept.`,
    }),
  ),
  timestamp,
  ...range,
  rolling: Type.Optional(
    Type.Boolean({ description: 'The last 24 hours instead of today, and so on for the other windows.' }),
  ),
  tz,
});

export const distinctParams = Type.Object({ metric: Type.Enum(distinctMetrics.map((row) => row.metric)) });
export const topParams = Type.Object({ metric: Type.Enum(topMetrics.map((row) => row.metric)) });
export const percentileParams = Type.Object({
  metric: Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'A numeric metadata key; api_latency means latency_ms.',
  }),
});
/** Systems that are summed up by one request. */
export const summariesMax = 200;
export const summariesBody = Type.Object(
  {
    systems: Type.Array(Type.String({ minLength: 1, maxLength: 256, pattern: encodablePattern }), {
      minItems: 1,
      maxItems: summariesMax,
      uniqueItems: true,
    }),
    timestamp,
  },
  strict,
);
export const seriesParams = Type.Object({
  metric: Type.String({
    minLength: 1,
    maxLength: 256,
    description: `events, logins, failed_logins; ${distinctMetrics.map((row) => row.metric).join(', ')}; ${topMetrics.map((row) => row.metric).join(', ')}, with item; or a numeric metadata key.`,
  }),
});
export const seriesQuery = Type.Object(
  {
    system,
    from: Type.String({ description: `First instant: ${forms}.` }),
    to: range.to,
    step: Type.Optional(Type.Enum([...windows], { description: 'Length of a point, default 1h.' })),
    tz,
    item: Type.Optional(
      Type.String({ minLength: 1, maxLength: 2_048, description: 'Whose count in a top list.' }),
    ),
    percentiles: Type.Optional(Type.String({ description: 'Of a numeric key; default 50,95,99.' })),
  },
  strict,
);
export const systemParams = Type.Object({ system: name });

export const distinctQuery = Type.Object({ system, ...time('distinct') }, strict);
export const activityQuery = Type.Object(
  {
    user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    ip: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    system,
    ...time('membership'),
  },
  strict,
);
export const topQuery = Type.Object(
  {
    system,
    k: Type.Integer({ minimum: 1, maximum: 1_000, default: 10 }),
    ...time('top'),
  },
  strict,
);
export const percentilesQuery = Type.Object(
  {
    system,
    percentiles: Type.String({ default: '50,95,99', description: 'Comma-separated, each 0 to 100.' }),
    ...time('percentiles'),
  },
  strict,
);
export const frequencyParams = Type.Object({ metric: Type.Enum(frequencyMetrics.map((row) => row.metric)) });
export const frequencyQuery = Type.Object(
  {
    item: Type.String({ minLength: 1, maxLength: 2_048, description: 'Which user, IP or endpoint.' }),
    system,
    ...time('frequency'),
  },
  strict,
);
export const statsQuery = Type.Object({ system, ...time('percentiles') }, strict);
export const slaQuery = Type.Object(
  {
    metric: percentileParams.properties.metric,
    system,
    threshold: Type.String({ description: 'A number: the largest value that keeps the SLA.' }),
    percentile: Type.String({ default: '95', description: '0 to 100.' }),
    ...time('percentiles'),
  },
  strict,
);
export const latencyQuery = Type.Object(
  {
    metric: Type.String({ default: 'api_latency', minLength: 1, maxLength: 256 }),
    ...time('percentiles'),
  },
  strict,
);
export const summaryQuery = Type.Object({ timestamp }, strict);
