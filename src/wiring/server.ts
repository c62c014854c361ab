/** The HTTP server, before it has any route: limits, ids of requests, and what answers where nothing of ours does. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify';
import type { Config } from '../config.js';
import { readTrustProxy } from '../plugins/client-address.js';
import { answerClientErrors } from '../plugins/client-errors.js';
import { sendFrameworkError } from '../plugins/errors.js';

/** Percent-encoded, the longest id has three characters a byte. */
const PARAM_CHARACTERS_MAX = 3 * 512;

/** Of everything but events, whose routes have a limit of their own. */
const BODY_BYTES_MAX = 2 * 1024 ** 2;

const requestIdPattern = /^[\w.:-]{1,128}$/;

export function createServer(config: Config, log: FastifyBaseLogger, randomId: () => string) {
  const headersMs = config.HEADERS_SECONDS_MAX * 1_000;
  return Fastify({
    loggerInstance: log,
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: readTrustProxy(config.TRUST_PROXY),
    keepAliveTimeout: config.KEEP_ALIVE_SECONDS * 1_000,
    // Of a socket on which nothing moves. An upload that goes on may take any time: Node's own limit on that would
    // end it, and with a 408, which senders take for final.
    connectionTimeout: config.BODY_IDLE_SECONDS * 1_000,
    requestTimeout: 0,
    http: { headersTimeout: headersMs, connectionsCheckingInterval: headersMs / 4 },
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request is dear; the few lines there are name their request themselves.
    childLoggerFactory: (logger) => logger,
    routerOptions: { maxParamLength: PARAM_CHARACTERS_MAX, ignoreTrailingSlash: true },
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
}
