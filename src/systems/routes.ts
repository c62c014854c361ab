/** The directory as a question: which systems there are, by name, a page at a time. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Redis } from 'ioredis';
import { Type } from 'typebox';
import { problemAnswers } from '../problem-schema.js';
import { fromCursor, toCursor } from '../redis/cursor.js';
import { directoryKeys } from '../redis/keys.js';
import { callScript, readPipeline, toProblem } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { formatInstant } from '../windows/instant.js';

interface SystemsOptions {
  redis: Redis;
  timeoutMs: number;
}

const query = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
    cursor: Type.Optional(Type.String({ description: '`next` of the page before.' })),
  },
  { additionalProperties: false },
);
const answer = Type.Object(
  {
    systems: Type.Array(
      Type.Object({ system: Type.String(), last_event: Type.Union([Type.String(), Type.Null()]) }),
    ),
    total: Type.Integer({ description: 'Of all pages.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description: 'Cursor of the next page; null on the last.',
    }),
  },
  { title: 'Systems', description: 'Names in ascending order, with the time of the last event of each.' },
);

const systemsRoutes: FastifyPluginAsyncTypebox<SystemsOptions> = async (app, { redis, timeoutMs }) => {
  /** One entry more than asked for tells whether there is another page. */
  async function page(after: string, limit: number): Promise<(string | number)[]> {
    const keys = [directoryKeys.names, directoryKeys.last];
    try {
      const call = callScript(scripts['list-systems-2'], keys, [after, limit + 1]);
      const [reply] = await readPipeline(redis, [call], timeoutMs);
      return reply as (string | number)[];
    } catch (error) {
      throw toProblem(error as Error);
    }
  }

  app.get(
    '/systems',
    {
      schema: {
        tags: ['compliance'],
        operationId: 'systems',
        summary: 'Which systems there are',
        querystring: query,
        response: { 200: answer, ...problemAnswers(['parameter_invalid', 'internal', 'redis_unavailable']) },
      },
    },
    async ({ query: { limit, cursor } }) => {
      const [total, ...entries] = await page(fromCursor(cursor), limit);
      const systems = [];
      for (let i = 0; i < entries.length && systems.length < limit; i += 2) {
        const last = entries[i + 1];
        systems.push({
          system: String(entries[i]),
          last_event: last === '' ? null : formatInstant(Number(last)),
        });
      }
      const more = entries.length / 2 > limit;
      return { systems, total: Number(total), next: more ? toCursor(systems[limit - 1].system) : null };
    },
  );
};

export default systemsRoutes;
