/** The write path without HTTP, as a process of its own on a Redis of its own. */
import { once } from 'node:events';
import { startRedis } from '../../test/support/redis-server.js';
import { startNode } from './process.js';

/** @param requests at once */
export async function startRaw(batch: number, requests: number) {
  const server = await startRedis();
  const { child, exited, stop } = startNode('./raw-redis.js', [server.url, String(batch), String(requests)]);
  const ended = exited.then(() => Promise.reject(new Error('the write path without HTTP has ended')));
  ended.catch(() => undefined);
  const answer = () => Promise.race([once(child, 'message'), ended]);
  async function end(): Promise<void> {
    await stop();
    await server.stop();
  }
  try {
    await answer();
  } catch (error) {
    await end();
    throw error;
  }
  return {
    /** Events acknowledged a second. */
    async run(seconds: number): Promise<number> {
      child.send({ seconds });
      const [outcome] = (await answer()) as [{ events: number; seconds: number }];
      return outcome.events / outcome.seconds;
    },
    stop: end,
  };
}

export type Raw = Awaited<ReturnType<typeof startRaw>>;
