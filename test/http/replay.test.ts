/**
 * Streams are sent batch by batch to two processes on one Redis, and after every batch they are asked, with their caches
 * on. Whatever was acknowledged before a question is never denied, and an answer that counts is right for the
 * instant that it states, or for a later one.
 */
import t, { type Test } from 'tap';
import { relativeStandardError } from '../../src/sketches/hyperloglog.js';
import { startApp } from '../support/app.js';
import { historyEnd, makeHistory } from '../support/history.js';
import { compliance, get, postRows } from '../support/http.js';
import { pick, type Random, seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';
import {
  createReplay,
  questionAbout,
  type Replay,
  type ReplayQuestion,
  replayKinds,
  requestOf,
  type Tally,
} from '../support/replay.js';
import { sharedSets } from '../support/shared-sets.js';
import type { StreamEvent } from '../support/truth.js';

const BATCHES = 20;
/** Events of each batch, and of all batches before, that are asked about. */
const EVENTS_ASKED = 2;

interface Body {
  as_of: string;
  accessed?: boolean | null;
  count?: number | null;
  bound?: { lower: number | null; upper: number | null };
  items?: { item: string; lower: number; upper: number }[];
  floor?: number;
  code?: string;
}
interface Answered {
  question: ReplayQuestion;
  status: number;
  body: Body;
  /** Batches that had been acknowledged when it was asked. */
  acknowledged: number;
}

/** What may be wrong by chance: how often it was, of how many times. */
interface Chances {
  foundOfStrangers: [wrong: number, of: number];
  outsideInterval: [wrong: number, of: number];
}

const isNo = ({ accessed, count, items }: Body) => accessed === false || count === 0 || items?.length === 0;
const sizeSlack = (size: number) => 2 + 4 * relativeStandardError(size) * size;

/** What is wrong with an answer, given the exact tallies of its instant and of all that was sent; undefined: nothing. */
function faultOf(
  { question, body }: Answered,
  then: Tally,
  sent: Tally,
  chances: Chances,
): string | undefined {
  const { kind, value } = question;
  const [least, most] = [then.get(value) ?? 0, sent.get(value) ?? 0];
  const chance = (counter: [number, number], isWrong: boolean) => {
    counter[1]++;
    if (isWrong) counter[0]++;
  };
  if (kind === 'activity') {
    if (most === 0) chance(chances.foundOfStrangers, body.accessed === true);
    return least > 0 && body.accessed !== true ? 'not accessed' : undefined;
  }
  if (kind === 'top') {
    const { items = [], floor = 0 } = body;
    for (const { item, lower, upper } of items) {
      const [atLeast, atMost] = [then.get(item) ?? 0, sent.get(item) ?? 0];
      if (upper < atLeast || lower > atMost)
        return `${item}: ${lower} to ${upper}, not ${atLeast} to ${atMost}`;
    }
    const listed = new Set(items.map(({ item }) => item));
    const unlistedMax = items.length === 20 ? (items[19]?.upper ?? 0) : floor;
    const missing = [...then].find(([item, count]) => !listed.has(item) && count > unlistedMax);
    return missing && `${missing} is not listed`;
  }
  const count = body.count ?? 0;
  const [lower, upper] = [body.bound?.lower ?? 0, body.bound?.upper ?? 0];
  if (kind === 'frequency') {
    chance(chances.outsideInterval, lower > most);
    return count < least || upper < least ? `${count} for ${least} to ${most}` : undefined;
  }
  const isOff = count < then.size - sizeSlack(then.size) || count > sent.size + sizeSlack(sent.size);
  chance(chances.outsideInterval, upper < then.size || lower > sent.size);
  return isOff ? `${count} for ${then.size} to ${sent.size}` : undefined;
}

function checkAnswer(t: Test, replay: Replay, answered: Answered, chances: Chances): void {
  const { question, status, body, acknowledged } = answered;
  const about = `${JSON.stringify(question)}: ${status} ${JSON.stringify(body).slice(0, 300)}`;
  const before = replay.tally(question, acknowledged);
  const wasThere =
    question.kind === 'distinct' || question.kind === 'top' ? before.size > 0 : before.has(question.value);
  if (status === 404 && body.code === 'system_unknown') {
    if (replay.knows(question.system, acknowledged)) t.fail(`a system that is there is unknown: ${about}`);
    return;
  }
  if (status !== 200) return void t.fail(about);
  if (isNo(body) && wasThere) return void t.fail(`a "no" that is not so: ${about}`);
  const asOf = Date.parse(body.as_of);
  if (Number.isNaN(asOf)) return void t.fail(`no instant: ${about}`);
  const then = replay.tally(question, replay.acknowledgedBefore(asOf));
  const fault = faultOf(answered, then, replay.tally(question, replay.sent()), chances);
  if (fault) t.fail(`${fault}: ${about}`);
}

/** Sends a stream and asks; checks every answer. */
async function replayStream(t: Test, events: readonly StreamEvent[], seed: number): Promise<void> {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const apps = await Promise.all([0, 1].map(() => startApp({ redis, config: { QUERY_CACHE: 'on' } })));
  for (const app of apps) t.teardown(app.stop);
  const random = seededRandom(seed);
  const replay = createReplay();
  const chances: Chances = { foundOfStrangers: [0, 0], outsideInterval: [0, 0] };
  let answers = 0;

  async function ask(questions: readonly ReplayQuestion[], base: string): Promise<void> {
    const acknowledged = replay.acknowledged();
    await Promise.all(
      questions.map(async (question) => {
        const { status, body } = await get<Body>(base, compliance(...requestOf(question)));
        checkAnswer(t, replay, { question, status, body, acknowledged }, chances);
        answers++;
      }),
    );
  }

  const size = Math.ceil(events.length / BATCHES);
  for (let at = 0; at < events.length; at += size) {
    const batch = events.slice(at, at + size);
    const own = questionsAbout(batch, random);
    const [sender, other] = at % (2 * size) === 0 ? apps : apps.toReversed();
    // Before, so that a "no" that is kept would be given again; and while the batch is on its way.
    await ask(own, other.base);
    replay.send(batch);
    const meanwhile = ask(own, other.base);
    const { status, body } = await postRows(sender.base, batch);
    replay.acknowledge(Date.now());
    t.match({ status, body }, { status: 201, body: { accepted: batch.length } });
    const all = [
      ...own,
      ...questionsAbout(events.slice(0, at + size), random),
      ...strangersTo(batch, random),
    ];
    await Promise.all([ask(all, sender.base), ask(all, other.base)]);
    await meanwhile;
  }
  t.comment(`${answers} answers, ${JSON.stringify(chances)}`);
  const { foundOfStrangers, outsideInterval } = chances;
  t.ok(foundOfStrangers[0] <= 1 + 0.01 * foundOfStrangers[1], `${foundOfStrangers} strangers found`);
  t.ok(outsideInterval[0] <= 0.05 * outsideInterval[1], `${outsideInterval} outside their interval`);
}

/** Questions of all kinds about some of the events. */
function questionsAbout(events: readonly StreamEvent[], random: Random): ReplayQuestion[] {
  return Array.from({ length: EVENTS_ASKED }, () => pick(events, random)).flatMap((event) =>
    replayKinds.flatMap((kind) => questionAbout(event, kind, random) ?? []),
  );
}

/** Questions about a value that never came. */
function strangersTo(events: readonly StreamEvent[], random: Random): ReplayQuestion[] {
  const event = { ...pick(events, random), user_id: `stranger-${random()}`, metadata: {} };
  return [questionAbout(event, 'activity', random), questionAbout(event, 'frequency', random)].flatMap(
    (question) => question ?? [],
  );
}

// It ends now, so that running hours and days are asked about too.
t.test('a made history: a "no" is never wrong, and a count lags at most as its instant says', async (t) => {
  const later = Date.now() - historyEnd;
  const events = makeHistory(4_000, 14).map((event) => {
    return { ...event, timestamp: new Date(Date.parse(event.timestamp) + later).toISOString() };
  });
  await replayStream(t, events, 1);
});

for (const { name, skip, read } of sharedSets) {
  t.test(
    `${name}: a "no" is never wrong, and a count lags at most as its instant says`,
    { skip },
    async (t) => {
      await replayStream(t, read(), 2);
    },
  );
}
