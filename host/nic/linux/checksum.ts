/** The Internet checksum (RFC 1071) over payloads: four octets at a time, where they lie at a multiple of four. */

/**
 * The sum of RFC 1071, not complemented, folded to 16 bits, big endian; `initial` is added (another such sum). `octets` begins at a
 * multiple of four of its memory, `words` is the same memory from there; the last of an odd number of octets counts as the first half of a word.
 */
export function internetSum(octets: Uint8Array, words: Uint32Array, at: number, length: number, initial = 0): number {
  const end = at + length;
  let sum = 0;
  let next = at;
  if ((at & 3) === 0) {
    let low = 0;
    let high = 0;
    const last = end >>> 2;
    for (let i = at >>> 2; i < last; i++) {
      const word = words[i]!;
      low += word & 0xffff;
      high += word >>> 16;
    }
    // Summed in the other byte order, which changes the place of the sum's octets and nothing else (RFC 1071 section 2 B).
    let little = low + high;
    while (little > 0xffff) little = (little & 0xffff) + (little >>> 16);
    sum = ((little & 0xff) << 8) | (little >>> 8);
    next = last << 2;
  }
  for (; next + 1 < end; next += 2) sum += (octets[next]! << 8) | octets[next + 1]!;
  if (next < end) sum += octets[next]! << 8;
  sum += initial;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
