/** The shape of every error answer (RFC 9457), for the API documentation. */
import { Type } from 'typebox';
import { type ProblemCode, problems } from './errors.js';

export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'Where the problem is explained.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }), {
        description: 'The fields, parameters or rows that are wrong.',
      }),
    ),
    requestId: Type.String(),
    error: Type.String({ description: 'As title, for older clients.' }),
    message: Type.String({ description: 'As detail, for older clients.' }),
  },
  { title: 'Problem' },
);

/** Response schemas for the problems a route can answer with, by status. */
export function problemAnswers(codes: readonly ProblemCode[]): Record<number, object> {
  const statuses = [...new Set(codes.map((code) => problems[code].status))];
  return Object.fromEntries(
    statuses.map((status) => {
      const titles = codes
        .filter((code) => problems[code].status === status)
        .map((code) => problems[code].title);
      const content = { 'application/problem+json': { schema: problemSchema } };
      return [status, { description: titles.join('. '), content }];
    }),
  );
}
