/** The HTTP server, before it has any route: limits, ids of requests, and what answers where nothing of ours does. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify';
import type { Config } from '../config.js';
import { answerClientErrors } from '../plugins/client-errors.js';
import { sendFrameworkError } from '../plugins/errors.js';
import { anyone } from '../principal.js';

/** Percent-encoded, the longest id has three characters a byte. */
const PARAM_CHARACTERS_MAX = 3 * 512;

const requestIdPattern = /^[\w.:-]{1,128}$/;

export function createServer(config: Config, log: FastifyBaseLogger, randomId: () => string) {
  const app = Fastify({
    loggerInstance: log,
    bodyLimit: config.BODY_BYTES_MAX,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request is dear; the few lines there are name their request themselves.
    childLoggerFactory: (logger) => logger,
    routerOptions: { maxParamLength: PARAM_CHARACTERS_MAX },
    requestIdHeader: false,
    return503OnClosing: false, // plugins/stop.ts answers then, with a problem as everywhere
    // A sender's own id is kept where it can do no harm in a log.
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && requestIdPattern.test(given) ? given : randomId();
    },
    frameworkErrors: sendFrameworkError,
    clientErrorHandler: answerClientErrors(randomId),
    ajv: { customOptions: { removeAdditional: false, allErrors: true, coerceTypes: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.decorateRequest('principal', { getter: () => anyone });
  return app;
}
