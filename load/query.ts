/**
 * How fast a question is answered: from memory, from Redis and computed, against a bare route that sends the same
 * headers and body, in the same run. Memory and the bare route take turns, since the speed of a machine changes by the minute.
 *
 *   npm run build && node build/load/query.js [--seconds 5 --connections 50 --rounds 3]
 *
 * Ends with 1 where a goal is missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ask, fire, type Shot } from './cannon.js';
import { startBare, startService } from './processes.js';
import { makeBodies, streamSystems } from './stream.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '3' },
  },
});
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const rounds = Number(values.rounds);
/** Of the bare route's requests a second, and times its p99. */
const SHARE_MIN = 0.8;
const P99_TIMES_MAX = 3;
/** Questions that another process has answered before. */
const SHARED_QUESTIONS = 400;

const systemOf = (i: number) => `system-${String(i % streamSystems).padStart(2, '0')}`;
const path = `/api/v1/compliance/summary/${systemOf(0)}`;
const one = () => [path];

const whole = (value: number) => Math.round(value).toLocaleString('en');
function row(name: string, { requests, p50, p95, p99, failures }: Shot, note = ''): void {
  const times = [p50, p95, p99].map((ms) => ms.toFixed(2)).join(' / ');
  console.log(`| ${name} | ${whole(requests)} | ${times} | ${failures} | ${note} |`);
}

const mean = (shots: readonly Shot[], of: (shot: Shot) => number) =>
  shots.reduce((sum, shot) => sum + of(shot), 0) / shots.length;
const meanShot = (shots: readonly Shot[]): Shot => ({
  requests: mean(shots, (shot) => shot.requests),
  p50: mean(shots, (shot) => shot.p50),
  p95: mean(shots, (shot) => shot.p95),
  p99: mean(shots, (shot) => shot.p99),
  failures: shots.reduce((sum, shot) => sum + shot.failures, 0),
  seconds: shots.reduce((sum, shot) => sum + shot.seconds, 0),
});

const service = await startService();
const bodies = makeBodies(1_000, 100, { seed: 20_260_101, start: Date.now() - 60_000, stepMs: 0.5 });
await fire({ base: service.base, path: '/api/v1/events/batch', bodies, connections: 10, seconds: 3 });
/** Headers that the server itself adds to every answer. */
const OWN_HEADERS = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding'];
const plainly = { headers: { 'accept-encoding': 'identity' } };
await fetch(service.base + path, plainly);
const held = await fetch(service.base + path, plainly);
const body = await held.text();
const headers = Object.fromEntries([...held.headers].filter(([name]) => !OWN_HEADERS.includes(name)));
const directory = mkdtempSync(join(tmpdir(), 'papertrail-bare-'));
writeFileSync(join(directory, 'answer.json'), JSON.stringify({ headers, body }));
const bare = await startBare(join(directory, 'answer.json'));

const shots: { bare: Shot[]; cached: Shot[] } = { bare: [], cached: [] };
for (const { base } of [bare, service]) await ask({ base, connections, seconds: 2, pathsOf: one });
for (let round = 0; round < rounds; round++) {
  shots.bare.push(await ask({ base: bare.base, connections, seconds, pathsOf: one }));
  shots.cached.push(await ask({ base: service.base, connections, seconds, pathsOf: one }));
}
await bare.stop();
rmSync(directory, { recursive: true });

/** Each connection has questions of its own, so that none is asked twice of the process that starts empty. */
const ownPaths = (connection: number) =>
  Array.from({ length: SHARED_QUESTIONS }, (_, i) => {
    const at = Math.floor(Date.now() / 1_000) - (connection * SHARED_QUESTIONS + i) / 1_000;
    return `/api/v1/compliance/summary/${systemOf(i)}?timestamp=${at.toFixed(3)}`;
  });
const paths = Array.from({ length: connections }, (_, connection) => ownPaths(connection));
const pathsOf = (connection: number) => paths[connection];
const shortly = { connections, seconds: 2, pathsOf };
await ask({ base: service.base, ...shortly });
const second = await startService({}, service.server);
const shared = await ask({ base: second.base, ...shortly, seconds: 1 });
const { answers, misses } = await second.counters();
await second.stop();
const plain = await startService({ QUERY_CACHE: 'off' }, service.server);
const computed = await ask({ base: plain.base, connections, seconds, pathsOf: one });
await plain.stop();
await service.stop();

const ceiling = meanShot(shots.bare);
const cached = meanShot(shots.cached);
const share = cached.requests / ceiling.requests;
const times = cached.p99 / ceiling.p99;
console.log(`${whole(body.length)} bytes, ${connections} connections, ${rounds} rounds of ${seconds} s\n`);
console.log('| summary of a system | requests/s | p50 / p95 / p99 ms | failures | |\n|---|---|---|---|---|');
row('bare route, same bytes', ceiling);
row(
  'from memory',
  cached,
  `${(share * 100).toFixed(1)}% (goal ${SHARE_MIN * 100}%), p99 ${times.toFixed(1)} times (at most ${P99_TIMES_MAX})`,
);
row('from Redis', shared, `${whole(misses)} of ${whole(answers)} computed all the same`);
row('computed', computed, 'QUERY_CACHE=off');
process.exit(share >= SHARE_MIN && times <= P99_TIMES_MAX && cached.failures === 0 ? 0 : 1);
