/**
 * The process: settings, the own Redis where none is configured, the app, and a clean stop. On SIGTERM or
 * SIGINT, also during the start, nothing new is accepted, requests under way are answered, then Redis
 * connections close, and the own Redis last, so that everything acknowledged is on its disk.
 */
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { buildApp } from './app.js';
import { systemClock } from './clock.js';
import { loadConfig } from './config.js';
import { createLocalServer } from './redis/local/server.js';
import { keepTickObject } from './tick-object.js';
import { announceAccess, openConfiguredKeys } from './wiring/access.js';

void keepTickObject();
const config = loadConfig();
const log = pino({ level: config.LOG_LEVEL });
const local = config.REDIS_URL
  ? undefined
  : createLocalServer({ dataDir: config.DATA_DIR, appendfsync: config.REDIS_APPENDFSYNC, log });
let app: FastifyInstance | undefined;
let stopping = false;

const delay = config.STOP_SECONDS_MAX * 1_000;
const grace = closeWithGrace({ delay, logger: log, skip: ['SIGINT', 'SIGTERM'] }, async ({ err }) => {
  if (err) log.fatal({ err }, 'stopping because of an unexpected error');
  stopping = true;
  await app?.close();
  await local?.stop();
});
// Under npm a Ctrl-C arrives twice, from the terminal and from npm: the second one must not cut the stop short.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    void grace.close();
  });
}

async function start(): Promise<void> {
  const keys = await openConfiguredKeys(config, systemClock, log);
  announceAccess(config, keys, log);
  await local?.start();
  if (stopping) return;
  app = await buildApp({ config, keys, address: local?.connection ?? config.REDIS_URL, log });
  if (!stopping) await app.listen({ host: config.HOST, port: config.PORT });
}

start().catch(async (error: Error) => {
  if (stopping) return; // a start that was cut short
  log.fatal(error.message);
  await local?.stop();
  process.exit(1);
});
