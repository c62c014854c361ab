/** The writer that the settings name, put together: one pipeline for many requests, or one command at a time. */
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Admission } from '../events/admission.js';
import type { DigestFolder } from '../events/digest-folder.js';
import type { Directory } from '../events/directory.js';
import type { LateWrites } from '../events/late-writes.js';
import { createPlainWriter, sendInTurn } from '../events/plain-writer.js';
import { createRepeatFilter } from '../events/repeat-filter.js';
import { createStoring } from '../events/store-delta.js';
import { createSystemWrites, type SystemWritesDependencies } from '../events/system-writes.js';
import { createWriter } from '../events/writer.js';
import type { Metrics } from '../metrics.js';
import { isCluster, type ReplicaWait, runPipeline, type Send, type Store } from '../redis/pipeline.js';
import type { Retention } from '../windows/retention.js';

interface WriterDependencies {
  config: Pick<Config, 'WRITER' | 'REPEAT_FILTER_VALUES_MAX' | 'PIPELINES_IN_FLIGHT_MAX'>;
  redis: Store;
  directory: Directory;
  folder: DigestFolder;
  admission: Admission;
  lateWrites: LateWrites;
  retention: Retention;
  clock: Clock;
  monotonic: Clock;
  timeoutMs: number;
  wait: ReplicaWait;
  metrics: Metrics;
  ids: SystemWritesDependencies['ids'];
  randomId: () => string;
}

/** The writer, and what it remembers. */
export function openWriter({ config, timeoutMs, wait, ...dependencies }: WriterDependencies) {
  const { redis } = dependencies;
  const isPlain = config.WRITER === 'plain';
  const sendAtOnce: Send = (calls) => runPipeline(redis, calls, timeoutMs, wait);
  const send = isPlain ? sendInTurn(sendAtOnce) : sendAtOnce;
  const filter = createRepeatFilter(isPlain ? 0 : config.REPEAT_FILTER_VALUES_MAX);
  const together = isCluster(redis) ? 'system' : 'any';
  const writes = createSystemWrites({
    ...dependencies,
    send,
    filter,
    sharing: isPlain ? 'none' : together,
  });
  const storing = createStoring({ ...dependencies, send, writes });
  const pipelinesInFlightMax = config.PIPELINES_IN_FLIGHT_MAX;
  const writer = isPlain ? createPlainWriter(storing) : createWriter({ storing, pipelinesInFlightMax });
  return { writer, filter };
}
