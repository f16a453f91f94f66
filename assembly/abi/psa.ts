/**
 * The secure element's messages, on the IKE board's SECURE_ELEMENT port. The vocabulary is Arm's PSA Crypto API: key ids
 * stand for keys that never leave the element; status values are PSA's.
 *
 *   request   0 OP u16   2 reserved u16   4 TRANSACTION u32   8 KEY u32   12 ALGORITHM u32   16 fields
 *   answer    0 OP u16   2 reserved u16   4 TRANSACTION u32   8 KEY u32   12 STATUS i32      16 field, of one operation fields
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
/** The same, but the key stays until it is destroyed: who loses the answer asks again. */
export const PSA_KEY_AGREEMENT_KEPT: u32 = 30;
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
 * The same for both ends at once, for a responder, who has the peer's to compare and its own to send, with the token of RFC 6290
 * (PSA_QCD_TOKEN). ALGORITHM: IANA PRF id; fields: local identification, remote identification, octets that the local end signs, octets
 * that the remote end signs, SPIi and SPIr, or nothing when no token is wanted. Answer: fields AUTH data of the local end, of the remote
 * end, token or nothing.
 */
export const PSA_PSK_AUTH_BOTH: u32 = 18;

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

/**
 * EAP (RFC 3748): begins a session of a method. KEY: the plan, which names methods, secrets and whom to trust; ALGORITHM: EAP_PEER or
 * EAP_AUTHENTICATOR; fields: the EAP peer's identification and the authenticator's (ID type u8, data), and the packet that has come,
 * which an authenticator has none of. Answer: KEY: the session, 0 when it is over; field: OUTCOME u8 (EAP_*), METHOD u8 (EAP type, 0
 * not agreed on), REASON u8 (EAP_REASON_*), the EAP identity behind its LENGTH u8, then the packet to send, if there is one.
 */
export const PSA_EAP_BEGIN: u32 = 20;
/** KEY: the session; field: the packet that has come. Answer as of PSA_EAP_BEGIN. */
export const PSA_EAP_STEP: u32 = 21;
/**
 * RFC 7296 2.16 after a success: prf(prf(MSK, "Key Pad for IKEv2"), octets). KEY: the session; ALGORITHM: IANA PRF id; fields: SK_pi or
 * SK_pr, which stands in for an MSK that the method does not make, and the signed octets. Answer: field AUTH data.
 */
export const PSA_EAP_AUTH: u32 = 22;
export const PSA_EAP_END: u32 = 23;

export const EAP_PEER: u32 = 0;
export const EAP_AUTHENTICATOR: u32 = 1;

export const EAP_OUTCOME: u32 = 0;
export const EAP_METHOD: u32 = 1;
export const EAP_REASON: u32 = 2; // of EAP_FAILED; of EAP_CONTINUES: what the failure will be that the packet tells of
export const EAP_IDENTITY_LENGTH: u32 = 3;
export const EAP_IDENTITY: u32 = 4; // the packet is behind it

/** The packet goes to the other end, which answers; the method is through, and so is its packet; it has failed. */
export const EAP_CONTINUES: u32 = 0;
export const EAP_SUCCEEDED: u32 = 1;
export const EAP_FAILED: u32 = 2;

export const EAP_REASON_NONE: u32 = 0;
export const EAP_REASON_MALFORMED: u32 = 1; // a packet or a method's message is not well-formed
export const EAP_REASON_UNEXPECTED: u32 = 2; // a packet that is not due
export const EAP_REASON_TOO_LONG: u32 = 3; // more packets or octets than a method takes
export const EAP_REASON_NO_METHOD: u32 = 4; // in common
export const EAP_REASON_NO_SECRET: u32 = 5; // for that identity
export const EAP_REASON_IDENTITY: u32 = 6; // not one that is configured
export const EAP_REASON_PROOF: u32 = 7; // the other end's is wrong: its password
export const EAP_REASON_REFUSED: u32 = 8; // the other end has said failure
export const EAP_REASON_TLS: u32 = 9; // the handshake failed
export const EAP_REASON_CERTIFICATE: u32 = 32; // plus VERDICT_*: the other end's is refused

/**
 * RFC 6290: the token for an IKE_SA. Field: SPIi and SPIr, 16 octets. Answer: field HMAC-SHA-256 of them under a secret of the
 * element's that it keeps for longer than a board runs, QCD_TOKEN_OCTETS.
 */
export const PSA_QCD_TOKEN: u32 = 28;
export const QCD_TOKEN_OCTETS: u32 = 32;

/**
 * The key of one epoch of the checkpoint (abi/checkpoint.ts). Field: its salt. Answer: field HMAC-SHA-256 of "checkpoint" and it under the chassis key,
 * which the element keeps for as long as the chassis has power.
 */
export const PSA_CHECKPOINT_KEY: u32 = 29;
export const CHECKPOINT_KEY_OCTETS: u32 = 32;

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
