/**
 * The table of ESP and IKE transforms as data: what a negotiated pair of IANA identifiers means in octets, and which kernel
 * does it (RFC 7296, 3.3.2; RFC 4106, 5282).
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
export const INTEG_HMAC_SHA2_256_128: u32 = 12;
export const INTEG_HMAC_SHA2_384_192: u32 = 13;
export const INTEG_HMAC_SHA2_512_256: u32 = 14;

/** Kernels: what runs over the packet. */
export const KERNEL_GCM: u32 = 1;

/** One row. All lengths in octets. */
@unmanaged
export class Transform {
  encryption: u32; // ENCR_*
  keyBits: u32; // the Key Length attribute
  integrity: u32; // INTEG_*, INTEG_NONE for a combined mode
  keyOctets: u32; // cipher key, without salt
  saltOctets: u32; // taken from KEYMAT behind the key (RFC 4106, 8.1)
  ivOctets: u32; // explicit IV in the packet
  icvOctets: u32;
  blockOctets: u32; // the padding fills up to a multiple of this
  integrityKeyOctets: u32; // 0 for a combined mode
  kernel: u32; // KERNEL_*
}

const ROW_OCTETS: usize = offsetof<Transform>();
const ROWS: usize = 3;

// prettier-ignore
const table: usize = memory.data<u32>([
  // encryption     bits integ key salt iv icv block ikey kernel
  ENCR_AES_GCM_16,   128,  0,  16,  4,  8,  16,  4,   0,  KERNEL_GCM,
  ENCR_AES_GCM_16,   192,  0,  24,  4,  8,  16,  4,   0,  KERNEL_GCM,
  ENCR_AES_GCM_16,   256,  0,  32,  4,  8,  16,  4,   0,  KERNEL_GCM,
]);

/** Address of the row for a negotiated pair (`keyBits` 0 where the transform has no Key Length), or 0: not supported. */
export function transformFind(encryption: u32, keyBits: u32, integrity: u32): usize {
  for (let row = table; row < table + ROWS * ROW_OCTETS; row += ROW_OCTETS) {
    const transform = changetype<Transform>(row);
    if (transform.encryption == encryption && transform.keyBits == keyBits && transform.integrity == integrity) {
      return row;
    }
  }
  return 0;
}
