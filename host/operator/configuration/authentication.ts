/**
 * The rounds of authentication of a connection, from its local and remote sections: items for the IKE board, and credentials and trust
 * for the secure element. Defaults and fall-backs are strongSwan's:
 *
 *   local    the first of `certs` that has its private key; without `certs` or `pubkeys` the certificate in x509 that is one of `id`;
 *            an `id` that the certificate does not bear gives way to its subject
 *   remote   any path to an authority of x509ca or of the authorities section, through one of `cacerts` where they are named; `certs`
 *            and `pubkeys` are trusted for themselves
 *   eap      eap_round.ts; the peer's EAP identity is that of `id` unless `eap_id` says otherwise, or that it is to be asked for (%any)
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import * as abi from "../../../assembly/abi/management.ts";
import { authorityHash, isOf, type X509 } from "../../secure_element/certificate.ts";
import type { Credential, Credentials, SchemeConstraint, Trust } from "../../secure_element/credential_store.ts";
import type { IkeSecret } from "../../secure_element/psk_store.ts";
import { isSelfIssued, issuedBy, type Revocation } from "../../secure_element/path.ts";
import { keyBits, keyFamily } from "../../secure_element/signature_scheme.ts";
import type { AuthWord } from "./auth_word.ts";
import { type CredentialFiles, reason } from "./credential_files.ts";
import { type EapContext, type EapRound, EapRounds, wantsTls } from "./eap_round.ts";
import { parseIdentity } from "./identity.ts";
import type { ConfigurationError, Place } from "./parser.ts";
import type { Values } from "./schema.ts";

/** What the IKE board's tables hold (assembly/ike/auth_round.ts, connection.ts). */
const ROUNDS_MAX = 3;
const AUTHORITIES_MAX = 32;
const IDENTITY_MAX = 255;
/** Octets of the certificates that go with one AUTH. */
const CHAIN_MAX = 6000;
const AUTHORITY_OCTETS = 20;
const ID_DER_ASN1_DN = 9;

const WAYS = { any: abi.AUTH_ANY, psk: abi.AUTH_SHARED_KEY, pubkey: abi.AUTH_PUBLIC_KEY, eap: abi.AUTH_EAP } as const;
const SEND_CERT = { ifasked: abi.SEND_CERT_IF_ASKED, always: abi.SEND_CERT_ALWAYS, never: abi.SEND_CERT_NEVER };

type Add = (type: number, value: Uint8Array | number) => void;

export class Authentication {
  readonly #files: CredentialFiles;
  readonly #errors: ConfigurationError[];
  readonly #credentials: Credential[] = [];
  readonly #trusts: Trust[] = [];
  readonly #eap: EapRounds;
  readonly #named: { x509: X509; lists: Uint8Array[] }[];
  readonly #dated = new Set<string>();
  readonly #now: number;

  constructor(
    root: Values,
    files: CredentialFiles,
    secrets: readonly IkeSecret[],
    errors: ConfigurationError[],
    now = Date.now(),
  ) {
    this.#files = files;
    this.#eap = new EapRounds(
      secrets,
      (side, wanted) => this.#trust(side, wanted)?.key,
      (place, word, message) => this.#error(place, word, message),
    );
    this.#errors = errors;
    this.#now = now;
    const sections = [...(root.sections.get("authorities")?.sections.values() ?? [])];
    this.#named = sections.flatMap((section) => this.#authority(section));
  }

  get credentials(): Credentials {
    return { credentials: this.#credentials, trusts: this.#trusts, eap: this.#eap.plans };
  }

  /** Adds the items of a connection. `addresses`: our own, and networks that have them. */
  connection(section: Values, addresses: readonly string[], add: Add): void {
    const sides = [...section.sections.values()];
    const local = this.#rounds(section, sides, "local");
    const remote = this.#rounds(section, sides, "remote");
    const eap = this.#eap.connection(section, this.#worded(local), this.#worded(remote));
    for (const side of local) this.#local(side, addresses, add, eap);
    const asked = remote.flatMap((side) => this.#remote(side, add, eap));
    const policy = section.values["send_cert"] as keyof typeof SEND_CERT | undefined;
    if (policy !== undefined) add(abi.CONNECTION_SEND_CERT, SEND_CERT[policy]);
    if (asked.length === 0 || section.values["send_certreq"] === false) return;
    const hashes = new Map(
      asked.map((x509) => [Buffer.from(authorityHash(x509)).toString("hex"), authorityHash(x509)]),
    );
    const named = [...hashes.values()].slice(0, AUTHORITIES_MAX);
    const value = new Uint8Array(named.length * AUTHORITY_OCTETS);
    named.forEach((hash, i) => value.set(hash, i * AUTHORITY_OCTETS));
    add(abi.CONNECTION_AUTHORITIES, value);
  }

  /** The rounds whose `auth` is a good word. */
  #worded(sides: readonly Values[]): EapRound[] {
    return sides.flatMap((side) => {
      const word = this.#auth(side);
      return word ? [{ side, word }] : [];
    });
  }

  #error(place: Place, word: string, message: string, warning = false): void {
    this.#errors.push({ file: place.file, line: place.line, word, message, ...(warning ? { warning } : {}) });
  }

  #place(section: Values, setting: string): Place {
    return section.settings.get(setting) ?? section;
  }

  /** The sections of one side in the order of their rounds. */
  #rounds(connection: Values, sections: readonly Values[], side: "local" | "remote"): Values[] {
    const own = sections.filter(({ name }) => name.startsWith(side));
    if (own.length === 0)
      this.#error(connection, connection.name, `connection '${connection.name}' has no '${side}' section`);
    if (own.length > ROUNDS_MAX) {
      const more = own[ROUNDS_MAX] as Values;
      this.#error(more, more.name, `more than ${ROUNDS_MAX} rounds of authentication on one side`);
    }
    const round = ({ values }: Values): number => (values["round"] as number | undefined) ?? 0;
    return own.slice(0, ROUNDS_MAX).sort((a, b) => round(a) - round(b));
  }

  #identity(side: Values): Uint8Array | undefined {
    const id = side.values["id"] as string | undefined;
    if (id === undefined) return undefined;
    try {
      const identity = parseIdentity(id);
      if (identity && identity.length > IDENTITY_MAX)
        throw new RangeError(`'${id}' is longer than ${IDENTITY_MAX} octets`);
      return identity;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#error(this.#place(side, "id"), id, error.message);
      return undefined;
    }
  }

  /** swanctl's default is pubkey; undefined when the word was wrong, which has been told. */
  #auth(side: Values): AuthWord | undefined {
    const word = side.values["auth"] as AuthWord | undefined;
    return word ?? (side.settings.get("auth")?.value ? undefined : { way: "pubkey" });
  }

  #local(side: Values, addresses: readonly string[], add: Add, eap: EapContext): void {
    const word = this.#auth(side);
    if (!word) return;
    const { way, scheme } = word;
    const id = side.values["id"] as string | undefined;
    if (id?.includes("*")) this.#error(this.#place(side, "id"), id, `'${id}': our own identity is no pattern`);
    let identity = this.#identity(side);
    let key = 0;
    const certified = way === "pubkey" || (way === "eap" && wantsTls(side, word));
    if (certified) {
      const own = this.#credential(side, identity);
      if (!own) return;
      this.#checkKind(side, own.key, scheme);
      key = this.#hold(side, own, scheme);
      if (own.path.length > 0) eap.credential = key;
      const [end] = own.path;
      if (end && (way === "pubkey" || !identity)) identity = this.#borne(side, end, identity);
    }
    // Of several addresses the board knows which one it is.
    const [address] = addresses;
    if (addresses.length === 1 && address && !address.includes("/")) identity ??= parseIdentity(address);
    // EAP looks its secret up by the identity, so the board's choice is too late.
    if (!identity && (addresses.length === 0 || way === "eap")) {
      this.#error(side, side.name, "the local identity wants 'id' or a local address");
      return;
    }
    if (way === "eap" && identity) key = this.#eap.asked({ side, word }, identity, eap);
    this.#round(add, abi.CONNECTION_LOCAL_AUTH, WAYS[way], key);
    if (identity) add(abi.CONNECTION_LOCAL_ID, identity);
  }

  /** Keeps our key for the secure element; gives its number. */
  #hold(side: Values, own: { key: KeyObject; path: readonly X509[] }, scheme: SchemeConstraint | undefined): number {
    const id = this.#credentials.length + 1;
    const key = new Uint8Array(own.key.export({ format: "der", type: "pkcs8" }));
    this.#credentials.push({ id, key, certificates: own.path.map(({ der }) => der), ...(scheme ? { scheme } : {}) });
    const octets = own.path.reduce((sum, { der }) => sum + der.length, 0);
    if (octets > CHAIN_MAX) {
      const message = `the certificates to send have ${octets} octets, more than the ${CHAIN_MAX} that a message takes`;
      this.#error(side, side.name, message);
    }
    return id;
  }

  #round(add: Add, type: number, way: number, key: number): void {
    const value = new Uint8Array(8);
    const view = new DataView(value.buffer);
    view.setUint32(0, way, true);
    view.setUint32(4, key, true);
    add(type, value);
  }

  /** The identity that goes with our certificate. */
  #borne(side: Values, end: X509, identity: Uint8Array | undefined): Uint8Array {
    const subject = Uint8Array.from([ID_DER_ASN1_DN, ...end.subject]);
    if (subject.length > IDENTITY_MAX && (!identity || !isOf(end, identity))) {
      this.#error(side, side.name, `the certificate's subject is longer than ${IDENTITY_MAX} octets: say another 'id'`);
    }
    if (!identity) return subject;
    if (isOf(end, identity)) return identity[0] === ID_DER_ASN1_DN ? subject : identity;
    const id = String(side.values["id"]);
    const message = `'${id}' is not in the certificate: its subject is used instead, as strongSwan does`;
    this.#error(this.#place(side, "id"), id, message, true);
    return subject;
  }

  /** Our private key, and its certificate with the authorities that lead to a self-issued one; no certificate: a bare key. */
  #credential(side: Values, identity: Uint8Array | undefined) {
    const candidates = this.#certificates(side, "certs", "cert", "x509");
    if (!candidates) return undefined;
    if (candidates.length > 0) {
      for (const { x509 } of candidates) {
        const key = this.#files.keyOf(x509.key);
        if (key) return { key, path: this.#path(side, x509) };
      }
      const place = this.#place(side, "certs");
      const files = candidates.map(({ file }) => file).join(", ");
      this.#error(place, "certs", `no private key for the certificate in ${files}`);
      return undefined;
    }
    const [bare] = this.#publicKeys(side);
    if (bare) {
      const key = this.#files.keyOfSpki(bare);
      if (!key) this.#error(this.#place(side, "pubkeys"), "pubkeys", "no private key for the public key");
      return key ? { key, path: [] } : undefined;
    }
    if ((side.values["pubkeys"] as string[] | undefined)?.length) return undefined;
    for (const { x509 } of this.#files.certificates) {
      const key = identity === undefined || isOf(x509, identity) ? this.#files.keyOf(x509.key) : undefined;
      if (key) return { key, path: this.#path(side, x509) };
    }
    const whose = identity === undefined ? "" : ` of '${String(side.values["id"])}'`;
    this.#error(side, side.name, `no certificate${whose} with a private key: name it by 'certs', or say auth = psk`);
    return undefined;
  }

  /** The certificate, and the authorities that lead to a self-issued one, which the peer has. */
  #path(side: Values, end: X509): X509[] {
    const path = [end];
    this.#checkDates(this.#place(side, "certs"), end);
    const authorities = this.#authorities;
    for (;;) {
      const last = path.at(-1) as X509;
      if (isSelfIssued(last)) return path.length > 1 ? path.slice(0, -1) : path;
      const issuer = authorities.find((one) => !path.includes(one) && issuedBy(last, one));
      if (!issuer) return path;
      path.push(issuer);
    }
  }

  #remote(side: Values, add: Add, eap: EapContext): X509[] {
    const word = this.#auth(side);
    if (!word) return [];
    const { way, scheme } = word;
    const identity = this.#identity(side);
    const trust =
      way === "any" || way === "pubkey" ? this.#trust(side, way === "pubkey", scheme) : { key: 0, asked: [] };
    if (!trust) return [];
    this.#round(
      add,
      abi.CONNECTION_REMOTE_AUTH,
      WAYS[way],
      way === "eap" ? this.#eap.asks({ side, word }, eap, this.#authorities.length > 0) : trust.key,
    );
    if (identity) add(abi.CONNECTION_REMOTE_ID, identity);
    return trust.asked;
  }

  /** Whom to trust, and the authorities to ask for; undefined after an error. `wanted`: there has to be somebody. */
  #trust(side: Values, wanted: boolean, scheme?: SchemeConstraint): { key: number; asked: X509[] } | undefined {
    const certificates = this.#certificates(side, "certs", "cert", "x509");
    const through = this.#certificates(side, "cacerts", "cacert", "x509ca");
    const keys = this.#publicKeys(side);
    if (!certificates || !through) return undefined;
    const known = this.#authorities;
    for (const { x509 } of certificates) this.#checkDates(this.#place(side, "certs"), x509);
    const authorities = [...known, ...through.map(({ x509 }) => x509)];
    const bare = (side.values["pubkeys"] as string[] | undefined)?.length;
    if (wanted && certificates.length === 0 && !bare && authorities.length === 0) {
      this.#error(
        side,
        side.name,
        "no authority to trust: x509ca is empty, and neither 'certs' nor 'pubkeys' names the peer's",
      );
    }
    let asked: X509[] = [];
    if (certificates.length === 0 && !bare) asked = through.length > 0 ? through.map(({ x509 }) => x509) : known;
    for (const x509 of asked) this.#checkDates(this.#place(side, "cacerts"), x509);
    const key = this.#trusts.length + 1;
    const policies = side.values["cert_policy"] as string[] | undefined;
    this.#trusts.push({
      id: key,
      authorities: authorities.map(({ der }) => der),
      lists: [...this.#files.lists, ...this.#named.flatMap(({ lists }) => lists)],
      through: through.map(({ x509 }) => x509.der),
      certificates: certificates.map(({ x509 }) => x509.der),
      keys,
      ...(policies ? { policies } : {}),
      ...(scheme ? { scheme } : {}),
      revocation: (side.values["revocation"] as Revocation | undefined) ?? "relaxed",
    });
    return { key, asked };
  }

  get #authorities(): X509[] {
    return [...this.#files.authorities.map(({ x509 }) => x509), ...this.#named.map(({ x509 }) => x509)];
  }

  /** The certificates that a setting, and sections with a file in them, name; undefined after an error. */
  #certificates(side: Values, setting: string, sections: string, directory: "x509" | "x509ca") {
    const found: { file: string; x509: X509 }[] = [];
    let whole = true;
    const take = (place: Place, name: string): void => {
      try {
        found.push(this.#files.certificate(name, directory));
      } catch (error) {
        whole = false;
        this.#error(place, name, `${setting}: certificate '${name}' cannot be read: ${reason(error)}`);
      }
    };
    for (const name of (side.values[setting] as string[] | undefined) ?? []) take(this.#place(side, setting), name);
    for (const section of side.sections.values()) {
      if (!section.name.startsWith(sections)) continue;
      const file = section.values["file"] as string | undefined;
      if (file !== undefined) take(this.#place(section, "file"), file);
      else this.#error(section, section.name, `section '${section.name}' names no file`);
    }
    return whole ? found : undefined;
  }

  #publicKeys(side: Values): Uint8Array[] {
    return ((side.values["pubkeys"] as string[] | undefined) ?? []).flatMap((name) => {
      try {
        return [this.#files.publicKey(name)];
      } catch (error) {
        this.#error(this.#place(side, "pubkeys"), name, `pubkeys: '${name}' cannot be read: ${reason(error)}`);
        return [];
      }
    });
  }

  #authority(section: Values): { x509: X509; lists: Uint8Array[] }[] {
    const name = (section.values["cacert"] ?? section.values["file"]) as string | undefined;
    const lists: Uint8Array[] = [];
    for (const uri of (section.values["crl_uris"] as string[] | undefined) ?? []) {
      const place = this.#place(section, "crl_uris");
      if (/^[a-z]+:/.test(uri) && !uri.startsWith("file:")) {
        this.#error(place, uri, `crl_uris: '${uri}': lists are read from files, not fetched by this gateway`);
        continue;
      }
      try {
        lists.push(this.#files.list(this.#files.path(uri.replace(/^file:(\/\/)?/, ""), "x509crl")));
      } catch (error) {
        this.#error(place, uri, `crl_uris: list '${uri}' cannot be read: ${reason(error)}`);
      }
    }
    if (name === undefined) {
      this.#error(section, section.name, `authority '${section.name}' names no 'cacert'`);
      return [];
    }
    try {
      return [{ x509: this.#files.certificate(name, "x509ca").x509, lists }];
    } catch (error) {
      this.#error(
        this.#place(section, "cacert"),
        name,
        `cacert: certificate '${name}' cannot be read: ${reason(error)}`,
      );
      return [];
    }
  }

  /** Our key has to be one of the kinds that our 'auth' names. */
  #checkKind(side: Values, key: KeyObject, scheme: SchemeConstraint | undefined): void {
    for (const { kinds } of [scheme ?? {}, scheme?.ike ?? {}]) {
      if (kinds === undefined) continue;
      const fits = kinds.some(({ family, bits }) => family === keyFamily(key) && keyBits(key) >= (bits ?? 0));
      if (fits) continue;
      const what = `${keyFamily(key) ?? "of a kind that is not supported"}, ${keyBits(key)} bits`;
      const auth = side.settings.get("auth")?.value ?? "";
      this.#error(this.#place(side, "auth"), auth, `auth: '${auth}' asks for another key than ours (${what})`);
      return;
    }
  }

  /** A certificate that is out of date does not keep the gateway from starting: clocks may be wrong, and others may do. */
  #checkDates(place: Place, { der, parsed }: X509): void {
    const { fingerprint256, subject } = new X509Certificate(der);
    if (this.#dated.has(fingerprint256)) return;
    this.#dated.add(fingerprint256);
    const [from, to] = [parsed.notBefore.value, parsed.notAfter.value];
    const name = subject.replaceAll("\n", ", ");
    if (this.#now > to.getTime()) {
      this.#error(
        place,
        name,
        `the certificate of '${name}' has expired: it was valid until ${to.toISOString()}`,
        true,
      );
    } else if (this.#now < from.getTime()) {
      this.#error(
        place,
        name,
        `the certificate of '${name}' is not yet valid: it will be from ${from.toISOString()}`,
        true,
      );
    }
  }
}
