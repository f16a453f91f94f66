/**
 * strongSwan's proposal grammar: algorithms joined by '-', proposals by ',', in order of preference.
 *
 *   IKE   aes256gcm16-prfsha384-ecp256     cipher, PRF, key exchange
 *   ESP   aes128gcm16-x25519-noesn         cipher, key exchange for PFS if wanted, ESN
 */
import { nearest } from "./nearest.ts";
import { TRANSFORM_ENCR, TRANSFORM_ESN, TRANSFORM_KE, TRANSFORM_PRF, type TransformValue } from "../transform_name.ts";

const t = (type: number, id: number, keyBits = 0): TransformValue => ({ type, id, keyBits });

const AES_GCM_16 = 20;

/** What this gateway negotiates, by strongSwan's keywords. */
const SUPPORTED: Record<string, TransformValue> = {
  aes128gcm16: t(TRANSFORM_ENCR, AES_GCM_16, 128),
  aes128gcm128: t(TRANSFORM_ENCR, AES_GCM_16, 128),
  aes128gcm: t(TRANSFORM_ENCR, AES_GCM_16, 128),
  aes256gcm16: t(TRANSFORM_ENCR, AES_GCM_16, 256),
  aes256gcm128: t(TRANSFORM_ENCR, AES_GCM_16, 256),
  aes256gcm: t(TRANSFORM_ENCR, AES_GCM_16, 256),
  prfsha256: t(TRANSFORM_PRF, 5),
  prfsha384: t(TRANSFORM_PRF, 6),
  prfsha512: t(TRANSFORM_PRF, 7),
  x25519: t(TRANSFORM_KE, 31),
  curve25519: t(TRANSFORM_KE, 31),
  ecp256: t(TRANSFORM_KE, 19),
  noesn: t(TRANSFORM_ESN, 0),
};

/** strongSwan's other keywords. */
const KNOWN = new Set(
  (
    "null des 3des aes aes128 aes192 aes256 aes128ctr aes192ctr aes256ctr aes192gcm16 aes128gcm8 aes192gcm8 aes256gcm8 " +
    "aes128gcm64 aes192gcm64 aes256gcm64 aes128gcm12 aes192gcm12 aes256gcm12 aes128gcm96 aes192gcm96 aes256gcm96 " +
    "aes128ccm8 aes192ccm8 aes256ccm8 aes128ccm12 aes192ccm12 aes256ccm12 aes128ccm16 aes192ccm16 aes256ccm16 " +
    "aes128ccm64 aes192ccm64 aes256ccm64 aes128ccm96 aes192ccm96 aes256ccm96 aes128ccm128 aes192ccm128 aes256ccm128 " +
    "aes128gmac aes192gmac aes256gmac chacha20poly1305 camellia camellia128 camellia192 camellia256 blowfish cast128 " +
    "md5 sha sha1 sha256 sha2_256 sha384 sha2_384 sha512 sha2_512 sha256_96 aesxcbc aescmac prfmd5 prfsha1 prfaesxcbc prfaescmac " +
    "modp768 modp1024 modp1536 modp2048 modp3072 modp4096 modp6144 modp8192 modp1024s160 modp2048s224 modp2048s256 " +
    "ecp192 ecp224 ecp384 ecp521 ecp224bp ecp256bp ecp384bp ecp512bp x448 curve448 mlkem512 mlkem768 mlkem1024 esn none"
  ).split(" "),
);

export interface ProposalError {
  word: string;
  message: string;
  nearest?: string;
}

/** What `default` stands for: everything supported, strong and fast first. */
const DEFAULT_IKE = ["aes256gcm16-aes128gcm16-prfsha384-prfsha256-x25519-ecp256"];
const DEFAULT_ESP = ["aes256gcm16-aes128gcm16"];

/** The proposals of a setting, or what is wrong with them. */
export function parseProposals(
  text: string,
  kind: "ike" | "esp",
): { proposals: TransformValue[][]; errors: ProposalError[] } {
  const errors: ProposalError[] = [];
  const proposals: TransformValue[][] = [];
  const words = text.split(",").map((word) => word.trim());
  const expanded = words.flatMap((word) =>
    word === "default" ? (kind === "ike" ? DEFAULT_IKE : DEFAULT_ESP) : [word],
  );
  for (const word of expanded) {
    const proposal = parseProposal(word, kind, errors);
    if (proposal) proposals.push(proposal);
  }
  return { proposals, errors };
}

function parseProposal(text: string, kind: "ike" | "esp", errors: ProposalError[]): TransformValue[] | undefined {
  const before = errors.length;
  const transforms: TransformValue[] = [];
  for (const raw of text.split("-")) {
    const word = raw.toLowerCase();
    const transform = SUPPORTED[word];
    if (transform) {
      transforms.push(transform);
      continue;
    }
    if (KNOWN.has(word)) {
      errors.push({
        word: raw,
        message: `algorithm '${raw}' is known to strongSwan, but not supported by this gateway`,
      });
    } else {
      const near = nearest(word, Object.keys(SUPPORTED));
      errors.push({ word: raw, message: `'${raw}' is no algorithm`, ...(near ? { nearest: near } : {}) });
    }
  }
  if (errors.length > before) return undefined;
  const has = (type: number): boolean => transforms.some((transform) => transform.type === type);
  const missing = !has(TRANSFORM_ENCR)
    ? "an encryption algorithm, such as aes256gcm16"
    : kind === "ike" && !has(TRANSFORM_PRF)
      ? "a PRF, such as prfsha256 (an AEAD brings none)"
      : kind === "ike" && !has(TRANSFORM_KE)
        ? "a key exchange method, such as x25519"
        : undefined;
  if (missing) {
    errors.push({ word: text, message: `proposal '${text}' wants ${missing}` });
    return undefined;
  }
  if (kind === "esp") {
    if (has(TRANSFORM_PRF)) {
      errors.push({ word: text, message: `proposal '${text}': a PRF has no place in ESP` });
      return undefined;
    }
    // RFC 7296 section 3.3.3: ESN is mandatory in a proposal for ESP.
    if (!has(TRANSFORM_ESN)) transforms.push(t(TRANSFORM_ESN, 0));
  } else if (has(TRANSFORM_ESN)) {
    errors.push({ word: text, message: `proposal '${text}': ESN has no place in IKE` });
    return undefined;
  }
  return transforms;
}
