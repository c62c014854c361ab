/** What the service has counted of what senders sent: events by the exact counters, and the samples of all digests. */
import { DAY_MS } from '../../src/windows/civil.js';
import { chaosSystem } from './senders.js';

export async function counted(base: string, systems: number): Promise<{ events: number; samples: number }> {
  const from = new Date(Date.now() - 3 * DAY_MS).toISOString();
  const ask = async (path: string) => (await fetch(`${base}/api/v1/compliance/${path}`)).json();
  let events = 0;
  let samples = 0;
  for (let i = 0; i < systems; i++) {
    const about = `system=${chaosSystem(i)}&from=${from}`;
    const series = (await ask(`timeseries/events?${about}&step=1d`)) as { points: { count: number }[] };
    for (const { count } of series.points) events += count;
    samples += ((await ask(`stats/latency_ms?${about}`)) as { count: number }).count;
  }
  return { events, samples };
}
