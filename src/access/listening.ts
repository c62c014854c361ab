/**
 * Listening: without keys everybody who can connect may do everything, so the service then listens on this machine's
 * own addresses only, unless it is told otherwise in so many words. Names other than `localhost` may lead anywhere and
 * count as elsewhere.
 */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can connect to an address that is listened on. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

interface Listening {
  host: string;
  hasKeys: boolean;
  accessWithoutKeys: 'loopback' | 'anyone';
}

/**
 * What the log has to say about who may enter; undefined where there are keys.
 * @throws Error where the address must not be listened on
 */
export function checkListening({ host, hasKeys, accessWithoutKeys }: Listening): string | undefined {
  if (hasKeys) return undefined;
  if (isLoopback(host)) return `there are no API keys: whoever is on this machine may do everything`;
  if (accessWithoutKeys === 'anyone') {
    return `there are no API keys and ACCESS_WITHOUT_KEYS=anyone: whoever can reach ${host} may do everything`;
  }
  throw new Error(
    `HOST is ${host} and there are no API keys, so anybody who can reach it could read and change everything. ` +
      'Either create a key: npx papertrail keys create --name me --scope ingest query admin; ' +
      'or, where only those who may do everything can reach it, set ACCESS_WITHOUT_KEYS=anyone.',
  );
}
