/**
 * strongSwan's proposal grammar: algorithms joined by '-', proposals by ',', in order of preference.
 *
 *   IKE   aes256gcm16-prfsha384-ecp256     cipher that authenticates, PRF, key exchange
 *         aes256-sha256-modp2048           cipher, integrity (and its PRF), key exchange
 *   ESP   aes128gcm16-x25519-noesn         cipher, key exchange for PFS if wanted, ESN
 *         aes256-sha256                    cipher, integrity
 *   AH    sha256-x25519-esn                integrity, key exchange for PFS if wanted, ESN
 *         aes128gmac                       the cipher that is none, as integrity
 *
 * As strongSwan does it: an IKE proposal that names no PRF has those of its integrity algorithms; with ciphers that
 * authenticate, integrity is no transform, but in IKE it still stands for the PRF; ciphers that authenticate and others are
 * not mixed in a proposal. An algorithm that strongSwan knows and this gateway does not is left out with a warning while
 * another of its kind remains in the proposal, and a proposal while another remains; never is a kind left out that was asked
 * for, so a proposal with key exchange does not lose it. When nothing remains, that is an error.
 *
 * Refuses ESP that encrypts without integrity, which strongSwan allows, and IKE that does not encrypt (null, AES-GMAC).
 */
import { nearest } from "./nearest.ts";
import {
  TRANSFORM_ADDKE,
  TRANSFORM_ENCR,
  TRANSFORM_ESN,
  TRANSFORM_INTEG,
  TRANSFORM_KE,
  TRANSFORM_PRF,
  type TransformValue,
} from "../transform_name.ts";

const t = (type: number, id: number, keyBits = 0): TransformValue => ({ type, id, keyBits });

const NULL = 11;
const AES_CBC = 12;
const AES_CTR = 13;
const AES_CCM_8 = 14;
const AES_CCM_12 = 15;
const AES_CCM_16 = 16;
const AES_GCM_8 = 18;
const AES_GCM_12 = 19;
const AES_GCM_16 = 20;
const NULL_AES_GMAC = 21;
const CHACHA20_POLY1305 = 28;

/** AES-GMAC as integrity of AH, by bits of its key. */
const GMAC_OF_BITS: Record<number, number> = { 128: 9, 192: 10, 256: 11 };

/** Ciphers that want an integrity algorithm beside them; all others authenticate. */
const CLASSIC = new Set([NULL, AES_CBC, AES_CTR]);
/** Ciphers that leave their payload in clear. */
const CLEAR = new Set([NULL, NULL_AES_GMAC]);

/** AES by what stands behind `aes128`. */
const AES: Record<string, number> = {
  "": AES_CBC,
  ctr: AES_CTR,
  ccm8: AES_CCM_8,
  ccm64: AES_CCM_8,
  ccm12: AES_CCM_12,
  ccm96: AES_CCM_12,
  ccm16: AES_CCM_16,
  ccm128: AES_CCM_16,
  ccm: AES_CCM_16,
  gcm8: AES_GCM_8,
  gcm64: AES_GCM_8,
  gcm12: AES_GCM_12,
  gcm96: AES_GCM_12,
  gcm16: AES_GCM_16,
  gcm128: AES_GCM_16,
  gcm: AES_GCM_16,
  gmac: NULL_AES_GMAC,
};

/** What this gateway negotiates, by strongSwan's keywords. */
const SUPPORTED: Record<string, TransformValue> = {
  ...Object.fromEntries(
    Object.entries(AES).flatMap(([mode, id]) =>
      [128, 192, 256].map((bits) => [`aes${bits}${mode}`, t(TRANSFORM_ENCR, id, bits)]),
    ),
  ),
  aes: t(TRANSFORM_ENCR, AES_CBC, 128),
  chacha20poly1305: t(TRANSFORM_ENCR, CHACHA20_POLY1305),
  null: t(TRANSFORM_ENCR, NULL),
  sha: t(TRANSFORM_INTEG, 2),
  sha1: t(TRANSFORM_INTEG, 2),
  aesxcbc: t(TRANSFORM_INTEG, 5),
  aescmac: t(TRANSFORM_INTEG, 8),
  sha256: t(TRANSFORM_INTEG, 12),
  sha2_256: t(TRANSFORM_INTEG, 12),
  sha384: t(TRANSFORM_INTEG, 13),
  sha2_384: t(TRANSFORM_INTEG, 13),
  sha512: t(TRANSFORM_INTEG, 14),
  sha2_512: t(TRANSFORM_INTEG, 14),
  prfsha1: t(TRANSFORM_PRF, 2),
  prfaesxcbc: t(TRANSFORM_PRF, 4),
  prfsha256: t(TRANSFORM_PRF, 5),
  prfsha384: t(TRANSFORM_PRF, 6),
  prfsha512: t(TRANSFORM_PRF, 7),
  prfaescmac: t(TRANSFORM_PRF, 8),
  modp2048: t(TRANSFORM_KE, 14),
  modp3072: t(TRANSFORM_KE, 15),
  modp4096: t(TRANSFORM_KE, 16),
  modp6144: t(TRANSFORM_KE, 17),
  modp8192: t(TRANSFORM_KE, 18),
  ecp256: t(TRANSFORM_KE, 19),
  ecp384: t(TRANSFORM_KE, 20),
  ecp521: t(TRANSFORM_KE, 21),
  x25519: t(TRANSFORM_KE, 31),
  curve25519: t(TRANSFORM_KE, 31),
  x448: t(TRANSFORM_KE, 32),
  curve448: t(TRANSFORM_KE, 32),
  esn: t(TRANSFORM_ESN, 1),
  noesn: t(TRANSFORM_ESN, 0),
};

/** What is done as an additional key exchange alone: `ke1_mlkem768`. */
const ADDITIONAL: Record<string, number> = { mlkem512: 35, mlkem768: 36, mlkem1024: 37, none: 0 };

/** The method of `ke1_ecp384` and the like. */
function additional(word: string): TransformValue | undefined {
  const [, number, name] = /^ke([1-7])_(.+)$/.exec(word) ?? [];
  if (number === undefined || name === undefined) return undefined;
  const sole = Object.hasOwn(SUPPORTED, name) ? SUPPORTED[name] : undefined;
  const id = Object.hasOwn(ADDITIONAL, name) ? ADDITIONAL[name] : sole?.type === TRANSFORM_KE ? sole.id : undefined;
  return id === undefined ? undefined : t(TRANSFORM_ADDKE + Number(number) - 1, id);
}

/** The PRF that goes with an integrity transform. */
const PRF_OF_INTEGRITY: Record<number, number> = { 2: 2, 5: 4, 8: 8, 12: 5, 13: 6, 14: 7 };

/** strongSwan's other keywords, by kind. */
const KNOWN = new Map<string, number>(
  (
    [
      [
        TRANSFORM_ENCR,
        "chacha20poly1305compat camellia camellia128 camellia192 camellia256 camellia128ctr camellia192ctr camellia256ctr " +
          "camellia128ccm8 camellia192ccm8 camellia256ccm8 camellia128ccm64 camellia192ccm64 camellia256ccm64 " +
          "camellia128ccm12 camellia192ccm12 camellia256ccm12 camellia128ccm96 camellia192ccm96 camellia256ccm96 " +
          "camellia128ccm16 camellia192ccm16 camellia256ccm16 camellia128ccm128 camellia192ccm128 camellia256ccm128 " +
          "serpent serpent128 serpent192 serpent256 twofish twofish128 twofish192 twofish256",
      ],
      [TRANSFORM_INTEG, "sha1_160 sha256_96 sha2_256_96 camelliaxcbc"],
      [TRANSFORM_PRF, "prfcamelliaxcbc"],
      [
        TRANSFORM_KE,
        "modp2048s224 modp2048s256 modpnone ecp224 ecp224bp ecp256bp ecp384bp ecp512bp newhope newhope128 " +
          "mlkem512 mlkem768 mlkem1024 none",
      ],
    ] as const
  ).flatMap(([type, words]) => words.split(" ").map((word) => [word, type] as const)),
);

/** Those that nobody should use any more (RFC 8221, 8247), by kind: this gateway will not learn them. */
const BROKEN = new Map<string, number>(
  (
    [
      [TRANSFORM_ENCR, "des 3des blowfish blowfish128 blowfish192 blowfish256 cast128"],
      [TRANSFORM_INTEG, "md5 md5_128"],
      [TRANSFORM_PRF, "prfmd5"],
      [TRANSFORM_KE, "modpnull modp768 modp1024 modp1024s160 modp1536 ecp192"],
    ] as const
  ).flatMap(([type, words]) => words.split(" ").map((word) => [word, type] as const)),
);

/** Additional key exchanges (RFC 9370): ke1_mlkem768. */
const ADDITIONAL_KE = /^ke[1-7]_/;

const KIND: Record<number, string> = {
  [TRANSFORM_ENCR]: "encryption algorithm",
  [TRANSFORM_PRF]: "PRF",
  [TRANSFORM_INTEG]: "integrity algorithm",
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

/**
 * What `default` stands for: what is strong, fast first. Not in it, and to be named where a peer wants them: SHA-1, ICVs of
 * less than 16 octets, AES-CTR and CCM, which nobody has who lacks these, and ESP that does not encrypt.
 */
const EXCHANGES = "x25519-ecp256-ecp384-ecp521-x448-modp3072-modp4096-modp2048";
const DEFAULT_IKE = [
  `aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-${EXCHANGES}`,
  `aes256-aes128-sha384-sha256-sha512-${EXCHANGES}`,
];
const DEFAULT_ESP = ["aes256gcm16-aes128gcm16-chacha20poly1305", "aes256-aes128-sha256-sha384-sha512"];
const DEFAULT_AH = ["sha256-sha384-sha512"];
const DEFAULTS = { ike: DEFAULT_IKE, esp: DEFAULT_ESP, ah: DEFAULT_AH };

export type ProposalKind = keyof typeof DEFAULTS;

/** The proposals of a setting that are usable, and what is wrong with the others. */
export function parseProposals(
  text: string,
  kind: ProposalKind,
): { proposals: TransformValue[][]; errors: ProposalError[] } {
  const errors: ProposalError[] = [];
  const unusable: ProposalError[] = [];
  const proposals: TransformValue[][] = [];
  const words = text.split(",").map((word) => word.trim());
  const expanded = words.flatMap((word) => (word === "default" ? DEFAULTS[kind] : [word]));
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
  readonly #text: string;
  readonly #kind: ProposalKind;

  constructor(text: string, kind: ProposalKind) {
    this.#text = text;
    this.#kind = kind;
  }

  parse(): void {
    for (const word of this.#text.split("-")) this.#algorithm(word);
    if (this.errors.length > 0) return;
    this.#prfOfIntegrity();
    this.usable = this.#complete();
  }

  #algorithm(raw: string): void {
    const word = raw.toLowerCase();
    const known = Object.hasOwn(SUPPORTED, word) ? SUPPORTED[word] : additional(word);
    const transform = known && this.#kind === "ah" ? ofAh(known) : known;
    if (transform) {
      this.#add(transform);
      if (this.#kind === "ike" && transform.type === TRANSFORM_ENCR && CLEAR.has(transform.id)) {
        this.errors.push({ word: raw, message: `'${raw}' does not encrypt: it has no place in IKE` });
      }
      return;
    }
    const type = KNOWN.get(word) ?? BROKEN.get(word) ?? (ADDITIONAL_KE.test(word) ? TRANSFORM_KE : undefined);
    if (type !== undefined) {
      // An additional exchange is a kind of its own: without it the proposal is another one.
      this.#asked.add(ADDITIONAL_KE.test(word) ? -1 : type);
      const message = BROKEN.has(word)
        ? `algorithm '${raw}' is refused by this gateway: it is too weak`
        : `algorithm '${raw}' is known to strongSwan, but not supported by this gateway`;
      this.unsupported.push({ word: raw, message, unsupported: true });
      return;
    }
    const near = nearest(word, Object.keys(SUPPORTED));
    this.errors.push({ word: raw, message: `'${raw}' is no algorithm`, ...(near ? { nearest: near } : {}) });
  }

  #add(transform: TransformValue): void {
    this.#asked.add(transform.type);
    const same = ({ type, id, keyBits }: TransformValue): boolean =>
      type === transform.type && id === transform.id && keyBits === transform.keyBits;
    if (!this.transforms.some(same)) this.transforms.push(transform);
  }

  #of(type: number): TransformValue[] {
    return this.transforms.filter((transform) => transform.type === type);
  }

  /** Where an IKE proposal names no PRF, its integrity algorithms name it. */
  #prfOfIntegrity(): void {
    if (this.#kind !== "ike" || this.#asked.has(TRANSFORM_PRF) || !this.#asked.has(TRANSFORM_INTEG)) return;
    this.#asked.add(TRANSFORM_PRF);
    for (const { id } of this.#of(TRANSFORM_INTEG)) this.#add(t(TRANSFORM_PRF, PRF_OF_INTEGRITY[id] as number));
  }

  #complete(): boolean {
    const fault = (message: string): boolean => {
      this.errors.push({ word: this.#text, message: `proposal '${this.#text}' ${message}` });
      return false;
    };
    const place = this.#kind === "ah" ? "AH" : "ESP";
    if (this.#kind !== "ike" && this.#asked.has(TRANSFORM_PRF))
      return fault(`names a PRF, which has no place in ${place}`);
    if (this.#kind === "ah" && this.#asked.has(TRANSFORM_ENCR))
      return fault("names a cipher, which has no place in AH");
    if (this.#kind === "ike" && this.#asked.has(TRANSFORM_ESN)) return fault("names ESN, which has no place in IKE");
    const ciphers = this.#of(TRANSFORM_ENCR);
    const additional = this.transforms.some(({ type }) => type >= TRANSFORM_ADDKE);
    if (additional && !this.#asked.has(TRANSFORM_KE)) return fault("wants a key exchange method, such as x25519");
    const classic = ciphers.filter(({ id }) => CLASSIC.has(id));
    const mixed = classic.length > 0 && classic.length < ciphers.length;
    if (mixed) return fault("mixes ciphers that authenticate with others: they want proposals of their own");
    const wanted = WANTED[this.#kind].slice();
    if (classic.length > 0) wanted.splice(1, 0, TRANSFORM_INTEG);
    const examples: Record<number, string> = {
      [TRANSFORM_ENCR]: "aes256gcm16",
      [TRANSFORM_INTEG]: "sha256",
      [TRANSFORM_PRF]: "prfsha256 (an AEAD brings none)",
      [TRANSFORM_KE]: "x25519",
    };
    for (const type of wanted) {
      if (!this.#asked.has(type)) return fault(`wants ${article(KIND[type] as string)}, such as ${examples[type]}`);
    }
    // With ciphers that authenticate, integrity is theirs.
    if (ciphers.length > 0 && classic.length === 0) {
      this.transforms = this.transforms.filter(({ type }) => type !== TRANSFORM_INTEG);
      this.#asked.delete(TRANSFORM_INTEG);
    }
    // Asked for, but nothing of it is supported: the algorithms have been told already.
    if ([...this.#asked].some((type) => this.#of(type).length === 0)) return false;
    // RFC 7296 section 3.3.3: ESN is mandatory in a proposal for ESP or AH.
    if (this.#kind !== "ike" && this.#of(TRANSFORM_ESN).length === 0) this.transforms.push(t(TRANSFORM_ESN, 0));
    return true;
  }
}

/** What no proposal may lack. */
const WANTED: Record<ProposalKind, readonly number[]> = {
  ike: [TRANSFORM_ENCR, TRANSFORM_PRF, TRANSFORM_KE],
  esp: [TRANSFORM_ENCR],
  ah: [TRANSFORM_INTEG],
};

/** What an algorithm is in AH: AES-GMAC is integrity. */
function ofAh(transform: TransformValue): TransformValue {
  const gmac = transform.type === TRANSFORM_ENCR && transform.id === NULL_AES_GMAC;
  return gmac ? t(TRANSFORM_INTEG, GMAC_OF_BITS[transform.keyBits] as number) : transform;
}

const article = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
