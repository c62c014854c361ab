/**
 * Answers as text: what was asked in the first line, then the answer with its bound, then whether all that was
 * stored for that time is in it. Numbers are shortened to what a person reads; `--json` has them in full.
 */
import type { Static } from 'typebox';
import type * as schemas from '../compliance/answer-schemas.js';
import { formatCount, formatFields, formatTable } from './text.js';

type Answer<Name extends keyof typeof schemas> = Static<(typeof schemas)[Name]>;
type Coverage = Answer<'distinctAnswer'>['coverage'];
type Fields = [name: string, value: string][];
interface Span {
  from: string;
  to: string;
  window?: string | null;
  widened?: boolean;
}

interface About {
  system: string | null;
  systems_asked: number;
}

/** What tells how far an answer may be relied upon. */
interface Standing {
  as_of: string;
  coverage: Coverage;
  coverage_note?: string;
  lower_bound?: true;
  unknown_systems?: string[];
}

const significantDigits = 6;

const coverageTexts: Record<Coverage, string> = {
  complete: 'complete',
  partial: 'PARTIAL: some of what was stored for this time is no longer kept',
  expired: 'EXPIRED: nothing that was stored for this time is kept any more',
  future: 'FUTURE: this time has not begun',
};

const yesNo = (fact: boolean) => (fact ? 'yes' : 'no');
const percent = (share: number) => `${number(share * 100)}%`;
const number = (value: number) => String(Number(value.toPrecision(significantDigits)));
const withUnit = (value: number | null, unit: string | null) =>
  value === null ? 'no data' : `${number(value)}${unit ? ` ${unit}` : ''}`;
const spanText = ({ window, from, to, widened }: Span) =>
  `${window ? `${window}, ` : ''}${widened ? 'widened to ' : ''}${from} to ${to}`;
/** The system asked about, or how many. */
const named = ({ system, systems_asked }: About) =>
  system === null || system === '*' ? `${formatCount(systems_asked)} systems` : system;
const range = ({ lower, upper }: { lower: number; upper: number }, format = number) =>
  `${format(lower)} to ${format(upper)}`;
/** A count; nothing is known of it where it is null, or absent from an answer that an earlier release has cached. */
const countText = (count: number | null | undefined, isLowerBound?: true) =>
  count == null ? 'unknown' : `${isLowerBound ? 'at least ' : ''}${formatCount(count)}`;

/** The bound of a count, as a field; none where the count is not known. */
function boundFields(bound: { lower: number | null; upper: number | null; confidence: number }): Fields {
  const { lower, upper, confidence } = bound;
  if (lower === null || upper === null) return [];
  return [['bound', `${range({ lower, upper }, formatCount)} with ${percent(confidence)} confidence`]];
}

function asOfFields({ as_of, unknown_systems }: Omit<Standing, 'coverage'>): Fields {
  const fields: Fields = [['as of', as_of]];
  if (unknown_systems) fields.push(['WARNING', `no such system: ${unknown_systems.join(', ')}`]);
  return fields;
}

const standingFields = ({ coverage, coverage_note, ...standing }: Standing): Fields => [
  ['coverage', coverageTexts[coverage]],
  ...(coverage_note === undefined ? [] : [['', coverage_note] as Fields[number]]),
  ...asOfFields(standing),
];

function formatItems(title: string, items: Answer<'topAnswer'>['items']): string[] {
  if (items.length === 0) return [`${title}: none`];
  const right = true;
  const columns = [
    { title: '#', right },
    { title },
    { title: 'count', right },
    { title: 'at least', right },
    { title: 'certain' },
  ];
  const rows = items.map(({ item, count, lower, guaranteed }, index) => [
    String(index + 1),
    item,
    formatCount(count),
    formatCount(lower),
    yesNo(guaranteed),
  ]);
  return formatTable(columns, rows);
}

export function formatDistinct(answer: Answer<'distinctAnswer'>): string[] {
  const { metric, count, bound, lower_bound } = answer;
  return formatFields([
    ['distinct', `${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ['count', countText(count, lower_bound)],
    ...boundFields(bound),
    ...standingFields(answer),
  ]);
}

export function formatActivity(answer: Answer<'activityAnswer'>): string[] {
  const { user_id, ip, accessed, confidence, false_positive_rate, saturated, as_of } = answer;
  const no = confidence === 1 ? `certain as of ${as_of}` : 'not certain: see coverage';
  const fields: Fields = [
    ['did', `${user_id === undefined ? `IP ${ip}` : `user ${user_id}`} touch ${named(answer)}`],
    ['window', spanText(answer)],
    ['answer', accessed === null ? 'unknown' : yesNo(accessed)],
    ['certainty', accessed ? `wrong with a probability of ${number(false_positive_rate)}` : no],
    ...standingFields(answer),
  ];
  if (saturated) fields.push(['warning', 'a filter holds more than it was made for']);
  return formatFields(fields);
}

export function formatFrequency(answer: Answer<'frequencyAnswer'>): string[] {
  const { metric, item, count, bound, lower_bound } = answer;
  return formatFields([
    ['frequency', `of ${item} among ${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ['count', countText(count, lower_bound)],
    ...boundFields(bound),
    ...standingFields(answer),
  ]);
}

export function formatTop(answer: Answer<'topAnswer'>): string[] {
  const { metric, items, floor } = answer;
  const fields: Fields = [
    ['top', `${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ...standingFields(answer),
  ];
  if (floor > 0) fields.push(['not tracked', `have ${formatCount(floor)} at most`]);
  return [...formatFields(fields), '', ...formatItems(metric, items)];
}

export function formatSummary(answer: Answer<'summaryAnswer'>): string[] {
  const { timestamp, hourly, daily } = answer;
  const uniques = (name: string, span: typeof daily) => [
    name,
    countText(span.unique_users, span.lower_bound),
    countText(span.unique_sessions, span.lower_bound),
    countText(span.unique_ips, span.lower_bound),
    countText(span.logins, span.lower_bound),
    countText(span.failed_logins, span.lower_bound),
    spanText(span),
    coverageTexts[span.coverage],
  ];
  const right = true;
  const columns = [
    { title: '' },
    { title: 'users', right },
    { title: 'sessions', right },
    { title: 'IPs', right },
    { title: 'log-ins', right },
    { title: 'failed', right },
    { title: 'time' },
    { title: 'coverage' },
  ];
  return [
    ...formatFields([['summary', `of ${named(answer)} at ${timestamp}`], ...asOfFields(answer)]),
    '',
    ...formatTable(columns, [uniques('hour', hourly), uniques('day', daily)]),
    '',
    ...formatItems('users this hour', hourly.top_users),
    '',
    ...formatItems('IPs this hour', hourly.top_ips),
  ];
}

function formatQuantiles(answer: Omit<Answer<'percentilesAnswer'>, 'window'>): string[] {
  const { percentiles, bounds, min, max, unit } = answer;
  const columns = [
    { title: 'percentile' },
    { title: 'value', right: true },
    { title: 'likely between' },
    { title: 'rank error', right: true },
  ];
  const rows = Object.entries(percentiles).map(([name, value]) => {
    const bound = bounds[name];
    return [name, withUnit(value, unit), bound ? range(bound) : '', bound ? percent(bound.rank_error) : ''];
  });
  const ends = [
    ['min', withUnit(min, unit), '', ''],
    ['max', withUnit(max, unit), '', ''],
  ];
  return formatTable(columns, [...rows, ...ends]);
}

export function formatPercentiles(answer: Answer<'percentilesAnswer'>): string[] {
  const { metric, count, lower_bound } = answer;
  const fields: Fields = [
    ['percentiles', `${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ['samples', countText(count, lower_bound)],
    ...standingFields(answer),
  ];
  return [...formatFields(fields), '', ...formatQuantiles(answer)];
}

const statisticNames = [
  'mean',
  'standard_deviation',
  'variance',
  'skewness',
  'kurtosis',
  'min',
  'max',
] as const;

export function formatStats(answer: Answer<'statsAnswer'>): string[] {
  const { metric, count, unit, lower_bound } = answer;
  const units: Partial<Record<string, string | null>> = {
    mean: unit,
    standard_deviation: unit,
    min: unit,
    max: unit,
  };
  return formatFields([
    ['statistics', `${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ['samples', countText(count, lower_bound)],
    ...statisticNames.map((name): [string, string] => [
      name.replace('_', ' '),
      withUnit(answer[name], units[name] ?? null),
    ]),
    ...standingFields(answer),
  ]);
}

export function formatSeries(answer: Answer<'seriesAnswer'>): string[] {
  const { metric, item, step, points, unit } = answer;
  const right = true;
  const names = Object.keys(points[0]?.percentiles ?? {});
  const hasGaps = points.some((point) => point.coverage !== undefined);
  const columns = [
    { title: 'from' },
    { title: 'count', right },
    ...names.map((title) => ({ title, right })),
    ...(hasGaps ? [{ title: 'coverage' }] : []),
  ];
  const rows = points.map(
    ({ from, count, lower_bound: isLowerBound, percentiles, coverage: own = 'complete' }) => [
      from,
      countText(count, isLowerBound),
      ...names.map((name) => withUnit(percentiles?.[name] ?? null, unit)),
      ...(hasGaps ? [own] : []),
    ],
  );
  return [
    ...formatFields([
      ['series', `${item === undefined ? '' : `${item} in `}${metric} of ${named(answer)}`],
      ['window', `steps of ${step}, ${spanText(answer)}`],
      ...standingFields(answer),
    ]),
    '',
    ...formatTable(columns, rows),
  ];
}

export function formatLatency(answer: Answer<'latencyAnswer'>): string[] {
  const targets = Object.entries(answer.sla_status);
  const lines = formatPercentiles(answer);
  return targets.length === 0 ? lines : [...lines, '', ...formatFields(targets)];
}

export function formatSla(answer: Answer<'slaAnswer'>): string[] {
  const { metric, percentile, value, threshold, status, margin, certain, bound, count, unit, lower_bound } =
    answer;
  return formatFields([
    ['sla', `percentile ${percentile} of ${metric} of ${named(answer)}`],
    ['window', spanText(answer)],
    ['status', certain ? status : `${status}, but not certain: see bound and coverage`],
    ['value', withUnit(value, unit)],
    ['threshold', withUnit(threshold, unit)],
    ['margin', withUnit(margin, unit)],
    ['bound', range(bound)],
    ['samples', countText(count, lower_bound)],
    ...standingFields(answer),
  ]);
}
