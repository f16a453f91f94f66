/** What a device runs in boards' threads: a sender (line.ts), or a receiver (line_receiver.ts). */

/** How a thread gets it: `program` is the URL of a module that exports `open`, which is given `data`. */
export interface LineProgram {
  program: string;
  data: unknown;
}

/** Throws when there can be none. */
export type OpenLine<T> = (data: unknown) => T;

/** In the thread. Rejects when there can be none. */
export async function openLine<T>({ program, data }: LineProgram): Promise<T> {
  const { open } = (await import(program)) as { open: OpenLine<T> };
  return open(data);
}
