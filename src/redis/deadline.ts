/**
 * Deadlines: whoever waits for an answer is told in time that there will be none, whatever the work is at. A pipeline
 * that is not answered takes its connection with it, which may take a while longer; nobody has to wait for that.
 */
import { Problem } from '../errors.js';

/** The result of some work. @throws Problem redis_unavailable where it is not there after `ms` milliseconds */
export async function within<Result>(work: Promise<Result>, ms: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const problem = new Problem('redis_unavailable', 'there was no answer in time');
    timer = setTimeout(() => reject(problem), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
