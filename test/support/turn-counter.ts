/**
 * Round trips, counted truly: a proxy on a unix socket in front of a real Redis that holds back what Redis
 * replies until the client has been silent for a moment. All that was written together then goes out before
 * the first reply comes back, and every burst of the client is one turn, however many commands and packets
 * it has.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestRedis } from './redis-server.js';
import { until } from './until.js';

/** Far longer than a client needs between two packets of one pipeline. */
const silenceMs = 15;

export interface TurnCounter {
  /** Path of the proxy's socket. */
  socket: string;
  /** What the client sent in each turn since the last `begin`, all connections together. */
  readonly turns: readonly string[];
  /** Waits until every turn has been answered, then counts from zero. */
  begin(): Promise<void>;
  /** Waits until every turn has been answered. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

let counters = 0;

export async function startTurnCounter(redis: TestRedis): Promise<TurnCounter> {
  const socket = join(redis.dir, `turns-${counters++}.sock`);
  const open = new Set<Socket>();
  let turns: string[] = [];
  let unanswered = 0;

  const server = createServer((client) => {
    const upstream = connect({ path: redis.socket });
    let sent: string | undefined;
    let held: Buffer[] = [];
    let silence: NodeJS.Timeout | undefined;

    function answer(): void {
      if (held.length === 0) return; // Redis is still at it: its reply comes and is passed on at once
      if (sent !== undefined) {
        turns.push(sent);
        unanswered--;
        sent = undefined;
      } // else more of a reply whose beginning has gone back already
      for (const reply of held) client.write(reply);
      held = [];
    }
    client.on('data', (chunk) => {
      if (sent === undefined) unanswered++;
      sent = (sent ?? '') + chunk.toString('latin1');
      upstream.write(chunk);
      clearTimeout(silence);
      // A timer that is late fires before what has come meanwhile is read: that is not silence.
      silence = setTimeout(() => {
        const late = silence;
        setImmediate(() => {
          if (silence !== late) return;
          silence = undefined;
          answer();
        });
      }, silenceMs);
    });
    upstream.on('data', (chunk) => {
      held.push(chunk);
      if (silence === undefined) answer();
    });
    client.on('close', () => {
      clearTimeout(silence);
      if (sent !== undefined) unanswered--; // nobody waits for it any more
      sent = undefined;
    });
    for (const end of [client, upstream]) {
      open.add(end);
      end.on('error', () => {});
      end.on('close', () => {
        open.delete(end);
        for (const other of [client, upstream]) other.destroy();
      });
    }
  });
  server.listen(socket);
  await once(server, 'listening');

  const settled = () => until(() => unanswered === 0, 'the reply to every turn');
  return {
    socket,
    get turns() {
      return turns;
    },
    settled,
    async begin() {
      await settled();
      turns = [];
    },
    async stop() {
      for (const end of open) end.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
