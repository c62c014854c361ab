import { executionAsyncResource } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { keepTickObject } from '../../src/tick-object.js';

setFlagsFromString('--allow-natives-syntax');
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const haveSameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

const nextTickObject = () =>
  new Promise<object>((resolve) => {
    process.nextTick(() => resolve(executionAsyncResource()));
  });

t.test('a tick after major collections has the shape of the tick object that was kept', async (t) => {
  const kept = await keepTickObject();
  for (let i = 0; i < 4; i++) collect();
  t.ok('callback' in kept, 'it is a tick object');
  t.ok(haveSameMap(kept, await nextTickObject()));
  t.equal(await keepTickObject(), kept, 'one is kept, however often it is asked for');
});
