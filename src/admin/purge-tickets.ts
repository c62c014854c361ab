/**
 * Tickets: what a purge knows between two requests, kept in Redis under a random name that only the one who asked
 * was told. To confirm is to hand in the ticket; it is good once, in any process, for ten minutes. So nobody can purge
 * without having been shown what would go, and no request does the same part twice.
 */
import { Problem } from '../errors.js';
import { purgeKey, type SketchKind } from '../redis/keys.js';
import { call, readPipeline, toProblem } from '../redis/pipeline.js';
import type { AdminRedis } from './census.js';

export const ticketSeconds = 600;

/** What is to be purged. */
export interface PurgeScope {
  system?: string;
  pattern?: string;
  /** Kinds of sketches; all of a system, its record included, where absent. */
  sketches?: SketchKind[];
}

export interface Purge {
  scope: PurgeScope;
  /** Systems still to be purged. */
  systems: string[];
  /** That those systems were given; absent before the first. */
  epoch?: string;
  /** Where the walk over the keyspace goes on; absent where it has come to its end. */
  cursor?: string;
  /** How often the walk was begun. */
  walks: number;
  removed: number;
}

export function createTickets({ redis, timeoutMs }: AdminRedis, randomId: () => string) {
  async function ask(...command: Parameters<typeof call>): Promise<unknown> {
    try {
      const [reply] = await readPipeline(redis, [call(...command)], timeoutMs);
      return reply;
    } catch (error) {
      throw toProblem(error as Error);
    }
  }

  return {
    /** Keeps a purge. @returns its ticket @throws Problem redis_unavailable */
    async keep(purge: Purge): Promise<string> {
      const ticket = randomId();
      await ask('SET', purgeKey(ticket), JSON.stringify(purge), 'EX', ticketSeconds);
      return ticket;
    },

    /** Takes a ticket in. @throws Problem confirmation_unknown, redis_unavailable */
    async take(ticket: string): Promise<Purge> {
      const text = await ask('GETDEL', purgeKey(ticket));
      if (typeof text === 'string') return JSON.parse(text);
      throw new Problem(
        'confirmation_unknown',
        'confirm was used before or is too old; ask for the purge again',
      );
    },
  };
}

export type Tickets = ReturnType<typeof createTickets>;
