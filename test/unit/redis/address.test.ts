/** REDIS_URL: every form it may have, and that what is wrong is said without repeating any of it. */
import t from 'tap';
import { readAddress } from '../../../src/redis/address.js';

const serverOf = (url: string) => {
  const { server } = readAddress(url) as { server: object };
  return server;
};
const clusterOf = (url: string) => readAddress(url).cluster;

t.test('one server: by a URL, by host and port alone, or by a socket', async (t) => {
  for (const [url, server] of [
    ['redis://host', { host: 'host' }],
    ['redis://host:6380/', { host: 'host', port: 6_380 }],
    ['redis://[::1]:7/2', { host: '::1', port: 7, db: 2 }],
    ['redis://host?db=3&family=6', { host: 'host', db: 3, family: 6 }],
    ['redis://', {}],
    [' REDIS://host ', { host: 'host' }],
    ['127.0.0.1:6379', { host: '127.0.0.1', port: 6_379 }],
    ['/run/redis.sock', { path: '/run/redis.sock' }],
    ['/run/redis.sock?db=0', { path: '/run/redis.sock', db: 0 }],
    ['redis://us%40er:p%3Aa%2Fss@host', { host: 'host', username: 'us@er', password: 'p:a/ss' }],
    ['redis://:secret@host', { host: 'host', password: 'secret' }],
    ['redis://host?password=secret', { host: 'host', password: 'secret' }],
  ] as const) {
    t.strictSame(serverOf(url), server, url);
  }
});

t.test('valkey stands for redis in every form, with and without TLS', async (t) => {
  for (const rest of [
    '://u:p@host:1/2',
    's://u:p@host:1/2',
    '+sentinel://u:p@host/m/2',
    's+sentinel://u:p@host/m/2',
    '+cluster://u:p@host:1',
    's+cluster://u:p@host:1',
  ]) {
    t.strictSame(readAddress(`valkey${rest}`), readAddress(`redis${rest}`), rest);
  }
  t.match(serverOf('valkeys://host'), { tls: {} });
  t.match(serverOf('REDISS://host'), { tls: {} });
  t.match(clusterOf('valkeys+cluster://host'), { access: { tls: {} } });
  t.notOk('tls' in serverOf('valkey://host'));
});

t.test('several Sentinels, a master by its name, a database', async (t) => {
  t.strictSame(serverOf('redis+sentinel://a:26380,b,[::1]:7/the-master/3'), {
    sentinels: [
      { host: 'a', port: 26_380 },
      { host: 'b', port: 26_379 },
      { host: '::1', port: 7 },
    ],
    name: 'the-master',
    role: 'master',
    db: 3,
  });
});

t.test('user and password are those of Redis, the Sentinels have their own', async (t) => {
  const url = 'redis+sentinel://ada:p%40ss%2Fw@a/m?sentinel_user=watch&sentinel_password=man';
  t.match(serverOf(url), {
    username: 'ada',
    password: 'p@ss/w',
    sentinelUsername: 'watch',
    sentinelPassword: 'man',
  });
  const { username, password } = serverOf('redis+sentinel://:secret@a/m') as Record<string, unknown>;
  t.strictSame([username, password], [undefined, 'secret']);
});

t.test('rediss+sentinel speaks TLS with both', async (t) => {
  const secure = { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true };
  t.match(serverOf('rediss+sentinel://a/m'), secure);
});

t.test('a cluster: nodes, and user, password and TLS for all of them', async (t) => {
  t.strictSame(clusterOf('redis+cluster://a:7000,b,[::1]:7001'), {
    seeds: [
      { host: 'a', port: 7_000 },
      { host: 'b', port: 6_379 },
      { host: '::1', port: 7_001 },
    ],
    access: {},
  });
  t.strictSame(clusterOf('rediss+cluster://us%40er:p%3Aa:ss@a/')?.access, {
    username: 'us@er',
    password: 'p:a:ss',
    tls: {},
  });
  t.strictSame(clusterOf('redis+cluster://:secret@a')?.access, { password: 'secret' });
});

t.test('what cannot be read is refused in one line that names REDIS_URL and repeats nothing', async (t) => {
  const login = 'hiddenuser:hiddenpw@';
  const wrong: Record<string, string[]> = {
    'write redis:// or valkey://': [
      `http://${login}hiddenhost`,
      `redis+other://${login}hiddenhost`,
      `valkeyx://${login}hiddenhost`,
      `//${login}hiddenhost`,
      `unix:///hiddenhost`,
      'hiddenhost',
      'redis:hiddenhost',
    ],
    'write redis://host[:port][/database], with user:password@': [
      `redis://${login}hiddenhost:99999`,
      `redis://${login}hiddenhost:0`,
      `redis://${login}hiddenhost:hiddenport`,
      `redis://${login}hiddenhost,hiddenother`,
      `redis://${login}hidden host`,
      `redis://${login}[hiddenhost`,
      `redis://${login}hiddenhost#hiddenpart`,
      `redis://${login}hiddenhost/1?db=2`,
      `redis://${login}hiddenhost?family=5`,
    ],
    'must be a whole number': [
      `redis://${login}hiddenhost/hiddendb`,
      `redis://${login}hiddenhost/-1`,
      `redis://${login}hiddenhost/1.5`,
      `redis://${login}hiddenhost/3/`,
      `redis://${login}hiddenhost?db=-1`,
      '/hiddenpath?db=1e3',
      `redis+sentinel://${login}hiddenhost/m/x`,
    ],
    'parameter that is not known': [
      `redis://${login}hiddenhost?hiddenname=1`,
      `redis+sentinel://${login}hiddenhost/m?hiddenname=1`,
      '/hiddenpath?tls=1',
    ],
    'must be percent-encoded': [
      'redis://hiddenuser%zz@hiddenhost',
      'valkeys+sentinel://:hiddenpw%@hiddenhost/m',
      'redis+cluster://hiddenuser:%hiddenpw@hiddenhost',
    ],
    'write redis+sentinel://': [
      'hiddenhost',
      'hiddenhost/',
      `${login}hiddenhost`,
      `${login}hiddenhost:x/m`,
      `${login}hiddenhost:0/m`,
      `${login}/m`,
      'hiddenhost,/m',
    ].map((rest) => `redis+sentinel://${rest}`),
    'write redis+cluster://': [
      '',
      login,
      `${login}hiddenhost:0`,
      `${login}hiddenhost:99999`,
      `${login}hiddenhost,,hiddenother`,
      `${login}hiddenhost:70x`,
      'hiddenhost/0',
    ].map((rest) => `redis+cluster://${rest}`),
  };
  for (const [words, urls] of Object.entries(wrong)) {
    for (const url of urls) {
      let message = '';
      try {
        readAddress(url);
      } catch (error) {
        message = (error as Error).message;
      }
      t.match(message, /^REDIS_URL: .+$/, url);
      t.ok(message.includes(words), `${url}: ${message}`);
      t.notMatch(message, /hidden/, url);
    }
  }
});
