/** The settings in effect, without what must not be shown: secrets, and user and password in an address. */
import { type Config, isSecretSetting } from '../config.js';
import { redact } from '../redaction.js';

const HIDDEN = '***';

/** A value as it may be shown; an empty secret is shown to be empty. */
function shown(name: string, value: unknown): string | number | boolean {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const text = String(value);
  if (isSecretSetting(name)) return text === '' ? '' : HIDDEN;
  return redact(text);
}

/** Every setting by its name. */
export const shownSettings = (config: Config): Record<string, string | number | boolean> =>
  Object.fromEntries(Object.entries(config).map(([name, value]) => [name, shown(name, value)]));
