/**
 * Rounds of authentication by EAP in swanctl's terms: `auth = eap | eap-md5 | eap-mschapv2 | eap-tls`, what that comes to for the secure
 * element, and which rounds may stand beside it.
 *
 *   local eap, remote pubkey   we are asked for our name and password, or certificate: we initiate
 *   local pubkey, remote eap   we ask: the peer initiates
 *   both eap                   EAP alone (RFC 5998), by a method that authenticates both ends; either initiates
 *
 * `eap` stands for TLS, where there are certificates for it, and for passwords, where there are secrets. `eap_id` is our name where it is
 * not `id`; of the peer it is the name that counts, or, with %any, that the peer is asked for one. `aaa_id` is whose certificate
 * the authenticator's of EAP-TLS has to be, if it is not the responder's.
 */
import { START_NONE } from "../../../assembly/abi/management.ts";
import { TYPE_MD5, TYPE_MSCHAPV2, TYPE_TLS } from "../../secure_element/eap_packet.ts";
import { eapName, type EapPlan } from "../../secure_element/eap_sessions.ts";
import type { IkeSecret } from "../../secure_element/psk_store.ts";
import type { AuthWord } from "./auth_word.ts";
import { parseIdentity } from "./identity.ts";
import type { Place } from "./parser.ts";
import type { Values } from "./schema.ts";

/** Password methods, the best first. */
const PASSWORDS = [TYPE_MSCHAPV2, TYPE_MD5];
const ID_ANY = 0;
const ANY = "%any";

export interface EapRound {
  side: Values;
  word: AuthWord;
}

/** What rounds of a connection have in common. */
export interface EapContext {
  /** Both ends by EAP. */
  alone: boolean;
  remote: Values | undefined;
  /** The number of our certificate, once its round has been read. */
  credential: number | undefined;
}

const byEap = (rounds: readonly EapRound[]): boolean => rounds.some(({ word }) => word.way === "eap");
const placeOf = (section: Values, setting: string): Place => section.settings.get(setting) ?? section;
const textOf = (side: Values, setting: string): string | undefined => side.values[setting] as string | undefined;

/** Without a method named, TLS is for where a certificate is. */
export function wantsTls(side: Values, { method }: AuthWord): boolean {
  const named = side.values["certs"] !== undefined || [...side.sections.keys()].some((name) => name.startsWith("cert"));
  return method === TYPE_TLS || (method === undefined && named);
}

/** The methods that a word stands for, the best first: `eap` for those that can be, the others for themselves. */
function methodsOf({ method }: AuthWord, can: { tls: boolean; passwords: boolean; alone: boolean }): number[] {
  if (method !== undefined) return [method];
  const passwords = can.passwords ? PASSWORDS : [];
  return [...(can.tls ? [TYPE_TLS] : []), ...passwords].filter((type) => !can.alone || type !== TYPE_MD5);
}

export class EapRounds {
  readonly plans: EapPlan[] = [];
  readonly #passwords: readonly IkeSecret[];
  readonly #trust: (side: Values, wanted: boolean) => number | undefined;
  readonly #error: (place: Place, word: string, message: string) => void;

  /** `trust`: the number of whom a remote section trusts; `wanted`: there has to be somebody. */
  constructor(
    secrets: readonly IkeSecret[],
    trust: (side: Values, wanted: boolean) => number | undefined,
    error: (place: Place, word: string, message: string) => void,
  ) {
    this.#passwords = secrets.filter(({ eap }) => eap);
    this.#trust = trust;
    this.#error = error;
  }

  /** Begins a connection; what cannot be is told. */
  connection(section: Values, local: readonly EapRound[], remote: readonly EapRound[]): EapContext {
    const alone = byEap(local) && byEap(remote);
    if (alone) {
      this.#alone(local);
      this.#alone(remote);
    } else if (byEap(local)) this.#asking(local, remote);
    else if (byEap(remote)) {
      this.#asking(remote, local);
      this.#neverInitiates(section);
    }
    if (byEap(local) && section.values["ppk_id"] !== undefined && section.values["ppk_required"] !== true) {
      const message = "ppk_id: by EAP a PPK goes with ppk_required = yes, or not at all";
      this.#error(placeOf(section, "ppk_id"), "ppk_id", message);
    }
    return { alone, remote: remote[0]?.side, credential: undefined };
  }

  /** The plan by which we are asked, with the certificate of `eap`; gives its number. */
  asked({ side, word }: EapRound, identity: Uint8Array, eap: EapContext): number {
    const text = textOf(side, "eap_id");
    if (text === ANY) this.#error(placeOf(side, "eap_id"), text, "eap_id: our own identity is no pattern");
    const name = text === undefined ? undefined : new TextEncoder().encode(text);
    const tls = wantsTls(side, word);
    const passwords = this.#secretFor(name ?? eapName(identity));
    const methods = methodsOf(word, { tls, passwords, alone: eap.alone });
    if (!tls && !passwords) {
      const whose = text ?? textOf(side, "id") ?? "our address";
      this.#error(placeOf(side, "auth"), whose, `no secrets section eap* has the id '${whose}'`);
    }
    const trust = tls && eap.remote ? this.#trust(eap.remote, true) : undefined;
    return this.#plan({
      methods,
      ...(name ? { identity: name } : {}),
      ...(tls && eap.credential !== undefined ? { credential: eap.credential } : {}),
      ...(trust === undefined ? {} : { trust }),
      ...this.#server(side),
    });
  }

  /** The plan by which we ask; `trusting`: there are authorities. */
  asks({ side, word }: EapRound, { credential, alone }: EapContext, trusting: boolean): number {
    const tls = word.method === TYPE_TLS || (word.method === undefined && credential !== undefined && trusting);
    const passwords = this.#passwords.length > 0;
    const methods = methodsOf(word, { tls, passwords, alone });
    const place = placeOf(side, "auth");
    if (word.method === TYPE_TLS && credential === undefined) {
      this.#error(place, "eap-tls", "eap-tls: the local section has no certificate to prove ourselves with");
    } else if (!tls && !passwords) {
      this.#error(place, "eap", "no secrets section eap* has a name and password to ask for");
    }
    const trust = tls ? this.#trust(side, word.method === TYPE_TLS) : undefined;
    const text = textOf(side, "eap_id");
    return this.#plan({
      methods,
      ...(text === ANY ? { asks: true } : text === undefined ? {} : { identity: new TextEncoder().encode(text) }),
      ...(tls && credential !== undefined ? { credential } : {}),
      ...(trust === undefined ? {} : { trust }),
    });
  }

  #plan(plan: Omit<EapPlan, "id">): number {
    const id = this.plans.length + 1;
    this.plans.push({ id, ...plan });
    return id;
  }

  #fault(round: EapRound | undefined, message: string): void {
    if (round) this.#error(placeOf(round.side, "auth"), round.side.settings.get("auth")?.value ?? "auth", message);
  }

  #alone(rounds: readonly EapRound[]): void {
    if (rounds.length > 1) this.#fault(rounds[1], "with EAP at both ends there is one round");
    const weak = rounds.find(({ word }) => word.method === TYPE_MD5);
    this.#fault(weak, "eap-md5 authenticates one end alone: the other wants auth = pubkey");
  }

  /** Who is asked, and who asks. */
  #asking(asked: readonly EapRound[], asks: readonly EapRound[]): void {
    const round = asked.find(({ word }) => word.way === "eap");
    if (asks.length > 1) this.#fault(round, "who asks by EAP authenticates in one round");
    if (asks.some(({ word }) => word.way !== "pubkey")) {
      this.#fault(round, "who asks by EAP authenticates by a key pair: auth = pubkey (RFC 7296 2.16)");
    }
  }

  /** Who is to be asked by EAP has to begin. */
  #neverInitiates(section: Values): void {
    for (const child of section.sections.get("children")?.sections.values() ?? []) {
      for (const setting of ["start_action", "dpd_action", "close_action"]) {
        if ((child.values[setting] ?? START_NONE) === START_NONE) continue;
        const message = `${setting}: the peer authenticates by EAP, so it has to initiate`;
        this.#error(placeOf(child, setting), setting, message);
      }
    }
  }

  #secretFor(name: Uint8Array): boolean {
    return this.#passwords.some(
      ({ identities }) =>
        identities.length === 0 ||
        identities.some((one) => one[0] === ID_ANY || Buffer.compare(one.subarray(1), name) === 0),
    );
  }

  #server(side: Values): { server?: Uint8Array } {
    const text = textOf(side, "aaa_id");
    if (text === undefined) return {};
    try {
      const server = parseIdentity(text);
      return server ? { server } : {};
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#error(placeOf(side, "aaa_id"), text, `aaa_id: ${error.message}`);
      return {};
    }
  }
}
