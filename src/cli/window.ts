/**
 * The window of requests under way: answered in any order, handed on in the order they were begun. Another
 * one is begun only when fewer than `size` have not been handed on, so what may have to be sent again after a
 * break, and what is in memory, is at most that many.
 */
interface WindowOptions<Item, Result> {
  size: number;
  /** Must not reject. */
  begin: (item: Item) => Promise<Result>;
  /** Called one at a time, in order. Must not reject. */
  end: (item: Item, result: Result) => Promise<void>;
}

export function createWindow<Item, Result>({ size, begin, end }: WindowOptions<Item, Result>) {
  const underWay: { item: Item; result: Promise<Result> }[] = [];

  async function endFirst(): Promise<void> {
    const first = underWay.shift();
    if (first) await end(first.item, await first.result);
  }

  return {
    /** Begins an item as soon as there is room. */
    async add(item: Item): Promise<void> {
      underWay.push({ item, result: begin(item) });
      while (underWay.length >= size) await endFirst();
    },
    async finish(): Promise<void> {
      while (underWay.length > 0) await endFirst();
    },
  };
}
