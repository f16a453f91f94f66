/**
 * The RAM that boards are given: linear memories, blank whenever a board gets one.
 *
 * What a board leaves is overwritten at once and then serves the next board of the same size, as the RAM of a slot does. Taking new
 * memory from the operating system each time would cost more than all else at a reset: every page of it is a page fault.
 */
import { adviseHugePages } from "./huge_pages.ts";
import { PAGE_OCTETS } from "./image.ts";

/** Memories that wait for a board, at most; those beyond are left to the garbage collector. Blank, oldest first. */
const KEPT_MAX = 16;
const kept: WebAssembly.Memory[] = [];
const ZEROS = Buffer.alloc(PAGE_OCTETS);

/** A blank memory of exactly `pages` pages of 64 KiB, which cannot grow. */
export function takeRam(pages: number): WebAssembly.Memory {
  const index = kept.findIndex(({ buffer }) => buffer.byteLength === pages * PAGE_OCTETS);
  return index < 0 ? newRam(pages) : kept.splice(index, 1)[0]!;
}

function newRam(pages: number): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  adviseHugePages(new Uint8Array(memory.buffer));
  return memory;
}

/** Overwrites a memory of takeRam; nobody may hold it any more. */
export function giveBackRam(memory: WebAssembly.Memory): void {
  const octets = new Uint8Array(memory.buffer);
  for (let at = 0; at < octets.length; at += PAGE_OCTETS) {
    const page = octets.subarray(at, at + PAGE_OCTETS);
    // Most pages were never written. Reading one is cheaper than writing it.
    if (!ZEROS.equals(page)) page.fill(0);
  }
  if (kept.length === KEPT_MAX) kept.shift();
  kept.push(memory);
}
