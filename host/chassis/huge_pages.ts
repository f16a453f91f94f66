/**
 * Boards' RAM in pages of 2 MiB where the operating system has them (Linux, madvise(2) with MADV_HUGEPAGE): a board's tables and frames lie far apart, and
 * with pages of 4 KiB the processor looks most of them up anew. Elsewhere it stays as it is.
 */
import koffi from "koffi";

const MADV_HUGEPAGE = 14;

type Madvise = (memory: Uint8Array, octets: number, advice: number) => number;

const madvise =
  process.platform === "linux" ? (koffi.load(null).func("int madvise(void *, size_t, int)") as Madvise) : undefined;

/** True when the system has taken the advice for these octets, which begin at the start of a page. */
export function adviseHugePages(octets: Uint8Array): boolean {
  return madvise !== undefined && madvise(octets, octets.length, MADV_HUGEPAGE) === 0;
}
