/** The database of REDIS_URL: what is stored is stored there or nowhere, whatever Redis makes of it later. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { freePort, listening } from '../support/replication.js';
import { until } from '../support/until.js';

t.test(
  'a database that is refused after a reconnect: not ready, and nothing is written anywhere',
  async (t) => {
    const port = await freePort();
    const startOf = (databases: number) => startRedis([...listening(port), '--databases', `${databases}`]);
    let redis = await startOf(16);
    const { base, stop } = await startApp({ redis, address: `redis://127.0.0.1:${port}/9` });
    t.teardown(async () => {
      await stop();
      await redis.stop();
    });
    t.equal((await postRows(base, [event()])).status, 201);
    t.match(await withRedis(redis, (connection) => connection.info('keyspace')), /^db9:/m);

    await redis.stop();
    redis = await startOf(4);
    const refused = () =>
      withRedis(redis, async (connection) =>
        Number(/errorstat_ERR:count=(\d+)/.exec(await connection.info('errorstats'))?.[1] ?? 0),
      );
    // Every connection asks for its database again and again; each time nothing else may be sent.
    await until(async () => (await refused()) >= 20, 'the database to be refused');
    t.equal((await get(base, '/readyz')).status, 503);
    for (let i = 0; i < 20; i++) t.match(await postRows(base, [event()]), { status: 503 });
    t.equal((await get(base, '/livez')).status, 200);
    await withRedis(redis, async (connection) => {
      t.notMatch(await connection.info('keyspace'), /^db/m, 'no database has a key');
      t.notMatch(await connection.info('commandstats'), /cmdstat_(evalsha|script|zrange|hgetall)/);
    });

    await redis.stop();
    redis = await startOf(16);
    await until(async () => (await get(base, '/readyz')).status === 200, 'readiness');
    t.equal((await postRows(base, [event()])).status, 201);
    const keyspace = await withRedis(redis, (connection) => connection.info('keyspace'));
    t.strictSame(keyspace.match(/^db\d+/gm), ['db9']);
  },
);
