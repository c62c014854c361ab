/** Asking the service: one GET, one answer. A question is not repeated; whoever asks sees at once what is wrong. */
import { serviceFailure, usageFailure } from './exit.js';
import { describe, NoAnswer, request } from './http.js';

const answerTimeoutMs = 30_000;

export type Parameters = Record<string, string | undefined>;

/**
 * @param path below `/api/v1`, with its names encoded
 * @throws Failure: usage where the service does not take the question, service where it cannot answer
 */
export async function ask(
  base: string,
  path: string,
  parameters: Parameters,
): Promise<Record<string, unknown>> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, value);
  const url = `${base}/api/v1${path}${search.size > 0 ? `?${search}` : ''}`;
  const answer = await request(url, answerTimeoutMs).catch((error: Error) => {
    if (!(error instanceof NoAnswer)) throw error;
    throw serviceFailure(`the service at ${base} cannot be reached: ${error.message}`);
  });
  const { status, json } = answer;
  if (status === 200 && Object.keys(json).length > 0) return json;
  if (status >= 400 && status < 500 && status !== 429) throw usageFailure(describe(answer));
  throw serviceFailure(`the service at ${base} answered ${describe(answer)}`);
}
