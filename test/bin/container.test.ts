/** No container engine runs here: these tests hold the container files against the facts they repeat. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { loadConfig, settings } from '../../src/config.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

/** Instructions of the Dockerfile with their stage, from 0; continued lines are joined. */
const instructions = (() => {
  let stage = -1;
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [word = '', ...rest] = line.split(/\s+/);
      if (word === 'FROM') stage += 1;
      return { word, value: rest.join(' '), stage };
    });
})();
const lastStage = Math.max(...instructions.map(({ stage }) => stage));
const final = instructions.filter(({ stage }) => stage === lastStage);
const valuesOf = (word: string, list = final) =>
  list.filter((item) => item.word === word).map((item) => item.value);

interface Compose {
  services: Record<
    'redis' | 'papertrail',
    {
      command?: string[];
      ports?: string[];
      volumes?: string[];
      environment?: Record<string, string>;
      read_only?: boolean;
      cap_drop?: string[];
      security_opt?: string[];
      healthcheck?: object;
      stop_grace_period: string;
    }
  >;
  volumes: Record<string, unknown>;
}
const compose = parse(read('docker-compose.yml')) as Compose;

t.test('Dockerfile', async (t) => {
  t.test('every path copied from the project exists and passes .dockerignore', async (t) => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = valuesOf('COPY', instructions).filter((value) => !value.startsWith('--from='));
    const paths = copied.flatMap((value) => value.split(' ').slice(0, -1));
    t.ok(paths.length > 0);
    for (const path of paths) t.ok(existsSync(join(root, path)), path);
    t.same([...new Set(paths)].sort(), allowed.sort());
  });

  t.test(
    'the image holds what it runs: production packages, the build and the files beside it',
    async (t) => {
      const targets = valuesOf('COPY').map((value) => value.split(' ').at(-1));
      t.same(targets, ['./', './bin', './node_modules', './build/src']);
      t.match(valuesOf('RUN', instructions).join('\n'), /npm ci.*npm prune --omit=dev/s);
      const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
      const options = scripts.start.match(/--\S+/g) ?? [];
      t.same(
        JSON.parse(valuesOf('CMD')[0]),
        ['node', ...options, 'build/src/server.js'],
        'as npm start does',
      );
      t.ok(existsSync(join(root, 'src/server.ts')));
    },
  );

  t.test('it does not run as root', async (t) => t.same(valuesOf('USER'), ['node']));

  t.test('its health check asks a route of the service and is valid exec form', async (t) => {
    const [check = ''] = valuesOf('HEALTHCHECK');
    const command: unknown = JSON.parse(check.slice(check.indexOf('CMD ') + 4));
    t.match(command, ['node', '-e', /\/livez/]);
  });

  t.test('its environment holds settings of the service, with values that are accepted', async (t) => {
    const pairs = valuesOf('ENV').map((value) => value.split('='));
    const env = Object.fromEntries(pairs.filter(([name]) => name !== 'NODE_ENV'));
    for (const name of Object.keys(env)) t.ok(name in settings.properties, name);
    t.match(loadConfig(env), { HOST: '0.0.0.0', PORT: Number(valuesOf('EXPOSE')[0]) });
  });

  t.test('every stage has the oldest Node that package.json allows, or a newer one', async (t) => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const least = Number(/\d+/.exec(engines.node)?.[0]);
    for (const image of valuesOf('FROM', instructions))
      t.ok(Number(/^node:(\d+)/.exec(image)?.[1]) >= least, image);
  });
});

t.test('docker-compose.yml', async (t) => {
  const { redis, papertrail } = compose.services;

  t.test('the environment of the service holds only settings, with values that are accepted', async (t) => {
    const env = papertrail.environment ?? {};
    for (const name of Object.keys(env)) t.ok(name in settings.properties, name);
    t.equal(loadConfig(env).REDIS_URL, 'redis://redis:6379');
  });

  t.test('nothing is reachable from another machine', async (t) => {
    t.same(papertrail.ports, ['127.0.0.1:3000:3000']);
    t.equal(redis.ports, undefined);
  });

  t.test('Redis keeps every write in a volume and evicts nothing', async (t) => {
    t.match(redis.command?.join(' '), /--appendonly yes .*--maxmemory-policy noeviction/);
    t.same(redis.volumes, ['redis-data:/data']);
    t.ok('redis-data' in compose.volumes);
    t.ok(redis.healthcheck);
  });

  t.test('a stop is given longer than the service takes for it', async (t) => {
    t.ok(Number.parseInt(papertrail.stop_grace_period, 10) > loadConfig({}).STOP_SECONDS_MAX);
  });
});

t.test('no container may write to its own file system, gain rights or keep a capability', async (t) => {
  for (const [name, service] of Object.entries(compose.services)) {
    t.equal(service.read_only, true, name);
    t.same(service.cap_drop, ['ALL'], name);
    t.same(service.security_opt, ['no-new-privileges:true'], name);
  }
  t.same(valuesOf('USER'), ['node'], 'the image is not run as root');
});
