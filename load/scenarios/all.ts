/** Every scenario, in the order in which they run. */
import type { Scenario } from '../scenario.js';
import { burst } from './burst.js';
import { capacity } from './capacity.js';
import { chaos } from './chaos.js';
import { dashboards } from './dashboards.js';
import { guards } from './guards.js';
import { ingest } from './ingest.js';
import { latency } from './latency.js';
import { memory } from './memory.js';
import { mixed } from './mixed.js';
import { purge } from './purge.js';
import { queries } from './queries.js';
import { restart } from './restart.js';
import { rollups } from './rollups.js';
import { shards } from './shards.js';
import { sustained } from './sustained.js';

export const scenarios: readonly Scenario[] = [
  ingest,
  latency,
  burst,
  sustained,
  queries,
  dashboards,
  mixed,
  restart,
  memory,
  purge,
  guards,
  rollups,
  shards,
  capacity,
  chaos,
];
