/**
 * Pre-shared keys and which of them two identities share: swanctl.conf's `secrets { ike-x { id-a = .. secret = .. } }`.
 *
 * A secret lists identities; one without any serves everybody. Of the secrets that name at least one of the two sides the
 * best wins: one that names both, then one that names a side, then one for everybody; the earlier of equals. The rule does not
 * tell the sides apart, so both ends of an exchange come to the same secret.
 */

/** An identity as the payload has it: ID type u8, then the data (RFC 7296 section 3.5). */
export type Identity = Uint8Array;

export interface IkeSecret {
  identities: readonly Identity[];
  /** The octets; the store keeps its own copy. */
  secret: Uint8Array;
}

const equal = (a: Identity, b: Identity): boolean => a.length === b.length && a.every((octet, i) => octet === b[i]);

export class PskStore {
  #secrets: IkeSecret[] = [];

  /** Replaces all secrets; the old ones are wiped. */
  load(secrets: readonly IkeSecret[]): void {
    for (const { secret } of this.#secrets) secret.fill(0);
    this.#secrets = secrets.map(({ identities, secret }) => ({ identities: [...identities], secret: secret.slice() }));
  }

  /** The secret that `one` and `other` share, or undefined. */
  find(one: Identity, other: Identity): Uint8Array | undefined {
    let best: Uint8Array | undefined;
    let bestScore = 0;
    for (const { identities, secret } of this.#secrets) {
      const named = Number(identities.some((id) => equal(id, one))) + Number(identities.some((id) => equal(id, other)));
      // Half a point: better than nothing, worse than being named.
      const score = identities.length === 0 ? 0.5 : named;
      if (score > bestScore) {
        best = secret;
        bestScore = score;
      }
    }
    return best;
  }
}
