/**
 * An even stream, for measuring what one thing costs: as many systems, users and numbers as asked, all systems alike, users
 * and endpoints of a system by Zipf's law with exponent 1. A user has one session and one address.
 */
import type { Shape } from '../../src/capacity/work.js';
import { seededRandom } from '../../test/support/random.js';
import { zipf } from './events.js';

const TYPES = ['api_access', 'database_access', 'file_access', 'user_logout', 'admin_action'];

export interface EvenOptions {
  /** As many sessions and addresses as users. */
  shape: Shape;
  seed: number;
  /** Time of the first event, milliseconds. */
  start: number;
  /** Milliseconds from one event to the next. */
  stepMs: number;
}

/** An endless stream of events. */
export function* evenEvents({ shape, seed, start, stepMs }: EvenOptions): Generator<object> {
  const random = seededRandom(seed);
  const pickUser = zipf(shape.users, random);
  const pickEndpoint = zipf(shape.endpoints, random);
  for (let at = start; ; at += stepMs) {
    const user = pickUser();
    const metadata: Record<string, string | number> = {
      ip: `10.${(user >> 16) & 255}.${(user >> 8) & 255}.${user & 255}`,
      endpoint: `/api/v2/resources/${pickEndpoint()}`,
      status: 'success',
      region: 'eu-west',
    };
    for (let key = 0; key < shape.numericKeys; key++) {
      metadata[`number${key}_ms`] = Math.floor(100_000 * random()) / 100;
    }
    yield {
      event_type: TYPES[Math.floor(random() * TYPES.length)],
      user_id: `user-${String(user).padStart(6, '0')}@example.org`,
      session_id: `s-${(user * 2_654_435_761) % 4_294_967_296}`,
      system: `system-${String(Math.floor(random() * shape.systems)).padStart(3, '0')}`,
      timestamp: new Date(at).toISOString(),
      metadata,
    };
  }
}
