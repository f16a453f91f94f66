/**
 * strongSwan's proposal grammar: algorithms joined by '-', proposals by ',', in order of preference.
 *
 *   IKE   aes256gcm16-prfsha384-ecp256     cipher, PRF, key exchange
 *   ESP   aes128gcm16-x25519-noesn         cipher, key exchange for PFS if wanted, ESN
 *
 * As strongSwan does it: with a cipher that authenticates, an integrity algorithm is no transform, but in IKE it stands for the
 * PRF of its hash when no PRF is named. An algorithm that strongSwan knows and this gateway does not is left out with a warning
 * while another of its kind remains in the proposal, and a proposal while another remains; never is a kind left out that was
 * asked for, so a proposal with key exchange does not lose it. When nothing remains, that is an error.
 */
import { nearest } from "./nearest.ts";
import {
  TRANSFORM_ENCR,
  TRANSFORM_ESN,
  TRANSFORM_INTEG,
  TRANSFORM_KE,
  TRANSFORM_PRF,
  type TransformValue,
} from "../transform_name.ts";

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

/** Integrity algorithms that name a hash whose PRF this gateway has. */
const PRF_OF_INTEGRITY: Record<string, TransformValue> = {
  sha256: t(TRANSFORM_PRF, 5),
  sha2_256: t(TRANSFORM_PRF, 5),
  sha384: t(TRANSFORM_PRF, 6),
  sha2_384: t(TRANSFORM_PRF, 6),
  sha512: t(TRANSFORM_PRF, 7),
  sha2_512: t(TRANSFORM_PRF, 7),
};

/** strongSwan's other keywords, by kind. */
const KNOWN = new Map<string, number>(
  (
    [
      [
        TRANSFORM_ENCR,
        "null des 3des aes aes128 aes192 aes256 aes128ctr aes192ctr aes256ctr aes192gcm16 aes192gcm128 aes192gcm aes128gcm8 " +
          "aes192gcm8 aes256gcm8 aes128gcm64 aes192gcm64 aes256gcm64 aes128gcm12 aes192gcm12 aes256gcm12 aes128gcm96 " +
          "aes192gcm96 aes256gcm96 aes128ccm8 aes192ccm8 aes256ccm8 aes128ccm12 aes192ccm12 aes256ccm12 aes128ccm16 " +
          "aes192ccm16 aes256ccm16 aes128ccm64 aes192ccm64 aes256ccm64 aes128ccm96 aes192ccm96 aes256ccm96 aes128ccm128 " +
          "aes192ccm128 aes256ccm128 aes128ccm aes192ccm aes256ccm aes128gmac aes192gmac aes256gmac chacha20poly1305 " +
          "chacha20poly1305compat camellia camellia128 camellia192 camellia256 camellia128ctr camellia192ctr camellia256ctr " +
          "blowfish blowfish128 blowfish192 blowfish256 cast128 serpent serpent128 serpent192 serpent256 twofish twofish128 " +
          "twofish192 twofish256",
      ],
      [TRANSFORM_INTEG, "md5 md5_128 sha sha1 sha1_160 sha256_96 aesxcbc camelliaxcbc aescmac"],
      [TRANSFORM_PRF, "prfmd5 prfsha1 prfaesxcbc prfcamelliaxcbc prfaescmac"],
      [
        TRANSFORM_KE,
        "modp768 modp1024 modp1536 modp2048 modp3072 modp4096 modp6144 modp8192 modp1024s160 modp2048s224 modp2048s256 modpnull " +
          "modpnone ecp192 ecp224 ecp384 ecp521 ecp224bp ecp256bp ecp384bp ecp512bp x448 curve448 newhope newhope128 mlkem512 " +
          "mlkem768 mlkem1024 none",
      ],
      [TRANSFORM_ESN, "esn"],
    ] as const
  ).flatMap(([type, words]) => words.split(" ").map((word) => [word, type] as const)),
);

/** Additional key exchanges (RFC 9370): ke1_mlkem768. */
const ADDITIONAL_KE = /^ke[1-7]_/;

const KIND: Record<number, string> = {
  [TRANSFORM_ENCR]: "encryption algorithm",
  [TRANSFORM_PRF]: "PRF",
  [TRANSFORM_KE]: "key exchange method",
  [TRANSFORM_ESN]: "sequence number mode",
};

export interface ProposalError {
  word: string;
  message: string;
  nearest?: string;
  /** The rest is usable without it. */
  warning?: boolean;
  /** An algorithm of strongSwan's. */
  unsupported?: boolean;
}

/** What `default` stands for: everything supported, strong and fast first. */
const DEFAULT_IKE = ["aes256gcm16-aes128gcm16-prfsha384-prfsha256-x25519-ecp256"];
const DEFAULT_ESP = ["aes256gcm16-aes128gcm16"];

/** The proposals of a setting that are usable, and what is wrong with the others. */
export function parseProposals(
  text: string,
  kind: "ike" | "esp",
): { proposals: TransformValue[][]; errors: ProposalError[] } {
  const errors: ProposalError[] = [];
  const unusable: ProposalError[] = [];
  const proposals: TransformValue[][] = [];
  const words = text.split(",").map((word) => word.trim());
  const expanded = words.flatMap((word) =>
    word === "default" ? (kind === "ike" ? DEFAULT_IKE : DEFAULT_ESP) : [word],
  );
  for (const word of expanded) {
    const proposal = new Proposal(word, kind);
    proposal.parse();
    errors.push(...proposal.errors);
    unusable.push(...proposal.unsupported);
    if (proposal.usable) proposals.push(proposal.transforms);
  }
  const warning = proposals.length > 0;
  errors.push(...unusable.map((error) => ({ ...error, ...(warning ? { warning } : {}) })));
  return { proposals, errors };
}

class Proposal {
  transforms: TransformValue[] = [];
  /** Mistakes. */
  readonly errors: ProposalError[] = [];
  /** Algorithms of strongSwan's that are not done here. */
  readonly unsupported: ProposalError[] = [];
  usable = false;
  /** Kinds that were asked for, whether supported or not. */
  readonly #asked = new Set<number>();
  readonly #integrity: string[] = [];
  readonly #text: string;
  readonly #kind: "ike" | "esp";

  constructor(text: string, kind: "ike" | "esp") {
    this.#text = text;
    this.#kind = kind;
  }

  parse(): void {
    for (const word of this.#text.split("-")) this.#algorithm(word);
    if (this.errors.length > 0) return;
    this.#integrityOfAead();
    this.usable = this.#complete();
  }

  #algorithm(raw: string): void {
    const word = raw.toLowerCase();
    const transform = Object.hasOwn(SUPPORTED, word) ? SUPPORTED[word] : undefined;
    if (transform) {
      this.#asked.add(transform.type);
      const same = ({ type, id, keyBits }: TransformValue): boolean =>
        type === transform.type && id === transform.id && keyBits === transform.keyBits;
      if (!this.transforms.some(same)) this.transforms.push(transform);
      return;
    }
    if (Object.hasOwn(PRF_OF_INTEGRITY, word) || KNOWN.get(word) === TRANSFORM_INTEG) {
      this.#integrity.push(word);
      return;
    }
    const type = KNOWN.get(word) ?? (ADDITIONAL_KE.test(word) ? TRANSFORM_KE : undefined);
    if (type !== undefined) {
      // An additional exchange is a kind of its own: without it the proposal is another one.
      this.#asked.add(ADDITIONAL_KE.test(word) ? -1 : type);
      this.#unsupported(raw);
      return;
    }
    const near = nearest(word, [...Object.keys(SUPPORTED), ...Object.keys(PRF_OF_INTEGRITY)]);
    this.errors.push({ word: raw, message: `'${raw}' is no algorithm`, ...(near ? { nearest: near } : {}) });
  }

  #unsupported(word: string): void {
    this.unsupported.push({
      word,
      message: `algorithm '${word}' is known to strongSwan, but not supported by this gateway`,
      unsupported: true,
    });
  }

  #has(type: number): boolean {
    return this.transforms.some((transform) => transform.type === type);
  }

  /** All ciphers here authenticate, so integrity is theirs; for IKE its name may stand for the PRF. */
  #integrityOfAead(): void {
    const unknown = this.#integrity.filter((word) => !Object.hasOwn(PRF_OF_INTEGRITY, word));
    if (this.#kind === "ike" && !this.#asked.has(TRANSFORM_PRF) && this.#integrity.length > 0) {
      this.#asked.add(TRANSFORM_PRF);
      for (const word of unknown) this.#unsupported(word);
      for (const word of this.#integrity) if (!unknown.includes(word)) this.#algorithm(`prf${word.replace("2_", "")}`);
    }
  }

  #complete(): boolean {
    const fault = (message: string): boolean => {
      this.errors.push({ word: this.#text, message: `proposal '${this.#text}' ${message}` });
      return false;
    };
    if (this.#kind === "esp" && this.#asked.has(TRANSFORM_PRF)) return fault("names a PRF, which has no place in ESP");
    if (this.#kind === "ike" && this.#asked.has(TRANSFORM_ESN)) return fault("names ESN, which has no place in IKE");
    const wanted = this.#kind === "ike" ? [TRANSFORM_ENCR, TRANSFORM_PRF, TRANSFORM_KE] : [TRANSFORM_ENCR];
    const examples: Record<number, string> = {
      [TRANSFORM_ENCR]: "aes256gcm16",
      [TRANSFORM_PRF]: "prfsha256 (an AEAD brings none)",
      [TRANSFORM_KE]: "x25519",
    };
    for (const type of wanted) {
      if (!this.#asked.has(type)) return fault(`wants ${article(KIND[type] as string)}, such as ${examples[type]}`);
    }
    // Asked for, but nothing of it is supported: the algorithms have been told already.
    if ([...this.#asked].some((type) => !this.#has(type))) return false;
    // RFC 7296 section 3.3.3: ESN is mandatory in a proposal for ESP.
    if (this.#kind === "esp" && !this.#has(TRANSFORM_ESN)) this.transforms.push(t(TRANSFORM_ESN, 0));
    return true;
  }
}

const article = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
