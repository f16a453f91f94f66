/** Types of sources.mjs. */

/** A list beside what was made. */
export interface Made {
  /** Of all inputs. */
  digest: string;
  /** Paths from the root. */
  inputs: string[];
  /** Names of the files made, in the list's directory, the one to load first. */
  files: string[];
}

export const ROOT: string;
export function digestOf(inputs: readonly string[]): string | undefined;
export function listed(list: string): Made | undefined;
export function current(list: string): Made | undefined;
export function replace(path: string, contents: string | Uint8Array): void;
