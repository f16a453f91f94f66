/** Waiting for a word of shared memory from within an event loop (Atomics.waitAsync, which the types of this language level do not know). */
interface Waiting {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    milliseconds?: number,
  ): { async: boolean; value: Promise<string> | string };
}

/** Whether words[index] is still `value`, and then what resolves when somebody notifies it or so many milliseconds are over. */
export const waitAsync: Waiting["waitAsync"] = (words, index, value, milliseconds) =>
  (Atomics as unknown as Waiting).waitAsync(words, index, value, milliseconds);

/**
 * Calls back, in a turn of the event loop of its own, when somebody notifies words[index], or after so many milliseconds; at once when it is not
 * `value` any more.
 */
export function whenNotified(
  words: Int32Array,
  index: number,
  value: number,
  milliseconds: number | undefined,
  awake: () => void,
): void {
  const wait = waitAsync(words, index, value, milliseconds);
  if (wait.async) void (wait.value as Promise<string>).then(awake);
  else setImmediate(awake);
}
