/**
 * `kill -9` in the middle of an import: of the service, of its Redis, of both, of the import as well. At the end every
 * row is counted once, and one Redis serves the data.
 *
 * The import goes through a front, which sees every body that is sent and stays where the service moves. It
 * kills at the arrival of a request, while another one is under way.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { commandLine, temporaryFolder } from '../support/command-line.js';
import { startFront } from '../support/front.js';
import { redisPid, type Service, serversOf, startService } from '../support/whole-service.js';

const skip = process.platform === 'linux' ? false : 'only Linux shows which processes serve a folder';
const system = 'killed';
const instant = '2024-03-02T10:30:00Z';
const rows = 30_000;
const killedAt = 8;
/** What was under way is left alone for twice the timeout. */
const env = { REDIS_APPENDFSYNC: 'always', REDIS_INGEST_TIMEOUT_MS: '1000' };

interface Scene {
  dataDir: string;
  service: Service;
}

async function countEvents({ address }: Service): Promise<number> {
  const parameters = `system=${system}&timestamp=${instant}`;
  const answer = await fetch(`${address}/api/v1/compliance/top/event_types?${parameters}`);
  const { items } = (await answer.json()) as { items: { count: number }[] };
  return items.reduce((sum, { count }) => sum + count, 0);
}

/** A service, a file of events, and an import through a front that calls `kill` at one of the requests. */
async function setUp(test: Test, kill: (scene: Scene) => void) {
  const dataDir = temporaryFolder(test);
  const scene: Scene = { dataDir, service: await startService(test, dataDir, { env }) };
  const front = await startFront(
    test,
    () => scene.service.address,
    (number) => {
      if (number === killedAt) kill(scene);
      return 'forward';
    },
  );
  const file = join(temporaryFolder(test), 'events.ndjson');
  const line = JSON.stringify({ event_type: 'api_access', system, user_id: 'ann', timestamp: instant });
  writeFileSync(file, `${line}\n`.repeat(rows));
  const stateDir = temporaryFolder(test);
  const values = ['import', file, '--json', '--state-dir', stateDir];
  return {
    scene,
    importing: commandLine(test, front.base).start(values),
    importAgain: () => commandLine(test, front.base).run(values),
    rowsSent: () => front.bodies.reduce((sum, body) => sum + body.toString().split('\n').length - 1, 0),
    /** Lines that the import has noted as acknowledged. */
    rowsNoted(): number {
      const [name = ''] = readdirSync(stateDir).filter((entry) => entry.endsWith('.json'));
      return JSON.parse(readFileSync(join(stateDir, name), 'utf8')).line;
    },
    async startAgain(): Promise<void> {
      await scene.service.exited;
      scene.service = await startService(test, dataDir, { env });
    },
  };
}

const killService = ({ service }: Scene) => service.child.kill('SIGKILL');
const killRedis = ({ dataDir }: Scene) => process.kill(redisPid(dataDir), 'SIGKILL');
const killBoth = (scene: Scene) => {
  killService(scene);
  killRedis(scene);
};

const victims: [name: string, kill: (scene: Scene) => void, restart: boolean][] = [
  ['the service alone', killService, true],
  ['its Redis alone', killRedis, false],
  ['both', killBoth, true],
];

for (const [name, kill, restart] of victims) {
  t.test(`an import goes on to its end over kill -9 of ${name}`, { skip }, async (t) => {
    const { scene, importing, startAgain } = await setUp(t, kill);
    const before = serversOf(scene.dataDir);
    if (restart) await startAgain();
    const { status, stdout, stderr } = await importing.ended;
    t.equal(status, 0, stderr);
    t.match(JSON.parse(stdout), { rows, accepted: rows, rejected: 0 });
    t.match(stderr, 'waiting for the service', 'it noticed');
    t.equal(await countEvents(scene.service), rows);
    const after = serversOf(scene.dataDir);
    t.equal(after.length, 1, 'one Redis serves the folder');
    t.notSame(after, before);
  });
}

t.test('an import that was killed too goes on where it was', { skip }, async (t) => {
  let killImport = () => {};
  const { scene, importing, importAgain, rowsSent, rowsNoted, startAgain } = await setUp(t, (scene) => {
    killBoth(scene);
    killImport();
  });
  killImport = () => importing.process.kill('SIGKILL');
  t.equal((await importing.ended).status, 'SIGKILL');
  await startAgain();
  t.equal(serversOf(scene.dataDir).length, 1);
  const noted = rowsNoted();
  const kept = await countEvents(scene.service);
  t.ok(kept >= noted && kept <= rowsSent(), `${noted} <= ${kept} <= ${rowsSent()}`);
  t.ok(noted > 0 && rowsSent() < rows, 'it was under way');

  const { status, stdout, stderr } = await importAgain();
  t.equal(status, 0, stderr);
  const report = JSON.parse(stdout);
  t.match(report, { rejected: 0, files: [{ from_line: noted, to_line: rows }] });
  t.equal(report.accepted + report.already_imported, rows - noted);
  t.equal(await countEvents(scene.service), rows);
});
