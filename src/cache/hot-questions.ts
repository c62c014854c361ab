/**
 * Hot questions: which are asked most, so that their answers can be renewed before they are stale. Counted with
 * Space-Saving: `questionsMax` places, a new question takes the place of the least asked and inherits its count,
 * which is kept apart as `over`, so what was inherited never makes a question hot. Counts fade to a quarter each
 * minute: what nobody asks any more is forgotten within a few.
 *
 * Each place keeps the last way to compute its answer, which is what bounds the memory this takes.
 */
export const questionsMax = 200;
/** Asked less often than this, a question is not worth an answer that may never be looked at. */
const HOT_ASKS_MIN = 3;
const FADE = 4;

interface Place<Item> {
  key: string;
  item: Item;
  asks: number;
  over: number;
}

export function createHotQuestions<Item>() {
  const places = new Map<string, Place<Item>>();

  function coldest(): Place<Item> | undefined {
    let found: Place<Item> | undefined;
    for (const place of places.values()) if (!found || place.asks < found.asks) found = place;
    return found;
  }

  return {
    /** Counts one asking; `item` is kept until the next. */
    note(key: string, item: Item): void {
      const place = places.get(key);
      if (place) {
        place.asks++;
        place.item = item;
        return;
      }
      let over = 0;
      if (places.size >= questionsMax) {
        const least = coldest();
        if (least) places.delete(least.key);
        over = least?.asks ?? 0;
      }
      places.set(key, { key, item, asks: over + 1, over });
    },

    /** Lets the counts fade. To be called once a minute. */
    fade(): void {
      for (const place of places.values()) {
        place.asks = Math.floor(place.asks / FADE);
        place.over = Math.floor(place.over / FADE);
        if (place.asks === 0) places.delete(place.key);
      }
    },

    /** Those that are asked often, the most asked first. */
    hottest(): { key: string; item: Item }[] {
      return [...places.values()]
        .filter(({ asks, over }) => asks - over >= HOT_ASKS_MIN)
        .sort((a, b) => b.asks - b.over - (a.asks - a.over))
        .map(({ key, item }) => ({ key, item }));
    },

    get size(): number {
      return places.size;
    },
  };
}
