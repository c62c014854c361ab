/** The table of faults: found by their code wherever Redis puts it, and by nothing else. */
import t from 'tap';
import { type FaultCode, faultOf, faults } from '../../../src/redis/faults.js';

const replied = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });

t.test('each is found by its code, also where Redis 6.2 puts a script before it', async (t) => {
  for (const code of Object.keys(faults) as FaultCode[]) {
    t.equal(faultOf(replied(`${code} some words`)), faults[code]);
    const nested = `ERR Error running script (call to f_1a): @user_script:9: @user_script: 9: -${code} some words`;
    t.equal(faultOf(replied(nested)), faults[code]);
  }
});

t.test('nothing else is one', async (t) => {
  t.equal(faultOf(replied('WRONGTYPE Operation against a key holding the wrong kind of value')), undefined);
  t.equal(faultOf(replied('ERR the key is BUSY OOM')), undefined);
  t.equal(faultOf(replied('OOMPH')), undefined);
  t.equal(faultOf(new Error('READONLY')), undefined, 'not said by Redis');
});
