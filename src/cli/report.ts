/**
 * The account of an import: what became of the rows, counted by reason, with the first examples of each.
 * The service names at most a hundred refused rows of a request; those beyond are counted as `not_named`.
 */
import type { Part } from './prefix.js';
import type { FieldCounts, Outcome } from './send.js';
import { formatCount, formatDuration, formatFields, formatTable, printable } from './text.js';

const examplesPerReasonMax = 3;
const NOT_NAMED = 'not_named';
const fieldNamesMax = 100;
/** As the service calls those that it does not name. */
const OTHER_FIELDS = '...';

interface Example {
  file: string;
  line: number;
  code: string;
  pointer: string;
  detail: string;
}

interface FileReport {
  file: string;
  /** Where it was begun and how far it is acknowledged, in lines. */
  from_line: number;
  to_line: number;
  finished: boolean;
  accepted: number;
  already_imported: number;
  rejected: number;
}

export interface Report {
  rows: number;
  /** Of the rows, decompressed. */
  bytes: number;
  /** Counted now. */
  accepted: number;
  /** Accepted by an earlier import and not counted again. */
  already_imported: number;
  rejected: number;
  /** Rejected rows by code. */
  reasons: Record<string, number>;
  examples: Example[];
  /** Fields that accepted rows lacked and were given, and those that were not read, with how often. */
  defaulted: FieldCounts;
  ignored: FieldCounts;
  files: FileReport[];
  seconds: number;
  /** What kept the import from finishing. */
  failures: string[];
}

/** Adds counts by name. A service that made up ever new names would fill no memory. */
function addCounts(sums: FieldCounts, counts: FieldCounts): void {
  for (const [name, count] of Object.entries(counts)) {
    const isRoom = Object.hasOwn(sums, name) || Object.keys(sums).length < fieldNamesMax;
    const key = isRoom ? name : OTHER_FIELDS;
    sums[key] = (sums[key] ?? 0) + count;
  }
}

export function createReport() {
  const report: Report = {
    rows: 0,
    bytes: 0,
    accepted: 0,
    already_imported: 0,
    rejected: 0,
    reasons: {},
    examples: [],
    defaulted: {},
    ignored: {},
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
    addFile(file: string, line: number): FileReport {
      const counts = { accepted: 0, already_imported: 0, rejected: 0 };
      const entry = { file, from_line: line, to_line: line, finished: false, ...counts };
      report.files.push(entry);
      return entry;
    },
    /** Counts the rows of a part as read. */
    addPart({ rows, refused, bytes }: Part): void {
      report.rows += rows.length + refused.length;
      report.bytes += bytes;
    },
    /** Counts what became of them, sent or not. */
    addOutcome(file: FileReport, { refused }: Part, outcome: Outcome): void {
      const counted = outcome.isKnown ? 'already_imported' : 'accepted';
      file[counted] += outcome.accepted;
      report[counted] += outcome.accepted;
      const rejected = refused.length + outcome.rejected;
      file.rejected += rejected;
      report.rejected += rejected;
      addReason(NOT_NAMED, outcome.rejected - outcome.errors.length);
      for (const row of [...refused, ...outcome.errors].sort((a, b) => a.line - b.line)) {
        addReason(row.code, 1);
        addExample({ file: file.file, ...row });
      }
      addCounts(report.defaulted, outcome.defaulted);
      addCounts(report.ignored, outcome.ignored);
    },
  };
}

export type Account = ReturnType<typeof createReport>;

/** A sum and what it is made of, the largest first; nothing where there is none. */
function formatCounts(title: string, counts: FieldCounts): [string, string][] {
  const byCount = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const sum = byCount.reduce((total, [, count]) => total + count, 0);
  if (sum === 0) return [];
  return [
    [title, formatCount(sum)],
    ...byCount.map(([name, count]): [string, string] => [`  ${printable(name)}`, formatCount(count)]),
  ];
}

/** The account as lines of text. */
export function formatReport(report: Report): string[] {
  const { rows, accepted, already_imported, rejected, reasons, examples, seconds } = report;
  const rate = seconds > 0 ? (accepted + already_imported + rejected) / seconds : 0;
  const fields: [string, string][] = [
    ['rows', formatCount(rows)],
    ['bytes', formatCount(report.bytes)],
    ['accepted', formatCount(accepted)],
  ];
  if (already_imported > 0) fields.push(['already imported', formatCount(already_imported)]);
  if (rejected === 0) fields.push(['rejected', '0']);
  fields.push(...formatCounts('rejected', reasons));
  fields.push(...formatCounts('defaulted', report.defaulted), ...formatCounts('ignored', report.ignored));
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
