/**
 * Text for a terminal: numbers, durations, tables, lists of fields.
 *
 * Ids, names and the texts of a service come from outside and may hold escape sequences that move the cursor,
 * rename the window or reverse the direction of a line, so everything that is printed goes through here. What
 * is escaped: control characters (C0, DEL, C1), format characters (which hold the bidirectional ones and
 * those of no width), line and paragraph separators, and lone surrogates.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const shortNames: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `\u` and four digits for every UTF-16 unit, which JSON reads as the same text. */
function codeUnits(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** Text that fits into one line and does nothing to a terminal. Backslashes stay as they are. */
export const printable = (text: string): string =>
  text.replace(unsafe, (found) => shortNames[found] ?? codeUnits(found));

/** A value as one line of JSON that does nothing to a terminal and means exactly the same. */
export const printableJson = (value: unknown): string => JSON.stringify(value).replace(unsafe, codeUnits);

const counts = new Intl.NumberFormat('en');

/** A whole number with its thousands marked. */
export const formatCount = (count: number): string => counts.format(Math.round(count));

/** A duration in seconds as people say it: `1.4 s`, `42 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const twoDigits = (part: number) => String(part).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(whole / 3_600)} h ${twoDigits(Math.floor((whole % 3_600) / 60))} min`;
}

interface Column {
  title: string;
  /** Numbers stand right. */
  right?: boolean;
}

/** Characters a text takes on a terminal, marks that combine with the one before not counted. */
const widthOf = (text: string): number => [...text.replace(/\p{M}/gu, '')].length;

function pad(text: string, width: number, right = false): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? blanks + text : text + blanks;
}

/** Lines of a table: columns padded to their widest cell, two blanks between them; cells are made printable here. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[index] ?? '')), 0),
  );
  return cells.map((row) =>
    row
      .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.right))
      .join('  ')
      .trimEnd(),
  );
}

/** Lines of `name  value`, the values one below the other. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...fields.map(([name]) => widthOf(name)));
  return fields.map(([name, value]) => `${pad(name, width)}  ${printable(value)}`.trimEnd());
}
