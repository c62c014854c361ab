/** What is asked: one question of each route, and what a dashboard shows. */

const compliance = '/api/v1/compliance';

/** A question of every route that is asked by GET, by the route. `from`: an instant, RFC 3339. */
export const questionsAbout = (system: string, from: string): Record<string, string> => ({
  distinct: `${compliance}/distinct/users?system=${system}&window=1d`,
  'activity/check': `${compliance}/activity/check?system=${system}&user_id=user-00001@example.org`,
  top: `${compliance}/top/active_users?system=${system}&window=1d&k=10`,
  frequency: `${compliance}/frequency/users?system=${system}&item=user-00001@example.org&window=1d`,
  summary: `${compliance}/summary/${system}`,
  percentiles: `${compliance}/percentiles/latency_ms?system=${system}&window=1h`,
  stats: `${compliance}/stats/latency_ms?system=${system}&window=1h`,
  'sla/check': `${compliance}/sla/check?system=${system}&metric=api_latency&threshold=500`,
  'latency/summary': `${compliance}/latency/summary/${system}`,
  timeseries: `${compliance}/timeseries/events?system=${system}&from=${from}&step=1h`,
  'distinct, all systems': `${compliance}/distinct/users?system=*&window=1d`,
  systems: '/api/v1/systems',
});

/** What one screen of a dashboard asks at once. */
export const screenAbout = (system: string): string[] =>
  [
    `summary/${system}`,
    `distinct/users?system=${system}&window=1w`,
    `top/endpoints?system=${system}&window=1h`,
    `top/failed_logins?system=${system}&window=1d`,
    `latency/summary/${system}`,
    `sla/check?system=${system}&metric=api_latency&threshold=500`,
  ].map((question) => `${compliance}/${question}`);
