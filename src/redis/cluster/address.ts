/**
 * Addresses of a cluster: `redis+cluster://[user[:password]@]host[:port][,host[:port]...]`, and `rediss+cluster://` for
 * TLS. The nodes named are only asked which nodes there are; one that answers is enough. User and password are the
 * same for all nodes. A cluster has no databases, so there is no path.
 */

/** What it takes to connect to one node, besides its place. */
export interface NodeAccess {
  username?: string;
  password?: string;
  /** Present: TLS, with Node's own ways to trust a certificate. */
  tls?: Record<string, never>;
}

export interface ClusterAddress {
  seeds: { host: string; port: number }[];
  access: NodeAccess;
}

const PORT = 6_379;
const scheme = /^redis(s?)\+cluster:\/\//;

export const isClusterUrl = (url: string): boolean => scheme.test(url);

function parseSeed(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|([^:[\]/?#@\s]+))(?::(\d+))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new Error('REDIS_URL: a cluster is redis+cluster://[user:password@]host:port,host:port');
  }
  return { host, port };
}

/** Reads such a URL. @throws Error that shows its form but nothing of what was given: it may hold a password */
export function parseClusterUrl(url: string): ClusterAddress {
  const [start, secure] = scheme.exec(url) ?? [''];
  const rest = url.slice(start.length).replace(/\/$/, '');
  const at = rest.lastIndexOf('@');
  const [username, ...password] = at < 0 ? [''] : rest.slice(0, at).split(':');
  return {
    seeds: rest
      .slice(at + 1)
      .split(',')
      .map(parseSeed),
    access: {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password.length === 0 ? {} : { password: decodeURIComponent(password.join(':')) }),
      ...(secure ? { tls: {} } : {}),
    },
  };
}
