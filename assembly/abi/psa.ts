/**
 * The secure element's messages, on the IKE board's SECURE_ELEMENT port. The vocabulary is Arm's PSA Crypto API: key ids
 * stand for keys that never leave the element; status values are PSA's.
 *
 *   request   0 OP u16   2 reserved u16   4 TRANSACTION u32   8 KEY u32   12 ALGORITHM u32   16 fields
 *   answer    0 OP u16   2 reserved u16   4 TRANSACTION u32   8 KEY u32   12 STATUS i32      16 field
 *
 * A field is LENGTH u16 followed by that many octets, unpadded; the fields of a message follow each other.
 */
export const PSA_OP: u32 = 0;
export const PSA_TRANSACTION: u32 = 4;
export const PSA_KEY: u32 = 8;
export const PSA_ALGORITHM: u32 = 12;
export const PSA_STATUS: u32 = 12;
export const PSA_FIELDS: u32 = 16;

/** ALGORITHM: IANA key exchange method. Answer: KEY, field public value as a KE payload carries it. */
export const PSA_GENERATE_KEY: u32 = 1;
/** KEY, ALGORITHM: the method; field: the peer's public value. Answer: field shared secret. The key is destroyed. */
export const PSA_RAW_KEY_AGREEMENT: u32 = 2;
export const PSA_DESTROY_KEY: u32 = 3;
/** ALGORITHM: octets wanted (1..1024). Answer: field random octets. */
export const PSA_GENERATE_RANDOM: u32 = 4;
/**
 * RFC 7296 2.15 with a shared key: prf(prf(PSK, "Key Pad for IKEv2"), octets). ALGORITHM: IANA PRF id; fields: local
 * identification (ID type u8, data), remote identification (the same), signed octets. The element finds the PSK by the
 * two identities. Answer: field AUTH data.
 */
export const PSA_PSK_AUTH: u32 = 5;

/**
 * RFC 7296 2.15, RFC 4754, RFC 7427 and 8420: signs with a private key. KEY: the credential; ALGORITHM: the hash algorithms
 * that the peer takes, bit n for IANA id n, 0 when it told of none; field: octets. Answer: field REASON u8 (SIGN_*),
 * METHOD u8 (IANA authentication method), LENGTH u16 and AUTH data, then the bodies of CERT payloads (encoding u8, data), the
 * end entity's first, each behind its LENGTH u16.
 */
export const PSA_SIGN_AUTH: u32 = 6;
/**
 * Verifies a path of certificates, that the end entity's is one of the peer's identity, and a signature by its key. KEY: the
 * trust; ALGORITHM: IANA authentication method; fields: peer's identification (ID type u8, data), AUTH data, octets, then
 * the bodies of the peer's CERT payloads, the end entity's first. Answer: field VERDICT u8.
 */
export const PSA_VERIFY_AUTH: u32 = 7;

/**
 * RFC 8784 section 3 with a postquantum preshared key. ALGORITHM: IANA PRF id; fields: PPK_ID, SK_d', SK_pi', SK_pr', each as long
 * as the PRF's output. Answer: field SK_d, SK_pi, SK_pr, one behind the other; DOES_NOT_EXIST: the element knows no such PPK.
 */
export const PSA_PPK_KEYS: u32 = 16;

/**
 * Makes a share and agrees at once, as the side that has the other's public value already: ALGORITHM: IANA key exchange method;
 * field: the peer's public value, of a KEM its encapsulation key. Answer: field LENGTH u16 and our public value, of a KEM the
 * ciphertext, then the shared secret.
 */
export const PSA_RESPOND_KEY: u32 = 17;

export const SIGN_REASON: u32 = 0;
export const SIGN_METHOD: u32 = 1;
export const SIGN_LENGTH: u32 = 2;
export const SIGN_CERTIFICATES: u32 = 4; // behind the LENGTH octets of AUTH data

export const SIGN_DONE: u32 = 0;
export const SIGN_NO_KEY: u32 = 1;
export const SIGN_NO_COMMON_HASH: u32 = 2;

export const VERDICT_GOOD: u32 = 0;
export const VERDICT_SIGNATURE: u32 = 1; // the signature is not one of these octets by this key
export const VERDICT_SCHEME: u32 = 2; // unknown, or not one for the certificate's key
export const VERDICT_SCHEME_REFUSED: u32 = 3; // the configuration asks for another
export const VERDICT_NO_CERTIFICATE: u32 = 4;
export const VERDICT_MALFORMED: u32 = 5;
export const VERDICT_NO_PATH: u32 = 6; // to none of the trusted authorities
export const VERDICT_EXPIRED: u32 = 7;
export const VERDICT_NOT_YET_VALID: u32 = 8;
export const VERDICT_REVOKED: u32 = 9;
export const VERDICT_REVOCATION_UNKNOWN: u32 = 10;
export const VERDICT_IDENTITY: u32 = 11; // the certificate is not one of the peer's identity
export const VERDICT_PATH: u32 = 13; // constraints, usage or extensions forbid it
export const VERDICT_KEY_USAGE: u32 = 14; // the end entity's key is not one to sign with
export const VERDICT_WEAK: u32 = 15; // a key too short, or a hash too weak

export const PSA_SUCCESS: i32 = 0;
export const PSA_ERROR_NOT_PERMITTED: i32 = -133;
export const PSA_ERROR_NOT_SUPPORTED: i32 = -134;
export const PSA_ERROR_INVALID_ARGUMENT: i32 = -135;
export const PSA_ERROR_INVALID_HANDLE: i32 = -136;
export const PSA_ERROR_DOES_NOT_EXIST: i32 = -140;
export const PSA_ERROR_INSUFFICIENT_MEMORY: i32 = -141;

/** IANA IKEv2 key exchange methods that the element serves. */
export const KE_MODP2048: u32 = 14;
export const KE_MODP3072: u32 = 15;
export const KE_MODP4096: u32 = 16;
export const KE_MODP6144: u32 = 17;
export const KE_MODP8192: u32 = 18;
export const KE_ECP256: u32 = 19;
export const KE_ECP384: u32 = 20;
export const KE_ECP521: u32 = 21;
export const KE_X25519: u32 = 31;
export const KE_X448: u32 = 32;
export const KE_MLKEM512: u32 = 35;
export const KE_MLKEM768: u32 = 36;
export const KE_MLKEM1024: u32 = 37;
