/**
 * The ceiling: a Fastify route that parses the same bodies, checks them against the published event schema
 * (types, lengths, calendar) and drops them. What the service does per event beyond this is its own cost.
 */
import Fastify from 'fastify';
import { batchSchema, eventSchema } from '../../src/events/schemas.js';

const app = Fastify({ bodyLimit: 64 * 1024 ** 2 });
app.post('/api/v1/events', { schema: { body: eventSchema } }, async (_request, reply) => {
  reply.code(201);
  return { success: true };
});
app.post('/api/v1/events/batch', { schema: { body: batchSchema.anyOf[0] } }, async (_request, reply) => {
  reply.code(201);
  return { success: true };
});
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
