/** Settings that are wrong, in words: one line for each, which begins with its name and does not repeat its value. */

/** What ends a start because of settings. */
export class SettingsError extends Error {
  override name = 'SettingsError';
  constructor(readonly lines: readonly string[]) {
    super(lines.join('; '));
  }
}

/** What a setting may be, as its JSON schema says it. */
interface Wanted {
  type?: string;
  minimum?: number;
  maximum?: number;
  anyOf?: { const?: unknown }[];
}

/** The line about a setting whose value does not match its schema. */
export function lineOf(name: string, { type, minimum, maximum, anyOf }: Wanted): string {
  if (anyOf) return `${name} must be one of ${anyOf.map((one) => String(one.const)).join(', ')}`;
  if (type === 'boolean') return `${name} must be true or false`;
  return `${name} must be a ${type === 'integer' ? 'whole number' : type} from ${minimum} to ${maximum}`;
}
