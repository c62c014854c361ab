/**
 * Client addresses: who a request comes from, as limits and refusals count it. The one reader of them.
 *
 * Behind a proxy that TRUST_PROXY names it is the last address of X-Forwarded-For that no such proxy added. Proxies write
 * addresses in several ways, all of which are the same client:
 *
 *   203.0.113.7:40312   [2001:db8::7]:40312   [2001:db8::7]   with the port of its connection, or as in a URL
 *   ::ffff:203.0.113.7                                        IPv4 as a socket for both families sees it
 *
 * An IPv6 address stands for its /64, which one customer has for itself. What is no address at all is not believed: then
 * it is the proxy.
 */
import { BlockList, isIP } from 'node:net';
import { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';

const IPV6_BITS = 128;
const IPV6_PREFIX_BITS = 64;
const ADDRESSES_MAX = 10_000;

/** Names of TRUST_PROXY for ranges. */
const namedRanges: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** An address without port, brackets and zone, IPv4 where it is that; undefined where it is none. */
export function bareAddress(text: string): string | undefined {
  const [, ipv4, bracketed] = /^(?:([\d.]+):\d+|\[([^\]]*)\](?::\d+)?)$/.exec(text) ?? [];
  const address = (ipv4 ?? bracketed ?? text).replace(/%.*$/, '');
  return isIP(address) ? normalizeIP(address, IPV6_BITS) : undefined;
}

/** Remembers the results for addresses: most requests come from an address that was read before. */
function remember<Result>(read: (text: string) => Result): (text: string) => Result {
  const seen = new Map<string, Result>();
  return (text) => {
    const known = seen.get(text);
    if (known !== undefined) return known;
    const result = read(text);
    if (seen.size >= ADDRESSES_MAX) seen.clear();
    seen.set(text, result);
    return result;
  };
}

/** What tells the address that a request counts for. */
export type AddressOf = (request: Pick<FastifyRequest, 'ip' | 'socket'>) => string;

/** Creates a reader of client addresses. */
export function createClientAddresses(): AddressOf {
  const subjectOf = remember((text) => {
    const address = bareAddress(text);
    return address && normalizeIP(address, IPV6_PREFIX_BITS);
  });
  // Of a connection that is gone there is no address, whatever the types say.
  return ({ ip = '', socket }) => subjectOf(ip) ?? subjectOf(socket.remoteAddress ?? '') ?? '';
}

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

function addRange(list: BlockList, range: string): void {
  const [address, bits] = range.split('/', 2);
  if (!isIP(address)) throw new Error(`TRUST_PROXY: "${range}" is no address`);
  const bitsMax = familyOf(address) === 'ipv6' ? IPV6_BITS : 32;
  const prefix = bits === undefined ? bitsMax : Number(/^\d+$/.exec(bits)?.[0]);
  if (!(prefix >= 1 && prefix <= bitsMax)) {
    throw new Error(`TRUST_PROXY: "${range}" must end with a number of bits from 1 to ${bitsMax}`);
  }
  list.addSubnet(address, prefix, familyOf(address));
}

/**
 * Reads TRUST_PROXY.
 * @returns whether an address is that of a proxy that is believed; false: there is none
 * @throws Error that names the setting
 */
export function readTrustProxy(setting: string): false | ((address: string) => boolean) {
  if (setting === '') return false;
  const proxies = new BlockList();
  for (const part of setting.split(',').map((part) => part.trim())) {
    for (const range of namedRanges[part] ?? [part]) addRange(proxies, range);
  }
  return remember((text) => {
    const address = bareAddress(text);
    return address !== undefined && proxies.check(address, familyOf(address));
  });
}
