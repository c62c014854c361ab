/**
 * The ceiling of a cached answer: a Fastify route that sends the same bytes, headers and body, and does nothing else.
 * The headers count: whoever asks has to read them, too.
 */
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';

const { headers, body } = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const bytes = Buffer.from(body);
const app = Fastify();
app.get('/*', (_request, reply) => reply.headers(headers).send(bytes));
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
