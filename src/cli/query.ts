/** Asking the service: one GET, one answer. A question is not repeated; whoever asks sees at once what is wrong. */
import { serviceFailure, usageFailure } from './exit.js';
import { describe, type Service } from './http.js';
import { formatCount, formatTable } from './text.js';

const answerTimeoutMs = 30_000;
/** Systems listed by one command; the answer then says where to go on. */
export const systemsListedMax = 100_000;
const pageItemsMax = 1_000;

export type Parameters = Record<string, string | boolean | readonly string[] | undefined>;

interface AskOptions {
  /** Whether the answer must be computed after the question is asked. */
  fresh?: boolean;
}

/**
 * @param path below `/api/v1`, with its names encoded
 * @throws Failure: usage where the service does not take the question, service where it cannot answer
 */
export async function ask(
  service: Service,
  path: string,
  parameters: Parameters,
  { fresh = false }: AskOptions = {},
): Promise<Record<string, unknown>> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of value === undefined ? [] : [value].flat()) search.append(name, String(one));
  }
  const { base } = service;
  const address = `/api/v1${path}${search.size > 0 ? `?${search}` : ''}`;
  const init = fresh ? { headers: { 'cache-control': 'no-cache' } } : {};
  const answer = await service.request(address, answerTimeoutMs, init);
  const { status, json } = answer;
  if (status === 200 && Object.keys(json).length > 0) return json;
  if (status === 0) throw serviceFailure(`the service at ${base} cannot be reached: ${describe(answer)}`);
  if (status >= 400 && status < 500 && status !== 429) throw usageFailure(describe(answer));
  throw serviceFailure(`the service at ${base} answered ${describe(answer)}`);
}

interface SystemList {
  systems: { system: string; last_event: string | null }[];
  total: number;
  next: string | null;
}

/** At most `limit` systems after `cursor`, in as many requests as that takes. */
export async function listSystems(
  service: Service,
  limit: number,
  cursor: string | undefined,
): Promise<SystemList> {
  const all: SystemList = { systems: [], total: 0, next: cursor ?? null };
  do {
    const wanted = String(Math.min(pageItemsMax, limit - all.systems.length));
    const parameters = { limit: wanted, cursor: all.next ?? undefined };
    const page = (await ask(service, '/systems', parameters)) as unknown as SystemList;
    all.systems.push(...page.systems);
    all.total = page.total;
    all.next = page.next;
  } while (all.next !== null && all.systems.length < limit);
  return all;
}

export function formatSystems({ systems, total, next }: SystemList): string[] {
  const rows = systems.map(({ system, last_event }) => [system, last_event ?? 'never']);
  const lines = formatTable([{ title: 'system' }, { title: 'last event' }], rows);
  const more = next === null ? '' : `, more with --cursor ${next}`;
  return [...lines, '', `${formatCount(systems.length)} of ${formatCount(total)} systems${more}`];
}
