/** Who may enter, put together: the keys that the settings name. */
import type { FastifyBaseLogger } from 'fastify';
import { type Keys, openKeys } from '../access/keys.js';
import { checkListening } from '../access/listening.js';
import type { Clock } from '../clock.js';
import { type Config, keyFileOf } from '../config.js';

/** Opens the keys of a configuration. @throws Error where they cannot be used */
export const openConfiguredKeys = (config: Config, clock: Clock, log: FastifyBaseLogger): Promise<Keys> =>
  openKeys({
    file: keyFileOf(config),
    isFileNamed: config.API_KEYS_FILE !== '',
    environment: config.API_KEYS,
    clock,
    log,
  }).catch((error: Error) => {
    if (!error.message.startsWith('the key file')) throw error;
    const setting = config.API_KEYS_FILE === '' ? 'DATA_DIR' : 'API_KEYS_FILE';
    throw new Error(`${setting}: ${error.message}`, { cause: error });
  });

/** Logs who may enter. @throws Error where the address of a configuration must not be listened on with these keys */
export function announceAccess(config: Config, keys: Keys, log: FastifyBaseLogger): void {
  const { HOST: host, ACCESS_WITHOUT_KEYS: accessWithoutKeys } = config;
  const warning = checkListening({ host, hasKeys: keys.isOn, accessWithoutKeys });
  if (warning !== undefined) log.warn(warning);
}
