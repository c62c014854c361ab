/** REDIS_URL: what names Sentinels, what they are asked for, and that what is wrong is said without repeating it. */
import t from 'tap';
import { sentinelOptions } from '../../../src/redis/address.js';

t.test('other addresses are left to the client', async (t) => {
  for (const url of ['redis://host', 'rediss://user:pass@host:6380/2', '/run/redis.sock', '']) {
    t.equal(sentinelOptions(url), undefined, url);
  }
});

t.test('several Sentinels, a master by its name, a database', async (t) => {
  t.match(sentinelOptions('redis+sentinel://a:26380,b,[::1]:7/the-master/3'), {
    sentinels: [
      { host: 'a', port: 26_380 },
      { host: 'b', port: 26_379 },
      { host: '::1', port: 7 },
    ],
    name: 'the-master',
    role: 'master',
    username: undefined,
    password: undefined,
    db: 3,
    tls: undefined,
  });
});

t.test('user and password are those of Redis, the Sentinels have their own', async (t) => {
  const url = 'redis+sentinel://ada:p%40ss%2Fw@a/m?sentinel_user=watch&sentinel_password=man';
  t.match(sentinelOptions(url), {
    username: 'ada',
    password: 'p@ss/w',
    sentinelUsername: 'watch',
    sentinelPassword: 'man',
    db: 0,
  });
  t.match(sentinelOptions('redis+sentinel://:secret@a/m'), { username: undefined, password: 'secret' });
});

t.test('rediss+sentinel speaks TLS with both', async (t) => {
  t.match(sentinelOptions('rediss+sentinel://a/m'), {
    tls: {},
    sentinelTLS: {},
    enableTLSForSentinelMode: true,
  });
});

t.test('what cannot be read is refused, and the password is not repeated', async (t) => {
  for (const rest of ['a', 'a/', ':hidden@a', ':hidden@a:x/m', ':hidden@/m', 'a,/m', 'a/m/x']) {
    const read = () => sentinelOptions(`redis+sentinel://${rest}`);
    t.throws(read, { message: /^REDIS_URL: / }, rest);
    t.throws(read, { message: /^(?!.*hidden)/ }, rest);
  }
});
