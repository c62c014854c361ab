/**
 * `papertrail query`: one table of the questions, each with its place in the API, its parameters and the way
 * its answer is shown. Values go to the service as they are: it knows what is allowed, and says so.
 */
import { Option } from 'commander';
import * as answers from './answers.js';
import { type ExitStatus, exitStatus } from './exit.js';

export interface Question {
  /** As commander reads it: the name, and what must follow. */
  usage: string;
  description: string;
  path: (argument: string) => string;
  options: Option[];
  // The answer is what the service's schema says; the table cannot say which one goes with which row.
  format: (answer: never) => string[];
  status?: (answer: Record<string, unknown>) => ExitStatus;
}

const option = (flags: string, description: string) => new Option(flags, description);
const required = (flags: string, description: string) => option(flags, description).makeOptionMandatory();
/** Repeated options add up. */
const collect = (value: string, before: string[] = []) => [...before, value];
const system = () =>
  required('--system <name>', 'which system; repeated for several, * for all').argParser(collect);
const timestamp = () =>
  option(
    '--timestamp <instant>',
    'any instant of the window asked about: RFC 3339, a date, yesterday, -24h (default: now)',
  );
const time = () => [
  option('--window <length>', '1m, 5m, 15m, 1h, 1d, 1w or 1M'),
  timestamp(),
  option(
    '--from <instant>',
    'first instant of a range, instead of a window: RFC 3339, a date, yesterday, -24h',
  ),
  option('--to <instant>', 'first instant after the range (default: now)'),
  option('--rolling', 'the last 24 hours instead of today, and so on'),
  option('--tz <zone>', 'time zone of days, weeks and months, such as Europe/Berlin (default: UTC)'),
];
const percentile = () => option('--percentile <p>', '0 to 100 (default: 95)');
const inPath = (prefix: string) => (argument: string) =>
  `/compliance/${prefix}/${encodeURIComponent(argument)}`;

export const questions: readonly Question[] = [
  {
    usage: 'distinct <metric>',
    description: 'how many different users, sessions or ips',
    path: inPath('distinct'),
    options: [system(), ...time()],
    format: answers.formatDistinct,
  },
  {
    usage: 'activity',
    description: 'did this user, or this IP, touch that system',
    path: () => '/compliance/activity/check',
    options: [
      system(),
      option('--user <id>', 'which user').conflicts('ip'),
      option('--ip <address>', 'which IP'),
      ...time(),
    ],
    format: answers.formatActivity,
  },
  {
    usage: 'top <metric>',
    description:
      'who is on top: active_users, active_ips, event_types, endpoints, failed_logins (by IP) or failed_logins_by_user',
    path: inPath('top'),
    options: [system(), option('-k <number>', 'how many (default: 10)'), ...time()],
    format: answers.formatTop,
  },
  {
    usage: 'frequency <metric>',
    description: 'how often one of the users, ips or endpoints came',
    path: inPath('frequency'),
    options: [system(), required('--item <item>', 'which one'), ...time()],
    format: answers.formatFrequency,
  },
  {
    usage: 'summary <system>',
    description: 'one system at a glance',
    path: inPath('summary'),
    options: [timestamp()],
    format: answers.formatSummary,
  },
  {
    usage: 'percentiles <metric>',
    description: 'percentiles of a measurement, such as api_latency',
    path: inPath('percentiles'),
    options: [system(), option('--percentiles <list>', 'default: 50,95,99'), ...time()],
    format: answers.formatPercentiles,
  },
  {
    usage: 'stats <metric>',
    description: 'mean, spread and shape of a measurement',
    path: inPath('stats'),
    options: [system(), ...time()],
    format: answers.formatStats,
  },
  {
    usage: 'series <metric>',
    description: 'users, sessions, ips, events, logins, failed_logins, a top list or a measurement over time',
    path: inPath('timeseries'),
    options: [
      system(),
      required('--from <instant>', 'first instant of the range: RFC 3339, a date, yesterday, -24h'),
      option('--to <instant>', 'first instant after the range (default: now)'),
      option('--step <length>', '1m, 5m, 15m, 1h, 1d, 1w or 1M (default: 1h)'),
      option('--tz <zone>', 'time zone of days, weeks and months, such as Europe/Berlin (default: UTC)'),
      option('--item <item>', 'whose count in a top list'),
      option('--percentiles <list>', 'of a measurement (default: 50,95,99)'),
    ],
    format: answers.formatSeries,
  },
  {
    usage: 'sla',
    description: 'is a percentile within its threshold; ends with 1 where it is not',
    path: () => '/compliance/sla/check',
    options: [
      required('--metric <name>', 'which measurement, such as api_latency'),
      system(),
      required('--threshold <number>', 'the largest value that is met'),
      percentile(),
      ...time(),
    ],
    format: answers.formatSla,
    status: ({ status }) => (status === 'PASS' ? exitStatus.done : exitStatus.negative),
  },
  {
    usage: 'latency <system>',
    description: 'latency of one system at a glance',
    path: inPath('latency/summary'),
    options: [option('--metric <name>', 'default: api_latency'), ...time()],
    format: answers.formatLatency,
  },
];
