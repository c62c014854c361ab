/**
 * Addresses: where Redis is, as REDIS_URL says it.
 *
 *   redis://[user:pass@]host[:port][/db]                     one Redis; rediss:// speaks TLS
 *   redis+sentinel://[user:pass@]host[:port],host.../name[/db]   the master `name` that these Sentinels know
 *   /path/to/socket
 *
 * The URLs of clusters are read by cluster/address.ts.
 *
 * User and password are those of Redis; Sentinels that want some get them as `?sentinel_user=&sentinel_password=`.
 * A Sentinel is asked at every connect, so after a failover the next connection leads to the new master. Errors never
 * repeat the URL, which may hold a password.
 */
import type { RedisOptions } from 'ioredis';
import type { NodeAccess } from './cluster/address.js';

/** A URL, a unix socket or a port. */
export type RedisAddress = string | { path: string } | ({ host: string; port: number } & NodeAccess);

const SENTINEL_PORT = 26_379;
const pattern = /^(rediss?)\+sentinel:\/\/(?:([^@/?]*)@)?([^@/?]+)\/([^/?]+)(?:\/(\d+))?(?:\?([^#]*))?$/;

function sentinelOf(place: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(place) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new Error('REDIS_URL: a Sentinel is given as host or host:port');
  return { host, port: port === undefined ? SENTINEL_PORT : Number(port) };
}

function decode(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : decodeURIComponent(text);
}

/**
 * What ioredis is to be told where a URL names Sentinels; undefined where it does not.
 * @throws Error that says what is wrong with it
 */
export function sentinelOptions(url: string): RedisOptions | undefined {
  if (!/^rediss?\+sentinel:/.test(url)) return undefined;
  const [, scheme, login = '', places, name, db, query = ''] = pattern.exec(url) ?? [];
  if (places === undefined) {
    throw new Error('REDIS_URL: write redis+sentinel://[user:pass@]host[:port],host[:port]/master-name[/db]');
  }
  const colon = login.indexOf(':');
  const parameters = new URLSearchParams(query);
  return {
    sentinels: places.split(',').map(sentinelOf),
    name: decodeURIComponent(name),
    role: 'master',
    username: decode(colon < 0 ? undefined : login.slice(0, colon)),
    password: decode(login.slice(colon + 1)),
    sentinelUsername: parameters.get('sentinel_user') ?? undefined,
    sentinelPassword: parameters.get('sentinel_password') ?? undefined,
    db: Number(db ?? 0),
    ...(scheme === 'rediss' ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  };
}
