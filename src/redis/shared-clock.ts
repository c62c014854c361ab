/**
 * The clock that all processes share: that of Redis. How old something is that one process wrote and another reads is
 * told by it, since the clocks of two machines may be apart by minutes; scripts that need it ask for TIME themselves.
 */
import { type Call, callScript } from './pipeline.js';
import { scripts } from './scripts.js';

/** Asks for the clock of the node that serves a key. The reply is in epoch milliseconds. */
export const readClock = (key: string): Call => callScript(scripts['read-clock-1'], [key], []);
