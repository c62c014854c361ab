/** Tables and lists of fields in plain text: columns padded to their widest cell, two blanks between them. */
import { printable } from './terminal.js';

export interface Column {
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

/** Lines of a table; cells are made printable here. */
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
