/**
 * Scripts: the Lua files beside this one, each `verb-noun-<number of KEYS, or n>.lua`, with the sketch
 * parameters put in front as the table `P`, so that a parameter stands in one place only, costs no argument,
 * and a changed one makes another script (its SHA differs) instead of a mixture. A line `--- @include FILE`
 * stands for that file.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { bloomEnvelope, bloomHeaderBytes, bloomLayers } from '../sketches/bloom.js';
import {
  countMinEnvelope,
  countMinHeaderBytes,
  countMinLayers,
  countRecordBytes,
  countsWaiting,
} from '../sketches/count-min.js';
import { idHashBytes } from '../sketches/hash.js';
import { hyperloglogDenseBytes } from '../sketches/hyperloglog.js';
import { numericKeysMax, reservedNumericKey, topItemsMax } from '../sketches/registry.js';
import { encodeDigestHeader } from '../sketches/t-digest.js';
import { sealedSuffix } from './keys.js';

/** Digest lists longer than this are folded by the writer that made them so. */
export const digestFoldLength = 64;
/** No digest list ever has more elements, the header included. */
export const digestElementsMax = 256;

/** A day that is over and has changed is folded again after this long, so that a replay does not fold it all the time. */
export const rollSettleSeconds = 300;

/** Counters one call may rewrite before sketches wait: one of the widest, which takes about 2 ms. */
const countMinRewrites = 16_384;

type LuaValue = number | string | Buffer | readonly number[];

const quote = (bytes: Buffer) =>
  `"${[...bytes].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;

function toLua(value: LuaValue): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return quote(Buffer.from(value));
  if (Buffer.isBuffer(value)) return quote(value);
  return `{ ${value.join(', ')} }`;
}

const parameters: Record<string, LuaValue> = {
  hyperloglog_dense_bytes: hyperloglogDenseBytes,
  bloom_envelope: bloomEnvelope,
  bloom_header_bytes: bloomHeaderBytes,
  bloom_blocks: bloomLayers.map((layer) => layer.blocks),
  bloom_offsets: bloomLayers.map((layer) => layer.offsetBytes),
  bloom_capacities: bloomLayers.map((layer) => layer.capacity),
  // A GETRANGE of a block takes Redis as long as copying some 2 KB.
  bloom_whole_bytes_each: 1_024,
  bloom_whole_bytes_max: 262_144,
  count_min_envelope: countMinEnvelope,
  count_min_header_bytes: countMinHeaderBytes,
  count_min_widths: countMinLayers.map((layer) => layer.width),
  count_min_ends: countMinLayers.map((layer) => layer.endBytes),
  count_min_taken_max: countMinLayers.map((layer) => layer.takenMax),
  count_min_rewrites: countMinRewrites,
  count_record_bytes: countRecordBytes,
  counts_waiting_where_it_suits: countsWaiting.whereItSuits,
  counts_waiting_at_most: countsWaiting.atMost,
  top_items_max: topItemsMax,
  numeric_keys_max: numericKeysMax,
  reserved_numeric_key: reservedNumericKey,
  digest_header: encodeDigestHeader(0, ''),
  digest_fold_length: digestFoldLength,
  digest_elements_max: digestElementsMax,
  roll_settle_seconds: rollSettleSeconds,
  sealed_suffix: sealedSuffix,
  id_hash_bytes: idHashBytes,
  /** Lua's unpack ends near 8,000 values. Even, so that it cuts no pair. */
  slice: 1_000,
};

export interface Script {
  name: string;
  /** How many KEYS it takes; undefined where the number varies. */
  keys: number | undefined;
  source: string;
  sha: string;
}

const names = [
  'apply-delta-n',
  'fold-digests-1',
  'register-systems-3',
  'list-systems-2',
  'check-membership-n',
  'read-top-1',
  'claim-answer-2',
  'store-answer-2',
  'read-generations-1',
  'raise-generations-1',
  'take-lease-2',
  'release-lease-1',
  'store-day-1',
  'read-day-1',
  'read-failures-1',
  'read-logins-1',
  'read-frequency-n',
  'renew-epoch-1',
  'unlink-keys-1',
  'finish-purge-1',
  'forget-systems-3',
  'take-tokens-1',
  'claim-request-1',
  'note-chunk-1',
  'finish-request-1',
  'release-request-1',
  'remove-items-1',
  'note-shards-1',
  'read-clock-1',
] as const;
export type ScriptName = (typeof names)[number];

const folder = new URL('./lua/', import.meta.url);
export const scriptFiles = (): string[] => readdirSync(folder).filter((file) => file.endsWith('.lua'));

const readLua = (path: string): string =>
  readFileSync(new URL(path, folder), 'utf8').replace(/^--- @include (.+)$/gm, (_, included: string) =>
    readLua(included),
  );

function loadScript(name: ScriptName): Script {
  const table = Object.entries(parameters).map(([key, value]) => `  ${key} = ${toLua(value)},`);
  const source = `local P = {\n${table.join('\n')}\n}\n${readLua(`${name}.lua`)}`;
  const keys = name.endsWith('-n') ? undefined : Number(name.slice(name.lastIndexOf('-') + 1));
  return { name, keys, source, sha: createHash('sha1').update(source).digest('hex') };
}

export const scripts = Object.fromEntries(names.map((name) => [name, loadScript(name)])) as Record<
  ScriptName,
  Script
>;
export const scriptBySha = new Map(Object.values(scripts).map((script) => [script.sha, script]));
