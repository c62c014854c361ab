/**
 * Deadlines: how long an answer of Redis is waited for.
 *
 * A process that stands still (a long task of its own, a machine that is busy or suspended) finds both its timers due
 * and the answers in its sockets when it goes on, and runs the timers first. So a deadline that is over looks once
 * more: the event loop reads what has arrived, and only what is still missing after that is late.
 */
import { Problem } from '../errors.js';

/**
 * Calls `late` after `ms` milliseconds and one more turn of the event loop.
 * @returns what ends the deadline; harmless when it is over
 */
export function startDeadline(ms: number, late: () => void): () => void {
  let look: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    look = setImmediate(late);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(look);
  };
}

/**
 * The result of some work, whatever the work is at: a pipeline that is not answered takes its connection with it, which
 * may take a while longer.
 * @throws Problem redis_unavailable where it is not there in time
 */
export async function within<Result>(work: Promise<Result>, ms: number): Promise<Result> {
  let end = () => {};
  const late = new Promise<never>((_, reject) => {
    end = startDeadline(ms, () => reject(new Problem('redis_unavailable', 'there was no answer in time')));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    end();
  }
}
