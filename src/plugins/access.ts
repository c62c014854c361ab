/**
 * Access: who asks, and whether that may be. `requires` is how app.ts says, feature by feature, what its routes ask
 * for; the hook holds each request to it before its body is read and before any cache is looked at:
 *
 *   open                   everybody: health, what a problem means
 *   key                    whoever has any key
 *   ingest, query, admin   whoever has a key with that scope
 *
 * Without a key, or with one that does not count, the answer is 401; with one that lacks the scope, 403; and after too
 * many of those from one address 429. All of them are counted by reason. A route that nobody has decided about ends the
 * start, so none is open by oversight. Where there are no keys at all everybody is `anyone`, and it costs nothing.
 *
 * Which systems a principal may touch is looked at where systems are read (compliance/systems.ts, events/ingest.ts).
 */
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  RawServerDefault,
  RouteOptions,
} from 'fastify';
import fp from 'fastify-plugin';
import { type Attempts, attemptsMax } from '../access/attempts.js';
import type { Keys } from '../access/keys.js';
import { presentedKey } from '../access/presented.js';
import { Problem, type ProblemCode } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { anyone, nobody, type Principal, type Scope } from '../principal.js';
import { addProblems } from '../problem-schema.js';
import type { AddressOf } from './client-address.js';

export type Access = 'open' | 'key' | Scope;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a request of this route needs. */
    access?: Access;
  }
}

const entranceProblems: readonly ProblemCode[] = [
  'key_missing',
  'key_unknown',
  'key_expired',
  'too_many_attempts',
];
const refusals = new Set<ProblemCode>([...entranceProblems, 'scope_missing', 'system_forbidden']);
/** Names of `securitySchemes` in the API description. */
const security: Record<string, string[]>[] = [{ bearer: [] }, { apiKey: [] }, { basic: [] }];

/** The schema of a route as the API description shows it: how to enter, and what is answered to who may not. */
function guardedSchema(schema: FastifySchema | undefined, access: Access): FastifySchema {
  const codes: ProblemCode[] = [...entranceProblems, ...(access === 'key' ? [] : ['scope_missing' as const])];
  const response = addProblems((schema?.response ?? {}) as Record<string, object>, codes);
  return { ...schema, security, response };
}

/** A plugin whose routes ask for a key, a scope or nothing. */
export function requires<Options extends object, Provider extends FastifyTypeProvider>(
  access: Access,
  plugin: FastifyPluginAsync<Options, RawServerDefault, Provider>,
): FastifyPluginAsync<Options & { prefix?: string }> {
  return async (app, { prefix: _, ...options }) => {
    app.addHook('onRoute', (route) => {
      route.config = { ...route.config, access };
      if (access !== 'open' && !route.schema?.hide) route.schema = guardedSchema(route.schema, access);
    });
    await app.withTypeProvider<Provider>().register(plugin, options as unknown as Options);
  };
}

/** Ends the start where a route does not say what it asks for. */
function refuseUndecided(app: FastifyInstance): void {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  app.addHook('onReady', async () => {
    const found = routes.find(({ config }) => config?.access === undefined);
    if (found) throw new Error(`${found.method} ${found.url} does not say who may enter`);
  });
}

const details: Record<'key_missing' | 'key_unknown' | 'key_expired', string> = {
  key_missing: 'send an API key as Authorization: Bearer or X-API-Key',
  key_unknown: 'the key is none of those known here',
  key_expired: 'the key has expired',
};

/** Browsers ask a person for a key only where Basic is offered; they open the pages for operations. */
const challengeOf = (access: Access): string =>
  access === 'key' ? 'Bearer realm="papertrail", Basic realm="papertrail"' : 'Bearer realm="papertrail"';

interface AccessOptions {
  keys: Keys;
  attempts: Attempts;
  addressOf: AddressOf;
  metrics: Pick<Metrics, 'accessRefused'>;
}

export default fp(
  async (app: FastifyInstance, { keys, attempts, addressOf, metrics }: AccessOptions) => {
    app.decorateRequest('principal');
    const settle = (request: { principal: Principal }, principal: Principal) => {
      request.principal = principal;
    };

    function refuse(request: FastifyRequest, reply: FastifyReply, problem: Problem, access: Access): Problem {
      if (attempts.isTooMany(addressOf(request))) {
        const detail = `this address was refused more than ${attemptsMax} times; a valid key still enters`;
        return new Problem('too_many_attempts', detail);
      }
      if (problem.code !== 'scope_missing') reply.header('www-authenticate', challengeOf(access));
      return problem;
    }

    function check(request: FastifyRequest, reply: FastifyReply): Problem | undefined {
      // What is not decided about never gets here; if it did, it would be for administrators.
      const access = request.is404 ? 'open' : (request.routeOptions.config.access ?? 'admin');
      const presented = presentedKey(request.headers);
      const found = presented === undefined ? 'key_missing' : keys.find(presented);
      const isKnown = typeof found !== 'string';
      settle(request, isKnown ? found : nobody);
      if (access === 'open') return undefined;
      if (!isKnown) return refuse(request, reply, new Problem(found, details[found]), access);
      if (access === 'key' || found.scopes.has(access)) return undefined;
      const problem = new Problem('scope_missing', `the key does not have the scope ${access}`);
      return refuse(request, reply, problem, access);
    }

    refuseUndecided(app);
    app.addHook('onRequest', (request, reply, done) => {
      if (keys.isOn) return done(check(request, reply));
      settle(request, anyone);
      done();
    });
    app.addHook('onError', (_request, _reply, error, done) => {
      if (error instanceof Problem && refusals.has(error.code))
        metrics.accessRefused.inc({ reason: error.code });
      done();
    });
  },
  { name: 'access' },
);
