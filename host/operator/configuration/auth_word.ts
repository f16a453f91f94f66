/**
 * swanctl's `auth`: `psk`, `pubkey`, `any`, or kinds of keys with least strengths, hashes, and what goes for IKE's own signature:
 *
 *   rsa-2048-sha256-sha384   ecdsa-256   ed25519   rsa/pss   pubkey-sha384   rsa-3072-sha256-ike:rsa/pss-sha384
 *
 * or `eap`, alone or with its method.
 */
import type { KeyKind, SchemeChoice, SchemeConstraint } from "../../secure_element/credential_store.ts";
import { TYPE_MD5, TYPE_MSCHAPV2, TYPE_TLS } from "../../secure_element/eap_packet.ts";
import { nearest } from "./nearest.ts";
import { WordError } from "./value.ts";

export type AuthWay = "any" | "psk" | "pubkey" | "eap";

export interface AuthWord {
  way: AuthWay;
  /** EAP type; absent: any that can be. */
  method?: number;
  scheme?: SchemeConstraint;
}

const KINDS: Record<string, KeyKind> = {
  rsa: { family: "rsa" },
  "rsa/pss": { family: "rsa", pss: true },
  ecdsa: { family: "ecdsa" },
  ed25519: { family: "ed25519" },
  ed448: { family: "ed448" },
};
const HASHES = ["sha256", "sha384", "sha512"] as const;
type Hash = (typeof HASHES)[number];
/** Names that swanctl has for hashes of keys that have their own. */
const OWN_HASH = "identity";

const EAP_METHODS: Record<string, number> = {
  "eap-mschapv2": TYPE_MSCHAPV2,
  "eap-md5": TYPE_MD5,
  "eap-tls": TYPE_TLS,
};

class Choice {
  readonly kinds: KeyKind[] = [];
  readonly hashes: Hash[] = [];

  get(): SchemeChoice {
    return {
      ...(this.kinds.length > 0 ? { kinds: this.kinds } : {}),
      ...(this.hashes.length > 0 ? { hashes: this.hashes } : {}),
    };
  }
}

/** Reads the word. Throws RangeError with what is wrong with it. */
export function authWord(text: string): AuthWord {
  if (text === "psk" || text === "any") return { way: text };
  if (text === "eap") return { way: "eap" };
  if (Object.hasOwn(EAP_METHODS, text)) return { way: "eap", method: EAP_METHODS[text] as number };
  if (/^(eap|xauth)\b/.test(text)) {
    const methods = ["eap", ...Object.keys(EAP_METHODS)].join(", ");
    throw new RangeError(`'${text}' is not supported by this gateway: of EAP it does ${methods}`);
  }
  const path = new Choice();
  let ike: Choice | undefined;
  for (let token of text.split("-")) {
    if (token.startsWith("ike:")) {
      ike ??= new Choice();
      token = token.slice(4);
    }
    take(ike ?? path, token, text);
  }
  const own = path.get();
  const scheme: SchemeConstraint = ike ? { ...own, ike: ike.get() } : own;
  return Object.keys(scheme).length > 0 ? { way: "pubkey", scheme } : { way: "pubkey" };
}

function take(choice: Choice, token: string, text: string): void {
  if (token === "pubkey" || token === OWN_HASH) return;
  if (Object.hasOwn(KINDS, token)) {
    choice.kinds.push({ ...(KINDS[token] as KeyKind) });
    return;
  }
  if ((HASHES as readonly string[]).includes(token)) {
    choice.hashes.push(token as Hash);
    return;
  }
  const last = choice.kinds.at(-1);
  if (/^\d{3,5}$/.test(token) && last) {
    last.bits = Number(token);
    return;
  }
  if (token === "sha1") throw new RangeError(`'${text}': signatures with SHA-1 are refused by this gateway`);
  const words = ["psk", "any", "pubkey", "eap", ...Object.keys(KINDS), ...HASHES];
  throw new WordError(
    `'${token}' is none of ${words.join(", ")}, nor the least strength of a key`,
    nearest(token, words),
  );
}
