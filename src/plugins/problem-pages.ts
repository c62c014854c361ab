/** `/problems/<code>`: what the `type` of a problem leads to. */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Problem, type ProblemCode, problems, rowErrorCodes } from '../errors.js';

export default fp(
  async (app: FastifyInstance) => {
    app.get<{ Params: { code: string } }>(
      '/problems/:code',
      {
        schema: {
          tags: ['operations'],
          summary: 'What a problem means',
          params: { type: 'object', properties: { code: { type: 'string' } } },
        },
      },
      async ({ params: { code } }) => {
        if (!Object.hasOwn(problems, code)) throw new Problem('not_found', 'no such problem');
        const { status, title, retryAfterSeconds } = problems[code as ProblemCode];
        const rows = code === 'events_invalid' ? { row_errors: rowErrorCodes } : {};
        return { code, status, title, retry_after_seconds: retryAfterSeconds ?? null, ...rows };
      },
    );
  },
  { name: 'problem-pages' },
);
