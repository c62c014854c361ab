/** The shape of every error answer (RFC 9457), for the API documentation. */
import { Type } from 'typebox';
import { type ProblemCode, problems } from './errors.js';

const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'Where the problem is explained, below this service.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: `One of ${Object.keys(problems).join(', ')}.` }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'RFC 6901 pointer to the field or parameter.' }),
          detail: Type.String(),
          index: Type.Optional(Type.Integer({ description: 'Row of the body, from 0.' })),
          code: Type.Optional(Type.String({ description: 'Why the row was refused.' })),
        }),
        { description: 'The fields, parameters or rows that are wrong.' },
      ),
    ),
    errorsTruncated: Type.Optional(
      Type.Boolean({ description: 'More rows were refused than `errors` lists.' }),
    ),
    committed_rows: Type.Optional(
      Type.Integer({
        description: 'Rows of an NDJSON body, from the first, that were dealt with before it failed.',
      }),
    ),
    accepted: Type.Optional(Type.Integer({ description: 'Of those rows, the events stored.' })),
    rejected: Type.Optional(Type.Integer({ description: 'Of those rows, the ones refused.' })),
    defaulted: Type.Optional(
      Type.Record(Type.String(), Type.Integer(), {
        description: 'Of those rows, as in the answer of a batch.',
      }),
    ),
    ignored: Type.Optional(
      Type.Record(Type.String(), Type.Integer(), {
        description: 'Of those rows, as in the answer of a batch.',
      }),
    ),
    'violated-policies': Type.Optional(
      Type.Array(Type.String(), { description: 'Policies whose quota is used up, as in RateLimit-Policy.' }),
    ),
    points: Type.Optional(Type.Integer({ description: 'How many points the series would have.' })),
    ranges: Type.Optional(
      Type.Array(Type.Object({ from: Type.String(), to: Type.String() }), {
        description: 'Ranges of whole hours inside and around the time asked about, to be asked for instead.',
      }),
    ),
    coverage: Type.Optional(Type.String({ description: 'Of the time asked about, where there is no data.' })),
    system: Type.Optional(Type.String({ description: 'The one that does not exist.' })),
    nearest: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Names spelled like that of a system that does not exist, the nearest first.',
      }),
    ),
    metrics: Type.Optional(
      Type.Array(Type.String(), {
        description: 'The measurements there are, where the one asked for does not exist.',
      }),
    ),
    requestId: Type.String(),
    traceId: Type.Optional(Type.String({ description: 'Where requests are traced (W3C Trace Context).' })),
    error: Type.String({ description: 'As title, for older clients.' }),
    message: Type.String({ description: 'As detail, for older clients.' }),
  },
  { title: 'Problem' },
);

const challenge = {
  'WWW-Authenticate': { type: 'string', description: 'How a key can be presented.' },
};
const retryAfter = {
  'Retry-After': { type: 'integer', description: 'Seconds to wait before trying again.' },
};

/** Response schemas for the problems a route can answer with, by status. */
export function problemAnswers(codes: readonly ProblemCode[]): Record<number, object> {
  const statuses = [...new Set(codes.map((code) => problems[code].status))];
  return Object.fromEntries(
    statuses.map((status) => {
      const own = codes.filter((code) => problems[code].status === status);
      const description = own.map((code) => `${code}: ${problems[code].title}.`).join(' ');
      const again = own.some((code) => problems[code].retryAfterSeconds !== undefined);
      const content = { 'application/problem+json': { schema: problemSchema } };
      const headers = { ...(status === 401 ? challenge : {}), ...(again ? retryAfter : {}) };
      return [status, { description, content, ...(Object.keys(headers).length > 0 ? { headers } : {}) }];
    }),
  );
}

/** Response schemas with further problems; a status that is there already means both. */
export function addProblems(
  responses: Readonly<Record<string, object>>,
  codes: readonly ProblemCode[],
): Record<string, object> {
  const merged: Record<string, object> = { ...responses };
  for (const [status, added] of Object.entries(problemAnswers(codes))) {
    const there = merged[status];
    const both = [added, there].map((one) => (one && 'description' in one ? one.description : ''));
    merged[status] = there ? { ...there, ...added, description: both.join(' ') } : added;
  }
  return merged;
}
