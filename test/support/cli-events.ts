/** Events for the tests of the command line, and the question how many of them are counted. */
import { seededRandom } from './random.js';

/** Every test stands at this instant. */
export const at = Date.parse('2026-03-02T10:30:00Z');
export const clock = { now: () => at };
/** So few that no two of them share a register, which would make the count of different ones 1 too low. */
export const users = 25;

/** `count` lines, each an event of the system, of `users` users; the same for the same seed. */
export function eventLines(system: string, count: number, seed = 1): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const user = index < users ? index : Math.floor(random() * users);
    return JSON.stringify({
      event_type: 'api_access',
      system,
      user_id: `user-${user}`,
      timestamp: new Date(at).toISOString(),
      metadata: { latency_ms: index },
    });
  });
}

async function ask(base: string, question: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${base}/api/v1/compliance/${question}`)).json()) as Record<string, unknown>;
}

/** Events of a system that are counted; 0 where it does not exist. */
export async function countEvents(base: string, system: string): Promise<number> {
  const answer = await ask(base, `top/event_types?system=${system}`);
  if (answer.code === 'system_unknown') return 0;
  const { items } = answer as { items: { count: number }[] };
  return items.reduce((sum, { count }) => sum + count, 0);
}

/** Different users of a system. */
export async function countUsers(base: string, system: string): Promise<unknown> {
  return (await ask(base, `distinct/users?system=${system}`)).count;
}
