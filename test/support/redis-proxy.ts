/**
 * A proxy on a unix socket in front of a real Redis, for what a network can do to a connection: swallow the
 * replies to a command that Redis has run and then cut, cut in the middle of a pipeline, never answer, answer late, lose
 * every packet, or lead to another server.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestRedis } from './redis-server.js';
import { until } from './until.js';

/**
 * What happens after a command that a fault waits for: `cut` once Redis has replied, `tear`: only half of what was
 * sent goes on, then as `cut`; `hold` for ever, `pause` until resumed.
 */
export type Fault = 'cut' | 'tear' | 'hold' | 'pause';

export interface RedisProxy {
  /** Path of the proxy's socket. */
  socket: string;
  /** From the next command that contains `marker` on, no reply goes back on its connection. */
  arm(marker: string, fault: Fault): void;
  /** Resolves when replies to the armed command are being kept back. */
  paused(): Promise<void>;
  /** Lets what was kept back by `pause` go on its way. */
  resume(): void;
  /** How often a text has passed towards Redis, in all. */
  seen(text: string): number;
  /** Connections that were opened so far. */
  readonly connections: number;
  /**
   * From now on nothing that either end sends arrives, on old connections and on new ones, and none is closed; or no
   * longer. A connection that has lost something is lost for good, the others go on.
   */
  swallow(all: boolean): void;
  /** Cuts every connection; the next ones lead to this server. */
  switchTo(redis: TestRedis): void;
  stop(): Promise<void>;
}

let proxies = 0;

export async function startProxy(first: TestRedis): Promise<RedisProxy> {
  const socket = join(first.dir, `proxy-${proxies++}.sock`);
  const open = new Set<Socket>();
  let target = first.socket;
  let armed: { marker: string; fault: Fault } | undefined;
  let sent = '';
  let connections = 0;
  let kept: (() => void)[] = [];
  let isPaused = false;
  let isHole = false;

  const server = createServer((client) => {
    const upstream = connect({ path: target });
    let fault: Fault | undefined;
    let isLost = false;
    connections++;
    for (const end of [client, upstream]) {
      open.add(end);
      end.on('error', () => {});
      end.on('close', () => {
        open.delete(end);
        // A held connection stays half open, as it does to a host that has gone.
        if (fault !== 'hold' && !isLost) for (const other of [client, upstream]) other.destroy();
      });
    }
    client.on('data', (chunk) => {
      isLost ||= isHole;
      if (isLost) return;
      const text = chunk.toString('latin1');
      sent += text;
      if (armed && text.includes(armed.marker)) {
        fault = armed.fault;
        armed = undefined;
        if (fault === 'tear') upstream.write(chunk.subarray(0, chunk.length / 2));
      }
      if (fault !== 'tear') upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      isLost ||= isHole;
      if (isLost) return;
      if (fault !== undefined) isPaused = true;
      if (fault === 'pause') {
        kept.push(() => {
          fault = undefined;
          client.write(chunk);
        });
      } else if (fault === undefined) client.write(chunk);
      else if (fault !== 'hold') client.destroy();
    });
  });
  // Half-open: a held connection must not end just because the client has.
  server.on('connection', (client) => {
    client.allowHalfOpen = true;
  });
  server.listen(socket);
  await once(server, 'listening');

  const cutAll = () => {
    for (const end of open) end.destroy();
  };
  return {
    socket,
    arm(marker, fault) {
      armed = { marker, fault };
      isPaused = false;
    },
    paused: () => until(() => isPaused, 'a reply to keep back'),
    resume() {
      isPaused = false;
      for (const go of kept) go();
      kept = [];
    },
    seen: (text) => sent.split(text).length - 1,
    get connections() {
      return connections;
    },
    swallow(all) {
      isHole = all;
    },
    switchTo(redis) {
      target = redis.socket;
      cutAll();
    },
    async stop() {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
