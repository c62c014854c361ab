/** `/problems/<code>`: what the `type` of a problem leads to. */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Type } from 'typebox';
import { Problem, type ProblemCode, problems, rowErrorCodes } from '../errors.js';
import { problemAnswers } from '../problem-schema.js';

const codeParams = Type.Object({
  code: Type.String({ description: 'The `code` of a problem, as in its `type`.' }),
});
const explanation = Type.Object(
  {
    code: Type.String(),
    status: Type.Integer(),
    title: Type.String(),
    retry_after_seconds: Type.Union([Type.Integer(), Type.Null()], {
      description: 'What Retry-After says; null where trying again does not help.',
    }),
    row_errors: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: 'Why rows are refused, by code.' }),
    ),
  },
  { title: 'Explanation', description: 'What the problem means.' },
);

export default fp(
  async (app: FastifyInstance) => {
    app.get<{ Params: { code: string } }>(
      '/problems/:code',
      {
        schema: {
          tags: ['operations'],
          operationId: 'problem',
          summary: 'What a problem means',
          params: codeParams,
          response: { 200: explanation, ...problemAnswers(['not_found']) },
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
