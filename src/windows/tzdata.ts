/**
 * Time zone data: the release of the IANA database that this process computes local days with. It comes with Node (ICU)
 * and is named by a year and a letter, `2026c`; docs/ranges.md says how to renew it.
 */

/** The release, or `unknown` where Node was built without its tables. */
export const tzdataVersion: string = process.versions.tz ?? 'unknown';
