/**
 * Slots: a cluster has 16,384 of them, each served by one master, and the slot of a key is the CRC16 of its hash tag,
 * the text between the first `{` and the next `}`. All keys of a system carry the same tag, and so does whatever else
 * is used together (redis/keys.ts), so each call has one slot.
 *
 * The CRC is the one of XMODEM: polynomial 0x1021, starting with 0, most significant bit first; that of "123456789" is
 * 0x31c3. Source: the Redis Cluster specification, "Key distribution model".
 */
import type { Call } from '../pipeline.js';

export const SLOTS = 16_384;

const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** What a key is placed by: its hash tag, or all of it where it has none. */
function placedBy(key: string): string {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

/** The slot of a key. */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(placedBy(key))) crc = ((crc << 8) & 0xffff) ^ crcTable[(crc >> 8) ^ byte];
  return crc % SLOTS;
}

/** Where a command has its first key, if that is not its first argument. */
const keyPlaces: ReadonlyMap<string, number> = new Map([
  ['EVALSHA', 2],
  ['MEMORY', 1],
  ['OBJECT', 1],
]);

const ofServers = /^(CLIENT|CLUSTER|CONFIG|DBSIZE|INFO|PING|SCAN|SCRIPT|SLOWLOG|TIME|WAIT)$/;

/** The slot of a call, by its first key. @throws Error where it has none: whom it is for must be said (store.ts) */
export function slotOfCall({ name, args }: Call): number {
  const key = ofServers.test(name) ? undefined : args[keyPlaces.get(name) ?? 0];
  if (typeof key !== 'string') throw new Error(`${name} has no key, so it has no place in a cluster`);
  return slotOf(key);
}
