/** The processes of a measurement: a Redis and a service of its own, so that nothing else is in the figures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { startRedis, type TestRedis } from '../test/support/redis-server.js';

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function untilAnswers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer && answer.status < 500) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} does not answer`);
}

/** Options of node that `npm start` gives the service; the bare route gets them too. */
function nodeOptions(): string[] {
  const file = new URL('../../package.json', import.meta.url);
  const { scripts } = JSON.parse(readFileSync(file, 'utf8')) as { scripts: { start: string } };
  return scripts.start.match(/--\S+/g) ?? [];
}

function run(script: string, args: string[], env: Record<string, string>): ChildProcess {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return spawn(process.execPath, [...nodeOptions(), file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** A bare route: the one that takes events, or with `answerFile` the one that sends the bytes of a file. */
export async function startBare(answerFile?: string) {
  const port = await freePort();
  const child =
    answerFile === undefined
      ? run('./bare-server.js', [String(port)], {})
      : run('./bare-answer.js', [String(port), answerFile], {});
  await untilAnswers(`http://127.0.0.1:${port}/`);
  return { base: `http://127.0.0.1:${port}`, stop: () => end(child) };
}

/** CPU seconds that a Redis has used. */
async function redisCpuSeconds(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const line = (name: string) => Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)?.[1]);
  return line('used_cpu_user') + line('used_cpu_sys');
}

/** The service on a port and with settings as given, and nothing else. */
export async function startServiceAt(port: number, env: Record<string, string>) {
  // One process unless asked for more: figures are of one, whatever the machine.
  const { WORKERS = '1' } = process.env;
  const child = run('../src/server.js', [], { PORT: String(port), HOST: '127.0.0.1', WORKERS, ...env });
  await untilAnswers(`http://127.0.0.1:${port}/readyz`);
  return {
    base: `http://127.0.0.1:${port}`,
    pid: child.pid,
    stop: () => end(child),
    async kill(): Promise<void> {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The service, on a Redis of its own where none is given. */
export async function startService(env: Record<string, string> = {}, given?: TestRedis) {
  const server = given ?? (await startRedis());
  const port = await freePort();
  const settings = {
    REDIS_URL: server.url,
    PORT: String(port),
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    ...env,
  };
  const child = run('../src/server.js', [], settings);
  const base = `http://127.0.0.1:${port}`;
  await untilAnswers(`${base}/readyz`);
  const redis = new Redis(server.url, { protocol: 2 });
  return {
    base,
    redis,
    server,
    /** Counters so far: CPU seconds of both processes, events stored, pipelines sent. */
    async counters() {
      const text = await (await fetch(`${base}/metrics`)).text();
      const metric = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? 0);
      const sum = (pattern: string) =>
        [...text.matchAll(new RegExp(`^${pattern} (.*)$`, 'gm'))].reduce(
          (all, [, value]) => all + Number(value),
          0,
        );
      return {
        nodeCpu: metric('papertrail_process_cpu_seconds_total'),
        redisCpu: await redisCpuSeconds(redis),
        events: metric('papertrail_events_accepted_total'),
        misses: sum('papertrail_cache_answers_total{[^}]*state="miss"}'),
        renewed: sum('papertrail_cache_refreshes_total{[^}]*outcome="computed"}'),
        answers: sum('papertrail_cache_answers_total{[^}]*}'),
        pipelines: metric('papertrail_pipeline_duration_seconds_count'),
        rss: metric('papertrail_process_resident_memory_bytes'),
      };
    },
    async stop() {
      await end(child);
      redis.disconnect();
      if (!given) await server.stop();
    },
  };
}

export type Service = Awaited<ReturnType<typeof startService>>;
