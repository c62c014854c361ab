/** The directory as a question: which systems there are that the asker may see, by name, a page at a time. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Problem } from '../errors.js';
import { problemAnswers } from '../problem-schema.js';
import { directoryKeys } from '../redis/keys.js';
import { type Call, call, callScript, readPipeline, type Store, toProblem } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { formatInstant } from '../windows/instant.js';

interface SystemsOptions {
  redis: Store;
  timeoutMs: number;
}

interface Entry {
  system: string;
  /** Milliseconds of the last event; empty where that is not known. */
  last: string;
}
interface Page {
  /** Of all pages. */
  total: number;
  /** One more than asked for where there is another page. */
  entries: Entry[];
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

const toCursor = (name: string) => Buffer.from(name).toString('base64url');

function fromCursor(cursor: string | undefined): string {
  if (cursor === undefined) return '';
  const name = Buffer.from(cursor, 'base64url').toString();
  if (name !== '' && toCursor(name) === cursor) return name;
  const detail = 'is not a cursor of this list';
  throw new Problem('parameter_invalid', `cursor ${detail}`, { errors: [{ pointer: '/cursor', detail }] });
}

const systemsRoutes: FastifyPluginAsyncTypebox<SystemsOptions> = async (app, { redis, timeoutMs }) => {
  async function read(calls: Call[]): Promise<unknown[]> {
    try {
      return await readPipeline(redis, calls, timeoutMs);
    } catch (error) {
      throw toProblem(error as Error);
    }
  }

  /** One entry more than asked for tells whether there is another page. */
  async function page(after: string, limit: number): Promise<Page> {
    const keys = [directoryKeys.names, directoryKeys.last];
    const [reply] = await read([callScript(scripts['list-systems-2'], keys, [after, limit + 1])]);
    const [total, ...pairs] = reply as [number, ...string[]];
    const entries: Entry[] = [];
    for (let i = 0; i < pairs.length; i += 2) entries.push({ system: pairs[i], last: pairs[i + 1] });
    return { total, entries };
  }

  /** The same of some systems: those of them that there are, in the order of Redis. */
  async function pageOf(named: readonly string[], after: string, limit: number): Promise<Page> {
    const names = named.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const [scores, times] = (await read([
      call('ZMSCORE', directoryKeys.names, ...names),
      call('HMGET', directoryKeys.last, ...names),
    ])) as (string | null)[][];
    const all = names.flatMap((system, i) => (scores[i] === null ? [] : { system, last: times[i] ?? '' }));
    const from = all.findIndex(({ system }) => Buffer.compare(Buffer.from(system), Buffer.from(after)) > 0);
    return { total: all.length, entries: from < 0 ? [] : all.slice(from, from + limit + 1) };
  }

  app.get(
    '/systems',
    {
      schema: {
        tags: ['compliance'],
        operationId: 'systems',
        summary: 'Which systems there are',
        querystring: query,
        response: {
          200: answer,
          ...problemAnswers(['parameter_invalid', 'quota_exceeded', 'internal', 'redis_unavailable']),
        },
      },
    },
    async ({ principal, query: { limit, cursor } }) => {
      const after = fromCursor(cursor);
      const { total, entries } = principal.systems
        ? await pageOf([...principal.systems], after, limit)
        : await page(after, limit);
      const systems = entries.slice(0, limit).map(({ system, last }) => ({
        system,
        last_event: last === '' ? null : formatInstant(Number(last)),
      }));
      const more = entries.length > limit;
      return { systems, total, next: more ? toCursor(systems[limit - 1].system) : null };
    },
  );
};

export default systemsRoutes;
