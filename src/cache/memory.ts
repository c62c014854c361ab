/**
 * The memory of a process (L1): finished answers by key. A hit costs one look-up in a Map; nothing is serialised and
 * nothing compressed. What was not used for longest goes first, as near as a second chance comes to that (the clock
 * algorithm): a hit leaves a mark, and who is next to go but bears one loses it and goes to the end of the queue.
 *
 * Bounded by bytes: key, body and compressed forms of every entry, and a flat sum for what an entry is made of. A
 * compressed form is made on first demand, once for all who ask for it at the same time, off the event loop's
 * thread, and counted when it is there. An answer larger than the whole memory is not kept.
 */
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Metrics } from '../metrics.js';
import { type Encoding, type Entry, ownCopy } from './entry.js';

/** What an entry takes beside its bytes, measured: objects, tag, header, the memory of a Buffer. */
const ENTRY_BYTES = 1_400;
/** Below this a body is not worth compressing. */
export const encodedBytesMin = 1_024;
/** 4 of 11: beyond it brotli costs many times as much for a few percent. */
const BROTLI_QUALITY = 4;

const compress: Record<Encoding, (body: Buffer) => Promise<Buffer>> = {
  br: (body) =>
    promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
  gzip: promisify(gzip) as (body: Buffer) => Promise<Buffer>,
};

function bytesOf(key: string, { body, encoded }: Entry): number {
  const forms = Object.values(encoded).filter(Buffer.isBuffer);
  return forms.reduce((sum, form) => sum + form.length, ENTRY_BYTES + key.length + body.length);
}

export function createMemory(bytesMax: number, metrics: Pick<Metrics, 'cacheBytes' | 'cacheEvictions'>) {
  /** Next to go first. */
  const slots = new Map<string, { held: Entry; bytes: number; isUsed: boolean }>();
  let bytes = 0;

  function drop(key: string): void {
    bytes -= slots.get(key)?.bytes ?? 0;
    slots.delete(key);
  }

  function makeRoom(): void {
    for (const [key, slot] of slots) {
      if (bytes <= bytesMax) break;
      if (slot.isUsed) {
        slot.isUsed = false;
        slots.delete(key);
        slots.set(key, slot);
      } else {
        drop(key);
        metrics.cacheEvictions.inc();
      }
    }
    metrics.cacheBytes.set(bytes);
  }

  function set(key: string, held: Entry): void {
    drop(key);
    const size = bytesOf(key, held);
    if (size <= bytesMax) {
      slots.set(key, { held, bytes: size, isUsed: false });
      bytes += size;
    }
    makeRoom();
  }

  /** Counts a form that has been added to an entry, if that is still held. */
  function countForm(key: string, entry: Entry, form: Buffer): void {
    const slot = slots.get(key);
    if (slot?.held !== entry) return;
    slot.bytes += form.length;
    bytes += form.length;
    makeRoom();
  }

  async function makeForm(key: string, entry: Entry, encoding: Encoding): Promise<Buffer> {
    const form = ownCopy(await compress[encoding](entry.body));
    entry.encoded[encoding] = form;
    countForm(key, entry, form);
    return form;
  }

  return {
    set,

    /** What is held under a key, however old. */
    get(key: string): Entry | undefined {
      const slot = slots.get(key);
      if (!slot) return undefined;
      slot.isUsed = true;
      return slot.held;
    },

    /** The answer held under a key, without taking that for a use. */
    peek(key: string): Entry | undefined {
      return slots.get(key)?.held;
    },

    /** Forgets an answer that does not hold any more. */
    drop(key: string): void {
      drop(key);
      metrics.cacheBytes.set(bytes);
    },

    /** The compressed body of an entry; a promise where it has to be made. */
    encoded(key: string, entry: Entry, encoding: Encoding): Buffer | Promise<Buffer> {
      entry.encoded[encoding] ??= makeForm(key, entry, encoding);
      return entry.encoded[encoding];
    },

    get bytes(): number {
      return bytes;
    },

    get size(): number {
      return slots.size;
    },
  };
}

export type Memory = ReturnType<typeof createMemory>;
