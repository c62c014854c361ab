/**
 * Keeps one of Node's tick objects, so that `process.nextTick` stays fast for the life of the process.
 *
 * A request passes some six ticks. V8 compiles nextTick well as long as the objects it makes have the shape that was
 * seen first. Shapes are garbage, too: where a major collection finds no tick waiting, before the function is
 * compiled, their shape is gone, the next one counts as another, and from then on every tick takes the slow way
 * (`Runtime_DefineKeyedOwnPropertyInLiteral` in `perf`). Chance decides that at each start; one object that is never
 * let go decides it for good. Figures: docs/performance.md.
 */
import { executionAsyncResource } from 'node:async_hooks';

let kept: object | undefined;

/** To be called once, before there is work. Resolves to what is kept. */
export function keepTickObject(): Promise<object> {
  return new Promise((resolve) => {
    process.nextTick(() => {
      kept ??= executionAsyncResource();
      resolve(kept);
    });
  });
}
