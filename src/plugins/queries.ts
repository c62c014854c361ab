/**
 * Queries, checked for what a schema never sees. The parser of query strings takes broken percent-encoding
 * literally, so `system=%FF` would ask about another name than was meant; and conversion to a number takes
 * `0x10`, `1e1` and blanks, of which `1e400` is no number any more. Both are refused before the schema is asked.
 *
 * Routes without a schema for their query do not read it, and pay nothing here.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../errors.js';

interface QuerySchema {
  properties?: Record<string, { type?: unknown }>;
}

/** @throws Problem request_invalid */
function checkEncoding(url: string): void {
  const start = url.indexOf('?');
  if (start < 0 || !url.includes('%', start)) return;
  try {
    decodeURIComponent(url.slice(start));
  } catch (cause) {
    throw new Problem('request_invalid', 'the query is not UTF-8 in percent-encoding', {}, { cause });
  }
}

/** @throws Problem parameter_invalid */
function checkIntegers(query: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    const value = query[name];
    if (typeof value !== 'string' || /^-?\d{1,15}$/.test(value)) continue;
    const detail = 'must be an integer';
    throw new Problem('parameter_invalid', `/${name} ${detail}`, {
      errors: [{ pointer: `/${name}`, detail }],
    });
  }
}

function addCheck(route: RouteOptions): void {
  const schema = route.schema?.querystring as QuerySchema | undefined;
  if (!schema) return;
  const integers = Object.entries(schema.properties ?? {})
    .filter(([, property]) => property.type === 'integer')
    .map(([name]) => name);
  const check = async (request: FastifyRequest) => {
    checkEncoding(request.url);
    checkIntegers(request.query as Record<string, unknown>, integers);
  };
  route.preValidation = [check, ...[route.preValidation ?? []].flat()];
}

export default fp(
  async (app: FastifyInstance) => {
    app.addHook('onRoute', addCheck);
  },
  { name: 'queries' },
);
