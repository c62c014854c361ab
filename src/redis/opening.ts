/**
 * Opening a connection: what takes too long on the way to `ready` is given up, and ioredis tries another. That is a
 * connect (with the handshake of TLS), and then the silence of a server that has accepted and does not answer, because
 * packets vanish or the data is still being loaded; ioredis by itself would wait for the first reply for as long as the
 * socket lives. Each may take `timeoutMs`, once more where something moved: a start asks for several replies in turn,
 * and the process may have stood still before it could read the first (deadline.ts; the timers of ioredis do not look
 * again, so they are not used).
 *
 * Sentinels are asked before there is a socket to the server. For them ioredis keeps the time.
 */
import type { Redis } from 'ioredis';
import { startDeadline } from './deadline.js';

interface OpeningOptions {
  timeoutMs: number;
  /** Told why, before the socket is closed. */
  onTimeout: (error: Error & { code?: string }) => void;
}

/** Says how far a socket is, so that two looks tell whether it moved. */
const progressOf = ({ stream }: Redis) => stream.bytesRead + (stream.connecting ? 0 : 1);

/** Watches every opening of a connection that was just created. */
export function watchOpening(redis: Redis, { timeoutMs, onTimeout }: OpeningOptions): void {
  let end = () => {};

  function giveUp(): void {
    const isConnected = redis.status === 'connect';
    const why = isConnected
      ? 'connected, but there is no answer, or it is still loading'
      : 'connect ETIMEDOUT';
    onTimeout(Object.assign(new Error(why), isConnected ? {} : { code: 'ETIMEDOUT' }));
    redis.stream.destroy();
  }

  function watchProgress(extensions = 1): void {
    const before = progressOf(redis);
    end();
    end = startDeadline(timeoutMs, () => {
      if (extensions > 0 && progressOf(redis) > before) watchProgress(extensions - 1);
      else giveUp();
    });
  }

  /** Waits for a socket that connects, once there is one. */
  function look(): void {
    if (redis.status !== 'connecting') return;
    if (redis.stream && !redis.stream.destroyed) watchProgress();
    else end = startDeadline(timeoutMs, look);
  }

  redis.on('connecting', () => setImmediate(look));
  redis.on('connect', () => watchProgress());
  redis.on('ready', () => end());
  redis.on('close', () => end());
}
