/**
 * The API description (OpenAPI 3.1), made from the schemas of the routes. Register it before the first route:
 * a route added earlier is not in it.
 *
 * A schema with a title stands once, under `components`, and is referred to everywhere else. Routes hold it
 * whole, so that they need no registry of schemas to be compiled.
 */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const description = [
  'Counts, memberships, heavy hitters and percentiles of security and compliance events, kept as small mergeable',
  'sketches in Redis. Every approximate answer carries its error bound, and every answer says how much of the',
  'asked time it covers. Keys are asked for where the operator has made some. Errors are RFC 9457 problems; besides those listed, any path may answer 404, 405, 414, 431, 429 where limits are set or, while the service stops, 503.',
].join(' ');

const securitySchemes = {
  bearer: { type: 'http' as const, scheme: 'bearer', description: 'An API key.' },
  apiKey: {
    type: 'apiKey' as const,
    in: 'header' as const,
    name: 'X-API-Key',
    description: 'The same in a header of its own.',
  },
  basic: {
    type: 'http' as const,
    scheme: 'basic',
    description: 'The same as the password; the user does not matter.',
  },
};

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A parameter with a default may be left out; that its schema lists it as required is for the handler's type. */
function withDefault(parameter: { [name: string]: Json }): { [name: string]: Json } {
  const { in: place, schema } = parameter;
  const hasDefault = typeof schema === 'object' && schema !== null && 'default' in schema;
  return place === 'query' && hasDefault ? { ...parameter, required: false } : parameter;
}

/** A copy of a value in which every titled schema is a reference to `components`, where it is put. */
function refer(value: Json, components: Map<string, Json>): Json {
  if (Array.isArray(value)) return value.map((part) => refer(part, components));
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, part]) => [name, refer(part, components)]),
  );
  const { title } = copy;
  if (typeof title !== 'string') return withDefault(copy);
  const known = components.get(title);
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(copy)) {
    throw new Error(`two schemas are called ${title}`);
  }
  components.set(title, copy);
  return { $ref: `#/components/schemas/${title}` };
}

function withComponents(document: object): object {
  const { components: _, paths, ...rest } = JSON.parse(JSON.stringify(document)) as Record<string, Json>;
  const components = new Map<string, Json>();
  const referring = refer(paths, components);
  const schemas = Object.fromEntries([...components].sort());
  return { ...rest, paths: referring, components: { schemas, securitySchemes } };
}

export default fp(
  async (app: FastifyInstance) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'PaperTrail Modern',
          version: '1.0.0',
          description,
          license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
        },
        servers: [{ url: '/' }],
        components: { securitySchemes },
        tags: [
          { name: 'events', description: 'Sending events' },
          { name: 'compliance', description: 'Asking questions' },
          { name: 'operations', description: 'Running the service' },
        ],
      },
      transformObject: (document) =>
        withComponents('openapiObject' in document ? document.openapiObject : {}),
    });
  },
  { name: 'openapi' },
);
