/** A process that folds one round at a given time, to be killed on the way: socket and instant as arguments. */
import { createRollupProcess } from './rollups.js';

const [socket, now] = process.argv.slice(2);
const rollups = await createRollupProcess({ socket, holderId: 'child', clock: { now: () => Number(now) } });
await rollups.round();
rollups.close();
