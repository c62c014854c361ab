/**
 * A network that fails: a TCP proxy between the service and Redis that delays, cuts, half-closes or swallows what
 * passes, and that can be led to another Redis.
 *
 * A connection that has lost bytes delivers none ever after, as TCP would: what follows a gap is never seen.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Weather = { kind: 'fair' } | { kind: 'delay'; ms: number } | { kind: 'black hole' };

export async function startFaultyProxy(firstPort: number) {
  let target = firstPort;
  let weather: Weather = { kind: 'fair' };
  const pairs = new Set<[Socket, Socket]>();

  /** Connections that have lost bytes. */
  const lost = new WeakSet<[Socket, Socket]>();

  /** Bytes keep their order: each waits for those before it. */
  function carry(pair: [Socket, Socket], from: Socket, to: Socket): void {
    let before = Promise.resolve();
    from.on('data', (bytes) => {
      if (weather.kind === 'black hole') lost.add(pair);
      if (lost.has(pair)) return;
      const ms = weather.kind === 'delay' ? weather.ms : 0;
      if (ms === 0 && !from.isPaused()) {
        before = before.then(() => void to.write(bytes));
        return;
      }
      const waited = new Promise((resolve) => setTimeout(resolve, ms));
      before = before.then(() => waited).then(() => void (to.writable && to.write(bytes)));
    });
  }

  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port: target });
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const end of pair) {
      end.setNoDelay(true);
      end.on('error', () => undefined);
      end.on('close', () => {
        pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    carry(pair, client, upstream);
    carry(pair, upstream, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = () => {
    for (const pair of pairs) for (const end of pair) end.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    set(next: Weather): void {
      weather = next;
    },
    cut,
    /** Redis seems to have ended its half: the service may still write, and hears nothing. */
    halfClose(): void {
      for (const [client] of pairs) client.end();
    },
    leadTo(port: number): void {
      target = port;
      cut();
    },
    async stop(): Promise<void> {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

export type FaultyProxy = Awaited<ReturnType<typeof startFaultyProxy>>;
