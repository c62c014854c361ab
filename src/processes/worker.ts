/** A worker: the service in a process of its own, started by the primary, on the port that all workers share. */
import type { Registry } from 'prom-client';
import { keepTickObject } from '../tick-object.js';
import { configure } from './configure.js';
import { figuresOf } from './gathering.js';
import { live } from './life.js';
import type { FromPrimary, FromWorker, Seat } from './messages.js';
import { servicePart } from './service.js';

/** Longer than the primary waits for the others. */
const ANSWER_MS_MAX = 2_000;
const READY_MS_MAX = 2_000;

void keepTickObject();
const seat = JSON.parse(process.argv[2]) as Seat;
const { config, log: processLog } = configure();
const log = processLog.child({ worker: seat.number });

function tell(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => undefined); // without a primary this process ends
}

/** Tells the primary of this worker's metrics whenever asked. @returns what asks it for those of all */
function shareMetrics(register: Registry): () => Promise<string> {
  const waiting = new Map<number, (text: string) => void>();
  let next = 0;
  process.on('message', (message: FromPrimary) => {
    if (message.kind === 'metrics-of-all') return waiting.get(message.id)?.(message.text);
    if (message.kind !== 'metrics-wanted') return;
    const { round } = message;
    figuresOf(register)
      .then((figures) => tell({ kind: 'metrics-of-one', round, figures }))
      .catch((error: Error) => log.error({ err: error }, 'metrics could not be told'));
  });
  return async () => {
    const id = next++;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<string>((resolve, reject) => {
      waiting.set(id, resolve);
      timer = setTimeout(() => reject(new Error('the primary does not answer')), ANSWER_MS_MAX);
    });
    tell({ kind: 'metrics-asked', id });
    return answer.finally(() => {
      clearTimeout(timer);
      waiting.delete(id);
    });
  };
}

const options = () => ({
  config,
  address: seat.address ?? config.REDIS_URL,
  log,
  workers: seat.workers,
  shareMetrics,
});
await live([servicePart(options, READY_MS_MAX)], { log, stopMsMax: config.STOP_SECONDS_MAX * 1_000 });
