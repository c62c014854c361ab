/** The names nearest to one that does not exist: which they are, and that looking for them is bounded. */
import t from 'tap';
import { createNearestSystems, distanceOf } from '../../../src/compliance/nearest-systems.js';
import { anyone, type Principal } from '../../../src/principal.js';

const still = { now: () => 0 };
const restrictedTo = (...systems: string[]): Principal => ({
  ...anyone,
  systems: new Set(systems),
  restriction: systems.join(),
});

/** The names of all systems, ascending, as they are kept. */
const namesOf = (list: readonly string[]) => {
  const sorted = [...list].sort();
  return { all: async () => sorted, expire: () => undefined };
};
const nearestOf = (list: readonly string[], clock = still) => createNearestSystems(namesOf(list), clock);

const distances: [one: string, other: string, distance: number][] = [
  ['billing', 'billing', 0],
  ['billing', 'biling', 1],
  ['billing', 'bil1ing', 1],
  ['billing', 'billings', 1],
  ['billing', 'iblling', 1],
  ['billing', 'billign', 1],
  ['kitten', 'sitting', 3],
  ['', 'abc', 3],
  ['ca', 'abc', 3],
  ['мир', 'мри', 1],
];
for (const [one, other, distance] of distances) {
  t.test(`"${one}" and "${other}" are ${distance} apart, both ways`, async (t) => {
    t.equal(distanceOf(one, other, 10), distance);
    t.equal(distanceOf(other, one, 10), distance);
  });
}

t.test('a distance beyond the most that is asked for is only known to be larger', async (t) => {
  t.ok(distanceOf('kitten', 'sitting', 2) > 2);
  t.ok(distanceOf('a', 'abcdef', 2) > 2);
  t.ok(distanceOf('x'.repeat(256), 'y'.repeat(256), 3) > 3);
});

t.test('the nearest names come first, at most five, equally near ones by name', async (t) => {
  const nearest = nearestOf([
    'billing',
    'billings',
    'biling',
    'bill',
    'billling',
    'billin',
    'willing',
    'crm',
  ]);
  t.strictSame(await nearest('billing', anyone), ['biling', 'billin', 'billings', 'billling', 'willing']);
});

t.test('case does not make a name far, and the name itself is none of its nearest', async (t) => {
  const nearest = nearestOf(['billing', 'CRM']);
  t.strictSame(await nearest('Billing', anyone), ['billing']);
  t.strictSame(await nearest('billing', anyone), []);
  t.strictSame(await nearest('crm', anyone), ['CRM']);
});

t.test('a name that differs in more than a third of its letters is not near', async (t) => {
  const nearest = nearestOf(['billing', 'a']);
  t.strictSame(await nearest('building', anyone), ['billing']);
  t.strictSame(await nearest('bulding!', anyone), []);
  t.strictSame(await nearest('b', anyone), ['a'], 'of a short name one letter may differ');
});

t.test('names that the asker may not see are not among them', async (t) => {
  const nearest = nearestOf(['billing', 'billings', 'billing-test']);
  t.strictSame(await nearest('biling', restrictedTo('biling', 'billings')), ['billings']);
  t.strictSame(await nearest('biling', restrictedTo('biling')), []);
  t.strictSame(await nearest('biling', restrictedTo('biling', 'bilings')), [], 'nor names that do not exist');
});

const many = Array.from({ length: 10_000 }, (_, i) => `service-${String(i).padStart(5, '0')}`);

t.test('of 10,000 names those around the one asked for are found', async (t) => {
  const nearest = nearestOf(many);
  t.ok((await nearest('service-042420', anyone)).includes('service-04242'));
  t.strictSame((await nearest('service-09999x', anyone))[0], 'service-09999');
  t.strictSame(
    (await nearest('Service-00000', anyone))[0],
    'service-00000',
    'in either case of its first letter',
  );
});

/** A clock that counts how often it is looked at, once for each name that is compared and once before. */
function countingClock(msPerLook: number) {
  const clock = {
    looks: 0,
    now: () => clock.looks++ * msPerLook,
  };
  return clock;
}

t.test('of 10,000 names at most 1,000 are compared', async (t) => {
  const clock = countingClock(0);
  await nearestOf(many, clock)('Service-05000', anyone);
  t.ok(clock.looks > 100 && clock.looks <= 1_001, `${clock.looks}`);
});

t.test('the search ends after a millisecond, with what was found until then', async (t) => {
  const clock = countingClock(0.01);
  const found = await nearestOf(many, clock)('service-04242x', anyone);
  t.ok(clock.looks <= 102, `${clock.looks}`);
  t.ok(found.length <= 5);
});

t.test('a restricted asker costs no walk over the names of others', async (t) => {
  let looks = 0;
  const watched = new Proxy([...many], {
    get(target, name, receiver) {
      looks++;
      return Reflect.get(target, name, receiver);
    },
  });
  const nearest = createNearestSystems({ all: async () => watched, expire: () => undefined }, still);
  t.strictSame(await nearest('service-4242', restrictedTo('service-4242', 'service-04242')), [
    'service-04242',
  ]);
  t.ok(looks < 100, `${looks}`);
});

t.test('where the names cannot be read there are none', async (t) => {
  const names = { all: () => Promise.reject(new Error('gone for this test')), expire: () => undefined };
  t.strictSame(await createNearestSystems(names, still)('billing', anyone), []);
});
