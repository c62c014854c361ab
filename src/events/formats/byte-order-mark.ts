/**
 * The byte order mark (U+FEFF, in UTF-8 EF BB BF) that editors and exports of Windows put at the start of a text.
 * RFC 8259, 8.1 lets a reader of JSON ignore it. Files put one after the other have one in the middle, at the start
 * of a line, and where one of the files is empty two in a row.
 */
const MARK = '\ufeff';

/** A text without the marks at its start. */
export function withoutMark(text: string): string {
  let marks = 0;
  while (text[marks] === MARK) marks++;
  return marks === 0 ? text : text.slice(marks);
}
