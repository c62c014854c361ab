/** Client addresses: whoever writes them, one client is one address; and whose word about them counts. */
import t from 'tap';
import { bareAddress, createClientAddresses, readTrustProxy } from '../../src/plugins/client-address.js';

t.test('an address is the same with a port, brackets or a zone, and IPv4 in the form of IPv6', async (t) => {
  for (const [text, address] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:40001', '203.0.113.7'],
    ['[203.0.113.7]:1', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:443', '203.0.113.7'],
    ['2001:DB8:0::7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:40001', '2001:db8::7'],
    ['fe80::1%eth0', 'fe80::1'],
  ]) {
    t.equal(bareAddress(text), address, text);
  }
  for (const text of [
    '',
    'unknown',
    '_hidden',
    '203.0.113.7:',
    '203.0.113:80',
    '[::1',
    '[]:1',
    '1.2.3.4:5:6',
    'localhost:1',
  ]) {
    t.equal(bareAddress(text), undefined, text);
  }
});

t.test('a client is its IPv4 address or its /64, and where a proxy names none it is the proxy', async (t) => {
  const addressOf = createClientAddresses();
  const of = (ip: string) => addressOf({ ip, socket: { remoteAddress: '::ffff:10.0.0.1' } } as never);
  t.equal(of('203.0.113.7:1'), of('[::ffff:203.0.113.7]:2'));
  t.equal(of('[2001:db8:1:2::1]:1'), of('2001:db8:1:2:ffff::9'));
  t.not(of('2001:db8:1:3::1'), of('2001:db8:1:4::1'));
  t.equal(of('unknown'), '10.0.0.1');
  t.equal(addressOf({ ip: undefined, socket: {} } as never), '', 'a connection that is gone');
});

t.test('TRUST_PROXY: addresses, ranges and names, whatever form the proxy is written in', async (t) => {
  const trusts = readTrustProxy('192.0.2.1, 10.0.0.0/8,loopback, 2001:db8::/32') as (
    address: string,
  ) => boolean;
  for (const proxy of [
    '192.0.2.1:9',
    '10.9.8.7',
    '[10.9.8.7]:1',
    '::ffff:10.9.8.7',
    '127.3.2.1',
    '::1',
    '[2001:db8:ffff::1]:2',
  ])
    t.ok(trusts(proxy), proxy);
  for (const other of ['192.0.2.2', '11.0.0.1', '2001:db9::1', 'unknown', '']) t.notOk(trusts(other), other);
  t.equal(readTrustProxy(''), false);
  for (const wrong of [
    '1.2.3.4.5',
    'loopback,my-proxy',
    '10.0.0.0/99',
    '10.0.0.0/0',
    '::1/129',
    '10.0.0.0/x',
    '10.0.0.0/8,,',
  ])
    t.throws(() => readTrustProxy(wrong), { message: /^TRUST_PROXY: ".*" / }, wrong);
});
