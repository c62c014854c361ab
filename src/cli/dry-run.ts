/**
 * A dry run of an import: rows are read here as a service reads them, by its own reader, and nothing is sent. What only a
 * service knows is not looked at: which systems a key may touch, how many there may be, settings other than the default.
 */
import type { Clock } from '../clock.js';
import { loadConfig } from '../config.js';
import { withoutMark } from '../events/formats/byte-order-mark.js';
import { noteIgnored, noticeMembers, openNotices } from '../events/notices.js';
import { createEventReader, type ReadEvent } from '../events/read-event.js';
import { eventTypes } from '../sketches/registry.js';
import { formatInstant } from '../windows/instant.js';
import type { Part, Row } from './prefix.js';
import { emptyOutcome, type Outcome, type Sender } from './send.js';
import { formatFields } from './text.js';

const samplesMax = 3;

/** A row as it would be counted; null: it has none. */
export interface Sample {
  line: number;
  event_type: string;
  system: string;
  user_id: string | null;
  session_id: string | null;
  ip: string | null;
  endpoint: string | null;
  time: string;
  failed_login: boolean;
  /** Measurements by their key. */
  numbers: Record<string, number>;
  /** Fields that it lacks and would be given. */
  defaulted: string[];
  /** Fields that would not be read. */
  ignored: string[];
}

const sampleOf = (line: number, event: ReadEvent): Sample => ({
  line,
  event_type: eventTypes[event.type] ?? '',
  system: event.system,
  user_id: event.user ?? null,
  session_id: event.session ?? null,
  ip: event.ip ?? null,
  endpoint: event.endpoint ?? null,
  time: formatInstant(event.at),
  failed_login: event.isFailedLogin,
  numbers: Object.fromEntries(event.numberKeys.map((key, index) => [key, event.numberValues[index] ?? 0])),
  defaulted: event.isTimeDefaulted ? ['timestamp'] : [],
  ignored: [...event.ignored.names],
});

/** What takes the place of a sender: it reads rows and keeps the first ones as samples. */
export function createDryRun(clock: Clock): Sender & { samples: Sample[] } {
  const config = loadConfig({});
  const reader = createEventReader(config.FUTURE_SECONDS_MAX * 1_000, config.EVENT_ID_SECONDS > 0);
  const samples: Sample[] = [];

  function read({ line, bytes }: Row, outcome: Outcome, notices: ReturnType<typeof openNotices>): void {
    const problem = reader.read(JSON.parse(withoutMark(bytes.toString())), clock.now());
    if (problem) {
      outcome.rejected++;
      outcome.errors.push({ line, ...problem });
      return;
    }
    outcome.accepted++;
    if (reader.event.isTimeDefaulted) notices.withoutTime++;
    noteIgnored(notices, reader.event.ignored);
    if (samples.length < samplesMax) samples.push(sampleOf(line, reader.event));
  }

  return {
    samples,
    async send({ rows }: Part): Promise<Outcome> {
      const outcome = emptyOutcome();
      const notices = openNotices();
      for (const row of rows) read(row, outcome, notices);
      return Object.assign(outcome, noticeMembers(notices));
    },
  };
}

/** A sample as lines of text. */
export function formatSample({ line, numbers, defaulted, ignored, ...fields }: Sample): string[] {
  const counted = Object.entries(numbers).map(([key, value]) => `${key} ${value}`);
  return formatFields([
    ['line', String(line)],
    ...Object.entries(fields).map(([name, value]): [string, string] => [`  ${name}`, String(value ?? '-')]),
    ['  numbers', counted.join(', ') || '-'],
    ['  defaulted', defaulted.join(', ') || '-'],
    ['  ignored', ignored.join(', ') || '-'],
  ]);
}
