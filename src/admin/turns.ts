/** Turns: how many walks over the keyspace a process makes at once, whoever asks for them. */
import { Problem } from '../errors.js';

const atOnceMax = 2;

export function createTurns() {
  let running = 0;
  return {
    /** Does some work, unless as much as is allowed is being done. @throws Problem overloaded */
    async take<Result>(work: () => Promise<Result>): Promise<Result> {
      if (running >= atOnceMax)
        throw new Problem('overloaded', `${atOnceMax} walks over the keyspace are under way`);
      running++;
      try {
        return await work();
      } finally {
        running--;
      }
    },
  };
}

export type Turns = ReturnType<typeof createTurns>;
