/**
 * The account of an import: what became of the rows, counted by reason, with the first examples of each.
 * The service names at most a hundred refused rows of a request; those beyond are counted as `not_named`.
 */
import type { Batch } from './batches.js';
import type { Outcome } from './send.js';
import { formatCount, formatDuration, formatFields, formatTable } from './text.js';

const examplesPerReasonMax = 3;
const NOT_NAMED = 'not_named';

interface Example {
  file: string;
  line: number;
  code: string;
  pointer: string;
  detail: string;
}

export interface Report {
  rows: number;
  accepted: number;
  rejected: number;
  /** Rejected rows by code. */
  reasons: Record<string, number>;
  examples: Example[];
  /** Where each file was begun and how far it is acknowledged, in lines. */
  files: { file: string; from_line: number; to_line: number; finished: boolean }[];
  seconds: number;
  /** What kept the import from finishing. */
  failures: string[];
}

export function createReport() {
  const report: Report = {
    rows: 0,
    accepted: 0,
    rejected: 0,
    reasons: {},
    examples: [],
    files: [],
    seconds: 0,
    failures: [],
  };

  function addReason(code: string, rows: number): void {
    if (rows > 0) report.reasons[code] = (report.reasons[code] ?? 0) + rows;
  }

  function addExample(example: Example): void {
    const shown = report.examples.filter(({ code }) => code === example.code).length;
    if (shown < examplesPerReasonMax) report.examples.push(example);
  }

  return {
    report,
    /** Begins a file at a line. Returns its entry, to be kept up to date. */
    addFile(file: string, line: number) {
      const entry = { file, from_line: line, to_line: line, finished: false };
      report.files.push(entry);
      return entry;
    },
    /** Counts the rows of a batch as read. */
    addBatch(file: string, batch: Batch): void {
      report.rows += batch.rows.length + batch.tooLong.length;
      report.rejected += batch.tooLong.length;
      addReason('line_too_long', batch.tooLong.length);
      const detail = 'The line is longer than a request may be; it was not sent.';
      for (const line of batch.tooLong)
        addExample({ file, line, code: 'line_too_long', pointer: '', detail });
    },
    /** Counts what became of them. */
    addOutcome(file: string, outcome: Outcome): void {
      report.accepted += outcome.accepted;
      report.rejected += outcome.rejected;
      addReason(NOT_NAMED, outcome.rejected - outcome.errors.length);
      for (const error of outcome.errors) {
        addReason(error.code, 1);
        addExample({ file, ...error });
      }
    },
  };
}

export type Account = ReturnType<typeof createReport>;

/** The account as lines of text. */
export function formatReport(report: Report): string[] {
  const { rows, accepted, rejected, reasons, examples, seconds } = report;
  const rate = seconds > 0 ? (accepted + rejected) / seconds : 0;
  const fields: [string, string][] = [
    ['rows', formatCount(rows)],
    ['accepted', formatCount(accepted)],
    ['rejected', formatCount(rejected)],
  ];
  const byCount = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  for (const [code, count] of byCount) fields.push([`  ${code}`, formatCount(count)]);
  fields.push(['time', `${formatDuration(seconds)}, ${formatCount(rate)} rows/s`]);
  const lines = formatFields(fields);
  if (examples.length === 0) return lines;
  const columns = [
    { title: 'rejected, the first of each' },
    { title: 'why' },
    { title: 'where' },
    { title: '' },
  ];
  const cells = examples.map(({ file, line, code, pointer, detail }) => [
    `${file}:${line}`,
    code,
    pointer,
    detail,
  ]);
  return [...lines, '', ...formatTable(columns, cells)];
}
