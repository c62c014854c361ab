/**
 * Addresses: where Redis is, as REDIS_URL says it.
 *
 *   redis://[user:password@]host[:port][/database]           one Redis; host:port alone means the same
 *   /path/to/socket[?db=database]                            the same by a unix socket
 *   redis+sentinel://[user:password@]host[:port],host[:port]/name[/database]   the master `name` that these Sentinels know
 *   redis+cluster://[user:password@]host[:port],host[:port]  a cluster, which has no databases
 *
 * `valkey` stands for `redis` everywhere, and `rediss` or `valkeys` speaks TLS. User and password are those of Redis;
 * Sentinels that want some get them as `?sentinel_user=&sentinel_password=`. A Sentinel is asked at every connect, so
 * after a failover the next connection leads to the new master. The nodes named of a cluster are only asked which nodes
 * there are; one that answers is enough.
 *
 * All of it is read here and none of it by ioredis, which takes a scheme that it does not know for the path of a socket
 * and a parameter for one of its options. Errors name REDIS_URL and repeat no part of it, since it may hold a password.
 */
import type { RedisOptions } from 'ioredis';

interface Place {
  host: string;
  port: number;
}

/** What it takes to connect to a server, besides its place. */
interface NodeAccess {
  username?: string;
  password?: string;
  /** Present: TLS, with Node's own ways to trust a certificate. */
  tls?: Record<string, never>;
}

interface ClusterAddress {
  seeds: Place[];
  access: NodeAccess;
}

/** A URL, a unix socket or a port. */
export type RedisAddress = string | { path: string } | (Place & NodeAccess);

/** What a URL leads to: one server at a time, as ioredis takes it, or a cluster. */
export type Target =
  | { server: RedisOptions; cluster?: undefined }
  | { server?: undefined; cluster: ClusterAddress };

const PORT = 6_379;
const SENTINEL_PORT = 26_379;
const scheme = /^(?:redis|valkey)(s?)(\+sentinel|\+cluster)?:\/\//i;
const hostAndPort = /^([\w.-]+|\[[\da-f:.]+\]):\d+$/i;
/** Not in its place within the forms, where the redaction of the log (redaction.ts) would take it for one. */
const login = 'with user:password@ before the first host where it takes one';
const forms = {
  any:
    'redis:// or valkey:// (rediss:// or valkeys:// for TLS), with +sentinel or +cluster where that is meant, ' +
    'or the path of a socket',
  server: `redis://host[:port][/database], ${login}`,
  sentinel: `redis+sentinel://host[:port],host[:port]/master-name[/database], ${login}`,
  cluster: `redis+cluster://host[:port],host[:port], ${login}`,
};

const wrong = (what: string) => new Error(`REDIS_URL: ${what}`);
const malformed = (form: keyof typeof forms) => wrong(`write ${forms[form]}`);

function decode(text: string): string | undefined {
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    throw wrong('names and passwords must be percent-encoded');
  }
}

function readDatabase(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw wrong('the database must be a whole number, 0 or more');
  return Number(text);
}

/** The parameters of a URL. @throws Error where one is not known here, since nothing would come of it */
function readParameters<Name extends string>(query: string, ...known: Name[]): Partial<Record<Name, string>> {
  const parameters = [...new URLSearchParams(query)];
  if (!parameters.every(([name]) => known.includes(name as Name))) {
    throw wrong(`it has a parameter that is not known; known here are ${known.join(', ')}`);
  }
  return Object.fromEntries(parameters) as Partial<Record<Name, string>>;
}

function readPlace(text: string, defaultPort: number, form: keyof typeof forms): Place {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|([^:[\]/?#@\s]+))(?::(\d+))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) throw malformed(form);
  return { host, port };
}

function readSocket(url: string): RedisOptions {
  const [path] = url.split('?', 1);
  const { db, ...login } = readParameters(url.slice(path.length), 'db', 'username', 'password');
  return { path, db: readDatabase(db), ...login };
}

function readServer(rest: string, tls: NodeAccess['tls']): RedisOptions {
  const text = `redis://${rest}`;
  if (!URL.canParse(text)) throw malformed('server');
  const { username, password, hostname, port, pathname, search, hash } = new URL(text);
  const { db, family, ...login } = readParameters(search, 'db', 'family', 'username', 'password');
  const path = pathname.slice(1);
  const isAmbiguous = hash !== '' || hostname.includes(',') || (path !== '' && db !== undefined);
  if (isAmbiguous || port === '0' || !/^[046]?$/.test(family ?? '')) throw malformed('server');
  return {
    host: hostname.replace(/^\[|\]$/g, '') || undefined,
    port: Number(port) || undefined,
    username: decode(username) ?? login.username,
    password: decode(password) ?? login.password,
    db: readDatabase(path || db),
    family: Number(family) || undefined,
    tls,
  };
}

function readSentinels(rest: string, tls: NodeAccess['tls']): RedisOptions {
  const [, login = '', places, name, db, query = ''] =
    /^(?:([^@/?]*)@)?([^@/?]+)\/([^/?]+)(?:\/([^/?]*))?(?:\?([^#]*))?$/.exec(rest) ?? [];
  if (places === undefined) throw malformed('sentinel');
  const colon = login.indexOf(':');
  const { sentinel_user, sentinel_password } = readParameters(query, 'sentinel_user', 'sentinel_password');
  return {
    sentinels: places.split(',').map((place) => readPlace(place, SENTINEL_PORT, 'sentinel')),
    name: decode(name),
    role: 'master',
    username: decode(login.slice(0, Math.max(0, colon))),
    password: decode(login.slice(colon + 1)),
    sentinelUsername: sentinel_user,
    sentinelPassword: sentinel_password,
    db: readDatabase(db),
    ...(tls && { tls, sentinelTLS: {}, enableTLSForSentinelMode: true }),
  };
}

function readCluster(text: string, tls: NodeAccess['tls']): ClusterAddress {
  const rest = text.replace(/\/$/, '');
  const at = rest.lastIndexOf('@');
  const [username, ...password] = at < 0 ? [''] : rest.slice(0, at).split(':');
  const places = rest.slice(at + 1).split(',');
  return {
    seeds: places.map((place) => readPlace(place, PORT, 'cluster')),
    access: said({ username: decode(username), password: decode(password.join(':')), tls }),
  };
}

/** Without what is undefined, which would stand in the way of a default. */
const said = <Options extends object>(options: Options) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Options>;

/**
 * Reads a URL; what is no text is an address already.
 * @throws Error of one line that names REDIS_URL and says what is wrong, but repeats no part of it
 */
export function readAddress(text: RedisAddress): Target {
  if (typeof text !== 'string') return { server: text };
  const url = hostAndPort.test(text) ? `redis://${text}` : text.trim();
  if (/^\/(?!\/)/.test(url)) return { server: said(readSocket(url)) };
  const [start, secure, form] = scheme.exec(url) ?? [];
  if (start === undefined) throw malformed('any');
  const rest = url.slice(start.length);
  const tls = secure === '' ? undefined : {};
  if (form === undefined) return { server: said(readServer(rest, tls)) };
  if (form.toLowerCase() === '+cluster') return { cluster: readCluster(rest, tls) };
  return { server: said(readSentinels(rest, tls)) };
}
