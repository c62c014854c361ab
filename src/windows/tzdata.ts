/**
 * Time zone data: the release of the IANA database that this process computes local days with. It comes with Node (ICU)
 * and is named by a year and a letter, `2026c`; docs/ranges.md says how to renew it. Several releases come out each
 * year, most of them because some place has changed its rules, often weeks ahead. Data that is not renewed gives
 * wrong days there.
 */

/** The release, or `unknown` where Node was built without its tables. */
export const tzdataVersion: string = process.versions.tz ?? 'unknown';

/** Months after the end of the year that a release is named by. */
const MONTHS_MAX = 6;

/**
 * What is to be said about a release at the start; undefined where it may well be the latest one.
 * @param now milliseconds
 */
export function tzdataWarning(version: string, now: number): string | undefined {
  const year = Number(/^\d{4}(?=[a-z])/.exec(version)?.[0] ?? Number.NaN);
  if (now <= Date.UTC(year + 1, MONTHS_MAX, 1)) return undefined;
  const what = Number.isNaN(year)
    ? `the release of the time zone data is ${version}`
    : `the time zone data is of ${year} (${version})`;
  return `${what}: days of zones that have changed their rules since may be wrong; docs/ranges.md says how to renew it`;
}
