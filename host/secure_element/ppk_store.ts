/**
 * Postquantum preshared keys (RFC 8784), in swanctl's terms: `secrets { ppk-x { id = .. secret = .. } }`.
 *
 * A PPK is found by its PPK_ID, whose octets are the data of an identity; one without any, or with `%any`, serves for all.
 */
import type { IkeSecret } from "./psk_store.ts";

const ID_ANY = 0;

const nameOf = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1");

export class PpkStore {
  #ppks = new Map<string, Uint8Array>();
  #any: Uint8Array | undefined;

  /** Replaces all; the old ones are wiped. Of two with one name the first counts. */
  load(secrets: readonly IkeSecret[]): void {
    for (const secret of this.#ppks.values()) secret.fill(0);
    this.#any?.fill(0);
    this.#ppks = new Map();
    this.#any = undefined;
    for (const { identities, secret } of secrets) {
      const named = identities.filter((identity) => identity[0] !== ID_ANY);
      if (named.length < identities.length || named.length === 0) this.#any ??= secret.slice();
      for (const identity of named) {
        const name = nameOf(identity.subarray(1));
        if (!this.#ppks.has(name)) this.#ppks.set(name, secret.slice());
      }
    }
  }

  /** The PPK of this PPK_ID, or undefined. */
  find(id: Uint8Array): Uint8Array | undefined {
    return this.#ppks.get(nameOf(id)) ?? this.#any;
  }
}
