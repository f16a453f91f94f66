/**
 * AES after FIPS 197, octet by octet, with the S-box computed from its definition: the slow twin of assembly/crypto/aes*.ts.
 * Neither fast nor constant in time.
 */

function times(a: number, b: number): number {
  let product = 0;
  for (let x = a, y = b; y !== 0; y >>= 1) {
    if (y & 1) product ^= x;
    x = x & 0x80 ? (x << 1) ^ 0x11b : x << 1;
  }
  return product;
}

function substitute(octet: number): number {
  let inverse = 0;
  for (let candidate = 1; candidate < 256 && octet !== 0; candidate++) {
    if (times(octet, candidate) === 1) inverse = candidate;
  }
  let result = 0x63;
  for (let turn = 0; turn < 5; turn++) result ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  return result;
}

const SBOX = Uint8Array.from({ length: 256 }, (_, octet) => substitute(octet));
const INVERSE_SBOX = Uint8Array.from({ length: 256 }, (_, octet) => SBOX.indexOf(octet));

/** Round keys, 16 octets each. */
export function expandKey(key: Uint8Array): Uint8Array {
  const words = key.length / 4;
  const schedule = new Uint8Array(16 * (words + 7));
  schedule.set(key);
  let constant = 1;
  for (let at = key.length; at < schedule.length; at += 4) {
    let word = [...schedule.subarray(at - 4, at)];
    if (at % key.length === 0) {
      word = [word[1]!, word[2]!, word[3]!, word[0]!].map((octet) => SBOX[octet]!);
      word[0]! ^= constant;
      constant = times(constant, 2);
    } else if (words === 8 && at % key.length === 16) {
      word = word.map((octet) => SBOX[octet]!);
    }
    for (let i = 0; i < 4; i++) schedule[at + i] = schedule[at + i - key.length]! ^ word[i]!;
  }
  return schedule;
}

/** One block encrypted under a schedule. */
export function encryptBlock(schedule: Uint8Array, block: Uint8Array): Uint8Array {
  const rounds = schedule.length / 16 - 1;
  let state = block.map((octet, i) => octet ^ schedule[i]!);
  for (let round = 1; round <= rounds; round++) {
    const shifted = state.map((_, i) => SBOX[state[(i + 4 * (i % 4)) % 16]!]!);
    state = shifted.map((octet, i) => {
      if (round === rounds) return octet;
      const column = i - (i % 4);
      const at = (row: number) => shifted[column + ((i + row) % 4)]!;
      return times(at(0), 2) ^ times(at(1), 3) ^ at(2) ^ at(3);
    });
    state = state.map((octet, i) => octet ^ schedule[16 * round + i]!);
  }
  return state;
}

/** One block decrypted under a schedule: the steps of encryption undone, last first (FIPS 197, 5.3). */
export function decryptBlock(schedule: Uint8Array, block: Uint8Array): Uint8Array {
  const rounds = schedule.length / 16 - 1;
  let state = Uint8Array.from(block);
  for (let round = rounds; round >= 1; round--) {
    const keyed = state.map((octet, i) => octet ^ schedule[16 * round + i]!);
    const mixed = keyed.map((octet, i) => {
      if (round === rounds) return octet;
      const column = i - (i % 4);
      const at = (row: number) => keyed[column + ((i + row) % 4)]!;
      return times(at(0), 14) ^ times(at(1), 11) ^ times(at(2), 13) ^ times(at(3), 9);
    });
    state = mixed.map((_, i) => INVERSE_SBOX[mixed[(i + 12 * (i % 4)) % 16]!]!);
  }
  return state.map((octet, i) => octet ^ schedule[i]!);
}
