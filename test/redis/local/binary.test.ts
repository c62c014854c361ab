import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findServerBinary } from '../../../src/redis/local/binary.js';
import { packageManagers } from '../../../src/redis/system-packages.js';

/** A search path with only these programs on it, which print these lines. */
function pathWith(test: Test, programs: Record<string, string>): string {
  const folder = test.testdir();
  for (const [name, output] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho '${output}'\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

t.test('redis-server is taken before valkey-server, and either will do', async (t) => {
  const redis = 'Redis server v=6.2.0 sha=00000000:0';
  const valkey = 'Valkey server v=8.0.1 sha=00000000:0';
  t.equal(findServerBinary(pathWith(t, { 'redis-server': redis, 'valkey-server': valkey })), 'redis-server');
  t.equal(findServerBinary(pathWith(t, { 'redis-server': 'x v=10.0.0' })), 'redis-server');
});

t.test('where there is only valkey-server, it is taken', async (t) => {
  t.equal(findServerBinary(pathWith(t, { 'valkey-server': 'Valkey server v=8.0.1' })), 'valkey-server');
});

t.test('a server that is too old is refused with its version', async (t) => {
  const path = pathWith(t, { 'redis-server': 'Redis server v=6.0.16 sha=00000000:0' });
  t.throws(() => findServerBinary(path), { message: /redis-server is too old.*>= 6\.2.*v=6\.0\.16/ });
});

for (const manager of packageManagers) {
  t.test(`without a server, the message names the command of ${manager.name}`, async (t) => {
    const command = `${manager.install.join(' ')} ${manager.packages.redis}`;
    const path = pathWith(t, { [manager.name]: '1.0' });
    t.throws(() => findServerBinary(path), { message: new RegExp(`${command}; or set REDIS_URL`) });
  });
}

t.test('without a server and without a known package manager, the message names the programs', async (t) => {
  t.throws(() => findServerBinary(pathWith(t, {})), { message: /install redis-server or valkey-server/ });
});
