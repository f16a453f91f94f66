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
    // Modulo 2^32, which leaves no doubt about the low halves, for there are less than 2^16 of them: two additions a word.
    let all = 0;
    let high = 0;
    const last = end >>> 2;
    let i = at >>> 2;
    for (; i + 4 <= last; i += 4) {
      const a = words[i]!;
      const b = words[i + 1]!;
      const c = words[i + 2]!;
      const d = words[i + 3]!;
      all = (all + a) | 0;
      high = (high + (a >>> 16)) | 0;
      all = (all + b) | 0;
      high = (high + (b >>> 16)) | 0;
      all = (all + c) | 0;
      high = (high + (c >>> 16)) | 0;
      all = (all + d) | 0;
      high = (high + (d >>> 16)) | 0;
    }
    for (; i < last; i++) {
      all = (all + words[i]!) | 0;
      high = (high + (words[i]! >>> 16)) | 0;
    }
    // Summed in the other byte order, which changes the place of the sum's octets and nothing else (RFC 1071 section 2 B).
    let little = ((all - (high << 16)) >>> 0) + high;
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
