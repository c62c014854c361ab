/** `papertrail query systems`: the list of systems, gathered page by page up to a limit. */
import { ask } from './query.js';
import { formatTable } from './table.js';
import { formatCount } from './terminal.js';

/** Systems listed by one command; the answer then says where to go on. */
export const systemsListedMax = 100_000;
const pageItemsMax = 1_000;

interface Page {
  systems: { system: string; last_event: string | null }[];
  total: number;
  next: string | null;
}

/** At most `limit` systems after `cursor`, in as many requests as that takes. */
export async function listSystems(base: string, limit: number, cursor: string | undefined): Promise<Page> {
  const all: Page = { systems: [], total: 0, next: cursor ?? null };
  do {
    const wanted = String(Math.min(pageItemsMax, limit - all.systems.length));
    const page = (await ask(base, '/systems', {
      limit: wanted,
      cursor: all.next ?? undefined,
    })) as unknown as Page;
    all.systems.push(...page.systems);
    all.total = page.total;
    all.next = page.next;
  } while (all.next !== null && all.systems.length < limit);
  return all;
}

export function formatSystems({ systems, total, next }: Page): string[] {
  const rows = systems.map(({ system, last_event }) => [system, last_event ?? 'never']);
  const lines = formatTable([{ title: 'system' }, { title: 'last event' }], rows);
  const more = next === null ? '' : `, more with --cursor ${next}`;
  return [...lines, '', `${formatCount(systems.length)} of ${formatCount(total)} systems${more}`];
}
