/**
 * Pre-shared keys and which of them two identities share: swanctl.conf's `secrets { ike-x { id-a = .. secret = .. } }`.
 *
 * A secret lists identities; one without any, or with `%any`, serves everybody. The match of an identity is strongSwan's: exact
 * (without regard to case in names), then a name with a wildcard at its head (`*.example.org`), then any. Of the secrets that fit
 * at least one side the best wins: the one whose worse match is better, then whose better match is better, then the earlier.
 * strongSwan looks at the remote side first instead; here the sides are not told apart, so that both AUTH payloads of an
 * exchange, asked for from either end, come from the same secret. The two differ only for secrets that fit one side each.
 */

import type { MacKey } from "./hmac.ts";
import { prf, prfKey } from "./prf.ts";

/** An identity as the payload has it: ID type u8, then the data (RFC 7296 section 3.5). Type 0 stands for any. */
export type Identity = Uint8Array;

export interface IkeSecret {
  identities: readonly Identity[];
  /** The octets; the store keeps its own copy. */
  secret: Uint8Array;
  /** A postquantum preshared key (ppk_store.ts). */
  ppk?: boolean;
  /** A user's password, for EAP (eap_sessions.ts). */
  eap?: boolean;
}

const ID_ANY = 0;
const ID_FQDN = 2;
const ID_RFC822_ADDR = 3;
const ASTERISK = 0x2a;

const MATCH_NONE = 0;
const MATCH_ANY = 1;
const MATCH_WILDCARD = 2;
const MATCH_PERFECT = 3;

/** ASCII capitals made small. */
const fold = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet);

/** Do the octets of `a` from `from` on, and those of `b` from `other` on, agree? */
function agree(a: Identity, from: number, b: Identity, other: number, foldCase: boolean): boolean {
  if (a.length - from !== b.length - other) return false;
  for (let i = from, j = other; i < a.length; i++, j++) {
    const [x, y] = [a[i] as number, b[j] as number];
    if (foldCase ? fold(x) !== fold(y) : x !== y) return false;
  }
  return true;
}

/** How well `pattern` of a secret fits an identity. */
function match(identity: Identity, pattern: Identity): number {
  if (pattern[0] === ID_ANY) return MATCH_ANY;
  if (identity.length === 0 || identity[0] !== pattern[0]) return MATCH_NONE;
  const name = pattern[0] === ID_FQDN || pattern[0] === ID_RFC822_ADDR;
  if (agree(identity, 1, pattern, 1, name)) return MATCH_PERFECT;
  if (!name || pattern[1] !== ASTERISK) return MATCH_NONE;
  const tail = pattern.length - 2;
  if (tail === 0) return MATCH_ANY;
  if (identity.length - 1 < tail) return MATCH_NONE;
  return agree(identity, identity.length - tail, pattern, 2, true) ? MATCH_WILDCARD : MATCH_NONE;
}

/** RFC 7296 section 2.15. */
const KEY_PAD = Buffer.from("Key Pad for IKEv2", "ascii");

/** The key of AUTH with a shared key, which is the caller's to wipe: prf(shared, "Key Pad for IKEv2"). */
export const authKey = (id: number, shared: Uint8Array): Uint8Array => prf(id, shared, KEY_PAD);

/** A secret with the keys of AUTH that were made of it, by PRF. */
interface Held {
  identities: readonly Identity[];
  secret: Uint8Array;
  authKeys: Map<number, MacKey>;
}

export class PskStore {
  #secrets: Held[] = [];

  /** Replaces all secrets; the old ones are wiped. */
  load(secrets: readonly IkeSecret[]): void {
    for (const { secret, authKeys } of this.#secrets) {
      secret.fill(0);
      for (const key of authKeys.values()) key.destroy();
    }
    this.#secrets = secrets.map(({ identities, secret }) => ({
      identities: [...identities],
      secret: secret.slice(),
      authKeys: new Map(),
    }));
  }

  /**
   * The key of AUTH by the secret that `one` and `other` share and a PRF that isPrf knows; undefined when they share none. It stays the
   * store's. An empty identity is one that is not known yet.
   */
  authKey(id: number, one: Identity, other: Identity): MacKey | undefined {
    const held = this.#find(one, other);
    if (!held) return undefined;
    const known = held.authKeys.get(id);
    if (known) return known;
    const octets = authKey(id, held.secret);
    const key = prfKey(id, octets);
    octets.fill(0);
    held.authKeys.set(id, key);
    return key;
  }

  #find(one: Identity, other: Identity): Held | undefined {
    let best: Held | undefined;
    let bestScore = 0;
    for (const held of this.#secrets) {
      const { identities } = held;
      const of = (identity: Identity): number =>
        identities.length === 0 ? MATCH_ANY : Math.max(...identities.map((pattern) => match(identity, pattern)));
      const [a, b] = [of(one), of(other)];
      const score = Math.min(a, b) * (MATCH_PERFECT + 1) + Math.max(a, b);
      if (score > bestScore) {
        best = held;
        bestScore = score;
      }
    }
    return best;
  }
}
