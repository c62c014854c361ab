/** A master that dies: only its systems are refused, until its replica has taken over, which nobody has to tell. */
import t from 'tap';
import { systemKey } from '../../src/redis/keys.js';
import { startAppOn } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const cluster = await startCluster();
const { base, stop } = await startAppOn({ address: cluster.url });
t.teardown(async () => {
  await stop();
  await cluster.stop();
});
const [doomed, ...others] = cluster.masters;

/** Systems by the master that they live on. */
const homes = new Map<object, string[]>(cluster.masters.map((node) => [node, []]));
for (let i = 0; [...homes.values()].some((systems) => systems.length < 2); i++) {
  homes.get(await cluster.homeOf(systemKey(`s${i}`)))?.push(`s${i}`);
}
const [lost, alsoLost] = homes.get(doomed) as string[];
const [kept, alsoKept] = others.map((node) => (homes.get(node) as string[])[0]);

let users = 0;
const row = (system: string) => event({ system, user_id: `u${users++}` });
const count = async (system: string) =>
  (await get<{ count: number }>(base, compliance('distinct/users', { system, window: '1d' }))).body.count;

/** An event whose values the service remembers as stored. */
const known = row(alsoLost);

t.test('before: events for systems of all masters in one request', async (t) => {
  t.equal((await postRows(base, [row(lost), row(kept), row(alsoKept), known])).status, 201);
  // WAIT would speak of what its own connection wrote, which is nothing.
  const offset = async ({ direct }: Pick<typeof doomed, 'direct'>) =>
    /master_repl_offset:(\d+)/.exec(await direct.info('replication'))?.[1];
  const written = Number(await offset(doomed));
  await until(async () => Number(await offset(cluster.replica)) >= written, 'the replica to have them');
});

t.test('a master is killed', async (t) => {
  doomed.server.process.kill('SIGKILL');
  await until(async () => (await postRows(base, [row(lost)])).status === 503, 'the loss to be noticed');

  t.test('events for its systems get 503, and nothing was stored', async (t) => {
    const { status, body, headers } = await postRows(base, [row(lost)]);
    t.match({ status, code: body.code }, { status: 503, code: 'redis_unavailable' });
    t.ok(Number(headers['retry-after']) > 0);
  });

  t.test('events for the others are stored, and questions about them answered', async (t) => {
    t.equal((await postRows(base, [row(kept), row(alsoKept)])).status, 201);
    t.equal(await count(kept), 2);
    t.equal((await get(base, compliance('distinct/users', { system: lost }))).status, 503);
  });

  t.test('a request for systems of both is told that a part may be stored', async (t) => {
    const { status, body } = await postRows(base, [row(lost), row(kept)]);
    t.match({ status, code: body.code }, { status: 503, code: 'outcome_unknown' });
    t.equal(await count(kept), 3, 'which it is');
  });

  t.test('requests that travel together fail each for themselves', async (t) => {
    const rows = Array.from({ length: 30 }, (_, i) => row(i % 3 === 0 ? lost : kept));
    const answers = await Promise.all(rows.map((one) => postRows(base, [one])));
    t.strictSame(
      answers.map(({ status }) => status),
      rows.map(({ system }) => (system === lost ? 503 : 201)),
    );
  });

  t.test('the service stays ready', async (t) => {
    t.equal((await get(base, '/readyz')).status, 200);
    t.match((await get(base, '/metrics')).text, /cluster_masters\{connection="write",state="away"\} 1/);
  });
});

t.test('what a replica had not yet got when it took over is stored when it comes again', async (t) => {
  const { direct } = cluster.replica;
  await direct.config('SET', 'maxclients', 1); // so that the service finds it only when its loss is made up
  await until(async () => /role:master/.test(await direct.info('replication')), 'the replica to take over');
  const sketches = (await direct.keys(`${systemKey(alsoLost)}:hll:users:day:*`)) as string[];
  t.equal(await direct.del(...sketches), 1);
  t.equal((await postRows(base, [known])).status, 503);
  await direct.config('SET', 'maxclients', 10_000);
  await until(async () => (await postRows(base, [known])).status === 201, 'the service to find it');
  t.equal(await direct.pfcount(...sketches), 1);
});

t.test('afterwards all is well by itself, and nothing acknowledged is lost', async (t) => {
  t.equal((await postRows(base, [row(lost)])).status, 201);
  await until(async () => (await count(lost)) !== undefined, 'questions to find it, too');
  t.equal(await count(lost), 2);
  t.equal((await postRows(base, [row(lost), row(kept), row(alsoKept)])).status, 201);
  t.equal(await count(lost), 3);
  await until(
    async () =>
      /cluster_masters\{connection="read",state="away"\} 0/.test((await get(base, '/metrics')).text),
    'the new topology',
  );
});

t.test('a service that starts when a node of its URL is dead finds the others', async (t) => {
  const { base, stop } = await startAppOn({ address: cluster.url });
  t.teardown(stop);
  t.equal((await postRows(base, [row(lost), row(kept)])).status, 201);
});
