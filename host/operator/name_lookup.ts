/**
 * Names in remote_addrs become addresses: for every attempt anew, by the system's own resolver, while the gateway goes on. What is
 * an address already stands in the answer at its place; a name without an address is left out, and its reason told.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

/** The addresses of a name, the preferred one first; rejects with why there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

export interface Found {
  addresses: string[];
  /** A sentence for each name that has none. */
  failures: string[];
}

/** Looks all names of a list up at once. */
export async function lookUp(words: readonly string[], resolve: Resolve): Promise<Found> {
  const found: Found = { addresses: [], failures: [] };
  const answers = await Promise.allSettled(words.map(async (word) => (isIP(word) !== 0 ? [word] : resolve(word))));
  answers.forEach((answer, i) => {
    if (answer.status === "rejected") found.failures.push(`${words[i]}: ${reason(answer.reason)}`);
    else if (answer.value.length === 0) found.failures.push(`${words[i]}: the name has no address`);
    else for (const address of answer.value) if (!found.addresses.includes(address)) found.addresses.push(address);
  });
  return found;
}

function reason(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code === "ENOTFOUND") return "the name is not known";
  if (code === "EAI_AGAIN") return "the name server does not answer";
  return error instanceof Error ? error.message : String(error);
}
