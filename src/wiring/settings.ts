/** Settings that one table cannot judge: addresses, texts with a form of their own, and what goes together. */
import type { Config } from '../config.js';
import { readTrustProxy } from '../plugins/client-address.js';
import { readAddress } from '../redis/address.js';
import { checkDatabase } from '../redis/database.js';
import { SettingsError } from '../settings-error.js';
import { openPseudonyms } from './pseudonyms.js';
import { openSpread } from './shards.js';

function checkCollector({ OTEL_EXPORTER_OTLP_ENDPOINT: url }: Config): void {
  if (url === '' || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) return;
  throw new Error('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL, http:// or https://');
}

const checks: readonly ((config: Config) => unknown)[] = [
  ({ REDIS_URL }) => REDIS_URL && readAddress(REDIS_URL),
  ({ TRUST_PROXY }) => readTrustProxy(TRUST_PROXY),
  openSpread,
  openPseudonyms,
  checkCollector,
];

/**
 * Checks the settings of a process before anything is started.
 * @throws SettingsError with a line for each that is wrong; Error where Redis refuses the database
 */
export async function checkSettings(config: Config): Promise<void> {
  const lines = checks.flatMap((check) => {
    try {
      check(config);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  if (lines.length > 0) throw new SettingsError(lines);
  if (config.REDIS_URL) await checkDatabase(config.REDIS_URL, config.REDIS_CONNECT_TIMEOUT_MS);
}
