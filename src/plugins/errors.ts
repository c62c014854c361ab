/**
 * Errors on the wire: whatever a handler throws becomes one RFC 9457 problem from the table in errors.ts,
 * with the members `code`, `errors` and `requestId`, and the `error` and `message` that older clients read.
 * Texts of unexpected errors stay in the log: they may quote what was sent.
 *
 * On ingest an unexpected error is a 503, since senders drop what a 500 answered; elsewhere a 500.
 */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type FieldError, Problem, type ProblemCode, problems } from '../errors.js';
import { securityHeaders } from './security-headers.js';
import { dropUnreadBody } from './unread-bodies.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The problem that an unexpected error of this route is. */
    unexpected?: ProblemCode;
  }
}

/** Errors of the framework and its plugins, by their code. */
const frameworkCodes: Record<string, [code: ProblemCode, detail: string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'the body is larger than is read here'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'content_type_unsupported',
    'Content-Type must be application/json, application/x-ndjson or application/msgpack',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['body_malformed', 'the body is not as long as Content-Length says'],
  FST_ERR_MAX_PARAM_LENGTH: ['name_too_long', 'a name in the path is too long'],
  FST_ERR_BAD_URL: ['request_invalid', 'the path is not a valid URL'],
  ECONNRESET: ['body_malformed', 'the body ended before its end'],
};

/** Whoever sends a million unknown fields is not told of each. */
const FIELD_ERRORS_MAX = 100;

/** The parameters that failed validation, each with a pointer that names it. */
function fieldErrors(error: FastifyError): FieldError[] {
  return (error.validation ?? []).slice(0, FIELD_ERRORS_MAX).map(({ instancePath, params, message }) => {
    const name = params.missingProperty ?? params.additionalProperty;
    const pointer = name === undefined ? instancePath : `${instancePath}/${name}`;
    const allowed = Array.isArray(params.allowedValues) ? `: ${params.allowedValues.join(', ')}` : '';
    if (params.missingProperty) return { pointer, detail: 'is required' };
    if (params.additionalProperty) return { pointer, detail: 'is not a parameter here' };
    return { pointer, detail: `${message}${allowed}` };
  });
}

/** The problem that any thrown value is. */
function toProblem(error: FastifyError, unexpected: ProblemCode): Problem {
  if (error instanceof Problem) return error;
  if (error.validation) {
    const errors = fieldErrors(error);
    const detail = errors.map((field) => `${field.pointer || 'the body'} ${field.detail}`).join('; ');
    return new Problem('parameter_invalid', detail, { errors });
  }
  const known = frameworkCodes[error.code];
  if (known) return new Problem(known[0], known[1], {}, { cause: error });
  const client = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500;
  const code = client ? 'request_invalid' : unexpected;
  return new Problem(code, problems[code].title, {}, { cause: error });
}

/** What of an NDJSON body was stored before it failed: a sender goes on after those rows. */
const committedOf = (error: Error): object =>
  'committed' in error && typeof error.committed === 'object' ? { ...error.committed } : {};

/** The body of a problem, as JSON. */
export function problemBody(problem: Problem, requestId: string, more: object = {}): string {
  const { status, title } = problems[problem.code];
  return JSON.stringify({
    type: `/problems/${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    ...problem.extensions,
    ...more,
    requestId,
    error: title,
    message: problem.message,
  });
}

function sendProblem(
  problem: Problem,
  committed: object,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { status, title, isQuiet } = problems[problem.code];
  if (status >= 500) {
    const { code, cause = problem } = problem;
    const { id: requestId, traceId } = request;
    // What Redis answered is news, that it does not answer is told by its connection.
    const isNews = !isQuiet || (cause as Error).name === 'ReplyError';
    request.log[isNews ? 'error' : 'debug']({ err: cause, code, requestId, traceId }, title);
  }
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', problem.retryAfterSeconds);
  dropUnreadBody(request.raw);
  const body = problemBody(problem, request.id, { ...committed, traceId: request.traceId });
  // A string, so that no response schema reshapes it.
  return reply.code(status).type('application/problem+json').serializer(String).send(body);
}

/** Answers what the framework refuses before there is a route, and so before any hook. */
export function sendFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ 'x-request-id': request.id, ...securityHeaders });
  sendProblem(toProblem(error, 'internal'), {}, request, reply);
}

export default fp(
  async (app: FastifyInstance) => {
    app.setErrorHandler((error: FastifyError, request, reply) =>
      sendProblem(
        toProblem(error, request.routeOptions.config.unexpected ?? 'internal'),
        committedOf(error),
        request,
        reply,
      ),
    );
    const notFound = new Problem('not_found', 'no such path');
    app.setNotFoundHandler((request, reply) => sendProblem(notFound, {}, request, reply));
    // Before the body is read: what it holds does not matter where there is no path.
    app.addHook('preParsing', (request, _reply, payload, done) =>
      done(request.is404 ? notFound : null, payload),
    );
  },
  { name: 'errors' },
);
