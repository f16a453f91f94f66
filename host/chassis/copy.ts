/**
 * Copies octets between memories that two threads share and memories of one. The engine copies from and to shared memory octet by octet unless
 * both places leave the same remainder when divided by eight (message_ring.ts sees to that), and its copy wants a view of what is copied,
 * which costs more than the copy when it is short, and always leaves something to the garbage collector: packets of usual size are copied here, 64
 * octets a turn.
 */

/** Octets up to which the loop costs less, garbage included, or hardly more. */
const SHORT = 2048;

/** Copies from[at, at + length) to `to` at `toAt`; the eights are the same memories from the same first octet on, which stands at a multiple of 8. */
export function copyOctets(
  from: Uint8Array,
  fromEights: BigInt64Array,
  at: number,
  to: Uint8Array,
  toEights: BigInt64Array,
  toAt: number,
  length: number,
): void {
  if (length > SHORT || ((at ^ toAt) & 7) !== 0) {
    to.set(from.subarray(at, at + length), toAt);
    return;
  }
  const end = at + length;
  const ahead = toAt - at;
  let next = at;
  for (; (next & 7) !== 0 && next < end; next++) to[next + ahead] = from[next]!;
  const last = end >>> 3;
  let i = next >>> 3;
  let j = (next + ahead) >>> 3;
  for (; i + 8 <= last; i += 8, j += 8) {
    toEights[j] = fromEights[i]!;
    toEights[j + 1] = fromEights[i + 1]!;
    toEights[j + 2] = fromEights[i + 2]!;
    toEights[j + 3] = fromEights[i + 3]!;
    toEights[j + 4] = fromEights[i + 4]!;
    toEights[j + 5] = fromEights[i + 5]!;
    toEights[j + 6] = fromEights[i + 6]!;
    toEights[j + 7] = fromEights[i + 7]!;
  }
  for (; i < last; i++, j++) toEights[j] = fromEights[i]!;
  for (next = Math.max(next, last << 3); next < end; next++) to[next + ahead] = from[next]!;
}
