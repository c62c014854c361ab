/**
 * Keys: the only place where a Redis key is built or parsed.
 *
 *   pt:{<system>}                                            the system's record: epoch, since, numeric keys, days to fold
 *   pt:{<system>}:<sketch>:<metric>:<grain>:<bucket>         a sketch
 *   pt:{<system>}:sealed:all:all:days                        which days are sealed, and when their lists are gone
 *   pt:{<system>#<place>}...                                 the same of a shard of it, see redis/shard-names.ts
 *   pt:directory:{names}:<names|last|purged|shards>          all systems, the last event of each, those purged of late,
 *                                                            over how many shards some are spread
 *   pt:cache:{<endpoint>:<systems>:<window>:<bucket>:...}    an answer; with :lock, who computes it
 *   pt:cache:{generations}                                   how often answers were invalidated
 *   pt:lease:{<job>}:<holder|token>                          who does a job that one process does for all
 *   pt:purge:{names}:<ticket>                                a purge that waits to be confirmed or continued
 *   pt:limit:{<key's name or address>:<policy>}              when the token bucket of a limit is full again
 *   pt:idem:{<principal>:<hash of the key>}                  a request with an idempotency key, see redis/claims.ts
 *
 * The braces are a Redis Cluster hash tag: all keys of one system live in one slot, so one script can update
 * them. Outside text (system names, numeric metadata keys) is percent-encoded here, so that `{`, `}`, `:`,
 * `*`, line ends or NUL in a name can neither leave the tag nor reach the key of another system.
 *
 * Scripts get the root key in KEYS and build the others as root .. ':' .. suffix, with suffixes from here:
 * one key a system to declare instead of thirty (docs/adr/0003).
 */
import { createHash } from 'node:crypto';
import type { Bucket } from '../windows/bucket.js';

export const sketchKinds = [
  'hll',
  'bloom',
  'top',
  'over',
  'digest',
  'count',
  'cm',
  'written',
  'roll',
  'idem',
  'ids',
  'sealed',
] as const;
export type SketchKind = (typeof sketchKinds)[number];

/**
 * For schemas of bodies: text that a key can be made of. A lone surrogate has no byte form, and several of them would
 * become one; what comes in addresses is percent-encoded bytes and cannot hold any.
 */
export const encodablePattern = '^\\P{Cs}*$';

const ROOT_PREFIX = 'pt:{';

/**
 * Between a system and the place of a shard, in the name that the shard goes by: the first half of a surrogate pair
 * without its second, which no name from outside holds, since it has no byte form. In keys a `#` stands for it, which is
 * encoded in names.
 */
const SHARD_SIGN = '\uD823#';

/** Percent-encodes all but unreserved characters; `*` too, which encodeURIComponent leaves. Most names have none. */
const encodePart = (text: string): string =>
  /^[\w.!~'()-]*$/.test(text) ? text : encodeURIComponent(text).replaceAll('*', '%2A');

/** The name of a shard of a system. Wherever a key is made it stands for a system of its own. */
export const shardName = (system: string, place: string): string => `${system}${SHARD_SIGN}${place}`;

/** The system that a shard is of; that of any other name is itself. */
export function systemOfShard(name: string): string {
  const sign = name.indexOf(SHARD_SIGN);
  return sign < 0 ? name : name.slice(0, sign);
}

const encodeName = (name: string): string => name.split(SHARD_SIGN).map(encodePart).join('#');

/** The key that holds the record of a system or shard; it carries the hash tag. */
export const systemKey = (name: string): string =>
  `${ROOT_PREFIX}${name.includes(SHARD_SIGN) ? encodeName(name) : encodePart(name)}}`;

/** What follows the system key, after a colon, in the key of one sketch. */
export const sketchSuffix = (kind: SketchKind, metric: string, bucket: Bucket): string =>
  `${kind}:${encodePart(metric)}:${bucket.grain}:${bucket.name}`;

/** What begins the suffixes of the hours of a day; all of it but the hour of the day, in two digits. */
export const hourlyPrefix = (kind: SketchKind, metric: string, day: Bucket): string =>
  `${kind}:${encodePart(metric)}:hour:${day.name}T`;

export const sketchKey = (system: string, kind: SketchKind, metric: string, bucket: Bucket): string =>
  `${systemKey(system)}:${sketchSuffix(kind, metric, bucket)}`;

/** Which hours of a day were written, and when first: a hash, hour of day to epoch seconds. */
export const writtenKey = (system: string, day: Bucket): string => sketchKey(system, 'written', 'all', day);

/** What follows the system key in the key of a day's rollup state: a hash, see lua/apply-delta/late.lua. */
export const rollSuffix = (day: Bucket): string => sketchSuffix('roll', 'all', day);

/**
 * What follows the system key in the key of the markers that requests with an idempotency key leave there: a hash by
 * the hour in which they were claimed, one field for each part of a request that is stored.
 */
export const markerSuffix = (hour: Bucket): string => sketchSuffix('idem', 'all', hour);

/**
 * What follows the system key in the keys of the event ids that it knows: a set for each slice of time in which they
 * came, told by its length (so that slices of different lengths never meet) and its number since 1970.
 */
export const knownIdsSuffix = (sliceSeconds: number, slice: number): string =>
  `${knownIdsPrefix(sliceSeconds)}${slice}`;
/** All of it but the number, which only the script knows. */
export const knownIdsPrefix = (sliceSeconds: number): string => `ids:all:slice:${sliceSeconds}.`;

/** What follows the system key in the key of its sealed days: a sorted set, see lua/store-day-1.lua. */
export const sealedSuffix = 'sealed:all:all:days';
export const sealedKey = (system: string): string => `${systemKey(system)}:${sealedSuffix}`;

/**
 * All system names (sorted set, every score 0), the last event of each (hash, epoch milliseconds), those that
 * were purged of late (sorted set by when, in an order that only grows), and which are spread over how many shards
 * (sorted set by when their last keys are gone, see lua/note-shards-1.lua).
 */
export const directoryKeys = {
  names: 'pt:directory:{names}:names',
  last: 'pt:directory:{names}:last',
  purged: 'pt:directory:{names}:purged',
  shards: 'pt:directory:{names}:shards',
};

/** What begins the keys that belong to no system. The first name of a system's key is in braces, so none is in both. */
const globalPrefixes = [
  'pt:directory:{',
  'pt:cache:{',
  'pt:lease:{',
  'pt:purge:{',
  'pt:limit:{',
  'pt:idem:{',
] as const;

export const isGlobalKey = (key: string): boolean => globalPrefixes.some((prefix) => key.startsWith(prefix));

/** What makes two questions the same one. */
export interface CacheQuestion {
  endpoint: string;
  /** Those that the asker may see, in any order: it is what the answer is about that counts. */
  systems: readonly string[];
  window: string;
  bucket: string;
  /** Of these systems and this endpoint (cache/generations.ts). */
  generation: string;
  /** Everything else that changes the answer, in any order; a list counts in its order. */
  parameters: Readonly<Record<string, string | number | boolean | undefined | readonly string[]>>;
}

/** Raised with the form of stored answers, so that two releases side by side do not meet in one key. */
const ANSWER_FORM = 2;
/** Longest tag of a cache key that is spelled out; a longer one is hashed. */
const CACHE_TAG_BYTES_MAX = 480;

/** Parts never hold the separators, which encodePart encodes. */
function encodeParameters(parameters: CacheQuestion['parameters']): string {
  const pairs: string[] = [];
  for (const name of Object.keys(parameters)) {
    const value = parameters[name];
    if (value === undefined) continue;
    const text = typeof value === 'object' ? value.map(encodePart).join(',') : encodePart(String(value));
    pairs.push(`${encodePart(name)}=${text}`);
  }
  return pairs.sort().join('&');
}

const encodeSystems = (systems: readonly string[]): string =>
  systems.length === 1 ? encodePart(systems[0]) : [...new Set(systems)].sort().map(encodePart).join(',');

/**
 * The key of an answer. Questions that mean the same have one key, whatever the order of their parts; others never
 * share one. At most 512 bytes: where the parts are longer, their hash stands for them.
 */
export function cacheKey({
  endpoint,
  systems,
  window,
  bucket,
  generation,
  parameters,
}: CacheQuestion): string {
  const about = `${encodePart(endpoint)}:${encodeSystems(systems)}:${encodePart(window)}:${encodePart(bucket)}`;
  const tag = `${about}:${encodePart(generation)}:${encodeParameters(parameters)}:${ANSWER_FORM}`;
  if (tag.length <= CACHE_TAG_BYTES_MAX) return `pt:cache:{${tag}}`;
  return `pt:cache:{#${createHash('sha256').update(tag).digest('base64url')}}`;
}

/** Who computes an answer, in the slot of the answer. */
export const cacheLockKey = (key: string): string => `${key}:lock`;

/** How often answers were invalidated: a hash of counters. */
export const generationsKey = 'pt:cache:{generations}';

/** The counter of an endpoint, of a system, of both or, without either, of everything. */
export const generationField = (endpoint: string | undefined, system: string | undefined): string =>
  `${endpoint === undefined ? '*' : encodePart(endpoint)}:${system === undefined ? '*' : encodePart(system)}`;

/** A counter of late events: of systems by a hash of their names, of all (`*`), or of how often any was raised. */
export const lateField = (counter: number | '*' | 'calls'): string => `late:${counter}:`;

/** The claim of a request with an idempotency key; keys of different principals never meet. */
export const claimKey = (principal: string, idempotencyKey: string): string =>
  `pt:idem:{${encodePart(principal)}:${createHash('sha256').update(idempotencyKey).digest('base64url')}}`;

/** Who holds a lease (his id), and the last fencing token that was given out with it. */
export const leaseKeys = (job: string) => ({
  holder: `pt:lease:{${encodePart(job)}}:holder`,
  token: `pt:lease:{${encodePart(job)}}:token`,
});

/** The token bucket of a policy for one subject: the name of an API key, or a client address. */
export const limitKey = (policy: string, subject: string): string =>
  `pt:limit:{${encodePart(subject)}:${encodePart(policy)}}`;

/**
 * A purge that waits for its next request, by the ticket that was given out for it; in the slot of the directory,
 * which a purge needs anyway.
 */
export const purgeKey = (ticket: string): string => `pt:purge:{names}:${encodePart(ticket)}`;

/**
 * The pattern of SCAN for the keys of systems whose names begin so, for those of one system, or for those of all its
 * shards; what a name encodes to means nothing special in a pattern.
 */
export const systemsPattern = (start: string): string => `${ROOT_PREFIX}${encodePart(start)}*`;
export const systemPattern = (system: string): string => `${systemKey(system)}*`;
export const shardsPattern = (system: string): string => `${ROOT_PREFIX}${encodePart(system)}[}#]*`;

export interface ParsedKey {
  system: string;
  /** The name of the shard, that of the system itself for its first. */
  shard: string;
  /** Absent for the system's own record. */
  sketch?: { kind: SketchKind; metric: string; grain: string; bucket: string };
}

/** The reverse of `encodePart`, or undefined where the text is none of its results. */
function decodePart(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** The parts of a key, or undefined where it is not a key of a system. */
export function parseKey(key: string): ParsedKey | undefined {
  const match = /^pt:\{([^{}:#]+)(?:#([\d.]+))?\}(?::([a-z]+):([^:]+):([a-z]+):([^:]+))?$/.exec(key);
  const system = match ? decodePart(match[1]) : undefined;
  if (!match || system === undefined) return undefined;
  const [, , place, kind, metricPart, grain, bucket] = match;
  const names = { system, shard: place === undefined ? system : shardName(system, place) };
  if (kind === undefined) return names;
  const metric = decodePart(metricPart);
  if (metric === undefined || !(sketchKinds as readonly string[]).includes(kind)) return undefined;
  return { ...names, sketch: { kind: kind as SketchKind, metric, grain, bucket } };
}

/** What follows the key of a system or shard in one of its other keys, whatever that is; '' for its record. */
export const suffixOf = (name: string, key: string): string => key.slice(systemKey(name).length + 1);

/** The name of the day that a field of a system's record is about, or undefined where it is about something else. */
export const parseDayField = (field: string): string | undefined =>
  field.startsWith('d:') ? parseRollSuffix(field.slice(2)) : undefined;

/** The name of the day whose state has this suffix, or undefined where it is something else. */
export const parseRollSuffix = (suffix: string): string | undefined =>
  /^roll:all:day:(\d{4}-\d{2}-\d{2})$/.exec(suffix)?.[1];

/** The field of a system's record that says that it keeps the numbers under a key. */
export const numericField = (numericKey: string): string => `n:${numericKey}`;

/** The numeric key that a field of a system's record is about, or undefined. */
export const parseNumericField = (field: string): string | undefined =>
  field.startsWith('n:') ? field.slice(2) : undefined;
