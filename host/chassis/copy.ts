/**
 * Copies octets between memories that two threads share and memories of one. The engine copies from and to shared memory octet by octet unless
 * both places leave the same remainder when divided by eight (message_ring.ts sees to that), and a view for each copy costs more
 * than the copy when it is short: short ones are made here, eight octets at a time.
 */

/** Octets up to which the loop is faster. */
const SHORT = 256;

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
  let i = at;
  for (; (i & 7) !== 0 && i < end; i++) to[i + ahead] = from[i]!;
  for (; i + 8 <= end; i += 8) toEights[(i + ahead) >>> 3] = fromEights[i >>> 3]!;
  for (; i < end; i++) to[i + ahead] = from[i]!;
}
