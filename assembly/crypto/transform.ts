/**
 * The table of ESP, AH and IKE transforms as data: what a negotiated pair of IANA identifiers means in octets, and which kernels do
 * it (RFC 7296 3.3.2).
 *
 * A combined mode stands alone; the other ciphers go with each integrity transform, so their rows are made of two tables:
 * transformFind writes the pair's row once and gives the same address for the same pair from then on.
 *
 * Refuses what has no kernel: transformFind answers 0. There is no DES, 3DES, MD5 or encryption without integrity.
 */
export const ENCR_NONE: u32 = 0;
export const ENCR_NULL: u32 = 11;
export const ENCR_AES_CBC: u32 = 12;
export const ENCR_AES_CTR: u32 = 13;
export const ENCR_AES_CCM_8: u32 = 14;
export const ENCR_AES_CCM_12: u32 = 15;
export const ENCR_AES_CCM_16: u32 = 16;
export const ENCR_AES_GCM_8: u32 = 18;
export const ENCR_AES_GCM_12: u32 = 19;
export const ENCR_AES_GCM_16: u32 = 20;
export const ENCR_NULL_AUTH_AES_GMAC: u32 = 21;
export const ENCR_CHACHA20_POLY1305: u32 = 28;

export const INTEG_NONE: u32 = 0;
export const INTEG_HMAC_SHA1_96: u32 = 2;
export const INTEG_AES_XCBC_96: u32 = 5;
export const INTEG_AES_CMAC_96: u32 = 8;
/** Of AH alone. */
export const INTEG_AES_128_GMAC: u32 = 9;
export const INTEG_AES_192_GMAC: u32 = 10;
export const INTEG_AES_256_GMAC: u32 = 11;
export const INTEG_HMAC_SHA2_256_128: u32 = 12;
export const INTEG_HMAC_SHA2_384_192: u32 = 13;
export const INTEG_HMAC_SHA2_512_256: u32 = 14;

/** Kernels of ciphers: what runs over the payload. */
export const KERNEL_NULL: u32 = 0;
export const KERNEL_GCM: u32 = 1;
/** GCM with everything as additional authenticated data (RFC 4543). */
export const KERNEL_GMAC: u32 = 2;
export const KERNEL_CCM: u32 = 3;
export const KERNEL_CHACHA20_POLY1305: u32 = 4;
export const KERNEL_CBC: u32 = 5;
export const KERNEL_CTR: u32 = 6;

/** Kernels of separate integrity: 1 to 4 are HMAC with the hash of the same number (hash.ts). */
export const MAC_NONE: u32 = 0;
export const MAC_HMAC_SHA1: u32 = 1;
export const MAC_HMAC_SHA256: u32 = 2;
export const MAC_HMAC_SHA384: u32 = 3;
export const MAC_HMAC_SHA512: u32 = 4;
export const MAC_AES_CMAC: u32 = 5;
export const MAC_AES_XCBC: u32 = 6;

/** One row. All lengths in octets. */
@unmanaged
export class Transform {
  encryption: u32; // ENCR_*
  keyBits: u32; // the Key Length attribute, 0 where the transform has none
  integrity: u32; // INTEG_*, INTEG_NONE for a combined mode
  keyOctets: u32; // cipher key, without salt
  saltOctets: u32; // taken from KEYMAT behind the key (RFC 4106 8.1, RFC 3686 5.1)
  ivOctets: u32; // explicit IV in the packet
  icvOctets: u32;
  blockOctets: u32; // the padding fills up to a multiple of this
  integrityKeyOctets: u32; // 0 for a combined mode
  kernel: u32; // KERNEL_*
  mac: u32; // MAC_*
}

const ROW_OCTETS: usize = offsetof<Transform>();

/** Ciphers: encryption, key bits, key, salt, IV, ICV (0: wants an integrity transform), block, kernel. */
const CIPHER_OCTETS: usize = 32;
const CIPHERS: u32 = 29;
// prettier-ignore
const ciphers: usize = memory.data<u32>([
  // encryption              bits key salt iv icv block kernel
  ENCR_AES_GCM_16,           128,  16,  4,  8,  16,  4,  KERNEL_GCM,
  ENCR_AES_GCM_16,           192,  24,  4,  8,  16,  4,  KERNEL_GCM,
  ENCR_AES_GCM_16,           256,  32,  4,  8,  16,  4,  KERNEL_GCM,
  ENCR_AES_GCM_12,           128,  16,  4,  8,  12,  4,  KERNEL_GCM,
  ENCR_AES_GCM_12,           192,  24,  4,  8,  12,  4,  KERNEL_GCM,
  ENCR_AES_GCM_12,           256,  32,  4,  8,  12,  4,  KERNEL_GCM,
  ENCR_AES_GCM_8,            128,  16,  4,  8,   8,  4,  KERNEL_GCM,
  ENCR_AES_GCM_8,            192,  24,  4,  8,   8,  4,  KERNEL_GCM,
  ENCR_AES_GCM_8,            256,  32,  4,  8,   8,  4,  KERNEL_GCM,
  ENCR_CHACHA20_POLY1305,      0,  32,  4,  8,  16,  4,  KERNEL_CHACHA20_POLY1305,
  ENCR_AES_CCM_16,           128,  16,  3,  8,  16,  4,  KERNEL_CCM,
  ENCR_AES_CCM_16,           192,  24,  3,  8,  16,  4,  KERNEL_CCM,
  ENCR_AES_CCM_16,           256,  32,  3,  8,  16,  4,  KERNEL_CCM,
  ENCR_AES_CCM_12,           128,  16,  3,  8,  12,  4,  KERNEL_CCM,
  ENCR_AES_CCM_12,           192,  24,  3,  8,  12,  4,  KERNEL_CCM,
  ENCR_AES_CCM_12,           256,  32,  3,  8,  12,  4,  KERNEL_CCM,
  ENCR_AES_CCM_8,            128,  16,  3,  8,   8,  4,  KERNEL_CCM,
  ENCR_AES_CCM_8,            192,  24,  3,  8,   8,  4,  KERNEL_CCM,
  ENCR_AES_CCM_8,            256,  32,  3,  8,   8,  4,  KERNEL_CCM,
  ENCR_NULL_AUTH_AES_GMAC,   128,  16,  4,  8,  16,  4,  KERNEL_GMAC,
  ENCR_NULL_AUTH_AES_GMAC,   192,  24,  4,  8,  16,  4,  KERNEL_GMAC,
  ENCR_NULL_AUTH_AES_GMAC,   256,  32,  4,  8,  16,  4,  KERNEL_GMAC,
  ENCR_AES_CBC,              128,  16,  0, 16,   0, 16,  KERNEL_CBC,
  ENCR_AES_CBC,              192,  24,  0, 16,   0, 16,  KERNEL_CBC,
  ENCR_AES_CBC,              256,  32,  0, 16,   0, 16,  KERNEL_CBC,
  ENCR_AES_CTR,              128,  16,  4,  8,   0,  4,  KERNEL_CTR,
  ENCR_AES_CTR,              192,  24,  4,  8,   0,  4,  KERNEL_CTR,
  ENCR_AES_CTR,              256,  32,  4,  8,   0,  4,  KERNEL_CTR,
  ENCR_NULL,                   0,   0,  0,  0,   0,  4,  KERNEL_NULL,
]);

/** Integrity: transform, key, ICV, kernel (RFC 4868 2.3, RFC 2404, 3566, 4494). */
const INTEGRITY_OCTETS: usize = 16;
const INTEGRITIES: u32 = 6;
// prettier-ignore
const integrities: usize = memory.data<u32>([
  INTEG_HMAC_SHA2_256_128,  32, 16, MAC_HMAC_SHA256,
  INTEG_HMAC_SHA2_384_192,  48, 24, MAC_HMAC_SHA384,
  INTEG_HMAC_SHA2_512_256,  64, 32, MAC_HMAC_SHA512,
  INTEG_HMAC_SHA1_96,       20, 12, MAC_HMAC_SHA1,
  INTEG_AES_XCBC_96,        16, 12, MAC_AES_XCBC,
  INTEG_AES_CMAC_96,        16, 12, MAC_AES_CMAC,
]);

/** Rows by cipher and integrity, written when first asked for; the first of a cipher's is the one without. */
const rows: usize = memory.data(29 * 7 * 44, 16);

if (ROW_OCTETS != 44) ERROR("the table of rows was reckoned for rows of 44 octets");

/** Address of the row for a negotiated pair (`keyBits` 0 where the transform has no Key Length), or 0: not supported. */
export function transformFind(encryption: u32, keyBits: u32, integrity: u32): usize {
  for (let i: u32 = 0; i < CIPHERS; i++) {
    const cipher = ciphers + <usize>i * CIPHER_OCTETS;
    if (load<u32>(cipher) != encryption || load<u32>(cipher, 4) != keyBits) continue;
    const separate = load<u32>(cipher, 20) == 0;
    if (separate == (integrity == INTEG_NONE)) return 0;
    const first = rows + <usize>(i * (INTEGRITIES + 1)) * ROW_OCTETS;
    if (!separate) return write(first, cipher, 0);
    for (let k: u32 = 0; k < INTEGRITIES; k++) {
      const mac = integrities + <usize>k * INTEGRITY_OCTETS;
      if (load<u32>(mac) == integrity) return write(first + <usize>(k + 1) * ROW_OCTETS, cipher, mac);
    }
    return 0;
  }
  return 0;
}

/** AES-GMAC for AH (RFC 4543 section 4): transform, key bits. */
const GMACS: u32 = 3;
// prettier-ignore
const gmacs: usize = memory.data<u32>([
  INTEG_AES_128_GMAC, 128,
  INTEG_AES_192_GMAC, 192,
  INTEG_AES_256_GMAC, 256,
]);

/** Rows of AH, written when first asked for: integrity by itself, then AES-GMAC. */
const ahRows: usize = memory.data(9 * 44, 16);
/** A cipher that is none. */
const noCipher: usize = memory.data<u32>([ENCR_NONE, 0, 0, 0, 0, 0, 4, KERNEL_NULL]);

/** Address of the row of an integrity transform for AH, or 0: not supported. */
export function transformFindAh(integrity: u32): usize {
  for (let k: u32 = 0; k < INTEGRITIES; k++) {
    const mac = integrities + <usize>k * INTEGRITY_OCTETS;
    if (load<u32>(mac) == integrity) return write(ahRows + <usize>k * ROW_OCTETS, noCipher, mac);
  }
  for (let k: u32 = 0; k < GMACS; k++) {
    const gmac = gmacs + ((<usize>k) << 3);
    if (load<u32>(gmac) != integrity) continue;
    const row = ahRows + <usize>(INTEGRITIES + k) * ROW_OCTETS;
    memory.copy(row, transformFind(ENCR_NULL_AUTH_AES_GMAC, load<u32>(gmac, 4), INTEG_NONE), ROW_OCTETS);
    const t = changetype<Transform>(row);
    t.encryption = ENCR_NONE;
    t.keyBits = 0;
    t.integrity = integrity;
    return row;
  }
  return 0;
}

/** Writes the row of a cipher and an integrity transform (0: none) to `row`, and returns it. */
function write(row: usize, cipher: usize, mac: usize): usize {
  const t = changetype<Transform>(row);
  t.encryption = load<u32>(cipher);
  t.keyBits = load<u32>(cipher, 4);
  t.keyOctets = load<u32>(cipher, 8);
  t.saltOctets = load<u32>(cipher, 12);
  t.ivOctets = load<u32>(cipher, 16);
  t.icvOctets = mac != 0 ? load<u32>(mac, 8) : load<u32>(cipher, 20);
  t.blockOctets = load<u32>(cipher, 24);
  t.kernel = load<u32>(cipher, 28);
  t.integrity = mac != 0 ? load<u32>(mac) : INTEG_NONE;
  t.integrityKeyOctets = mac != 0 ? load<u32>(mac, 4) : 0;
  t.mac = mac != 0 ? load<u32>(mac, 12) : MAC_NONE;
  return row;
}
