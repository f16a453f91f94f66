/**
 * A rehearsal: the phases of process.ts run for a packet that was only asked about, on a twin of its SA (explain.ts). What they would
 * tell others, and what they would change beside the SA, asks here first and stays undone.
 */
let under: bool = false;

/** True while nothing may leave the board or change on it. */
export function rehearsing(): bool {
  return under;
}

export function rehearsalBegin(): void {
  under = true;
}

export function rehearsalEnd(): void {
  under = false;
}
