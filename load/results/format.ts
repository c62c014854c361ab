/** Numbers and tables as people read them. */

/** A whole number with commas. */
export const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** Digits enough to compare: all of a large number's, three of a small one's. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'unknown' : value < 0 ? '-∞' : '∞';
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1_000) return whole(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : String(Number(value.toPrecision(2)));
}

/** A number with its unit. */
export const formatFigure = (value: number, unit: string): string =>
  unit === '%' ? `${formatNumber(value)}%` : `${formatNumber(value)} ${unit}`.trim();

/** Milliseconds of some ranks. */
export const formatRanks = ({ p50, p95, p99 }: { p50: number; p95: number; p99: number }): string =>
  [p50, p95, p99].map((ms) => ms.toFixed(ms < 10 ? 2 : 1)).join(' / ');

const escapeCell = (cell: string) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** A Markdown table whose columns are as wide as their longest cell, so that a terminal shows it, too. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((row) => head.map((_, i) => escapeCell(row[i] ?? '')));
  const widths = head.map((_, i) => Math.max(3, ...lines.map((line) => line[i].length)));
  const draw = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [draw(lines[0]), rule, ...lines.slice(1).map(draw)].join('\n');
}
