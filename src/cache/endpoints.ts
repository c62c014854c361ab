/**
 * Endpoints whose answers are cached, by the name of their operation: the `endpoint` of keys, metrics and
 * invalidations. The summaries of many systems are answers of `summary`, one each.
 */
export const cachedEndpoints = [
  'distinct',
  'activity',
  'top',
  'frequency',
  'summary',
  'percentiles',
  'stats',
  'sla',
  'latencySummary',
  'timeseries',
] as const;
