/**
 * EAP for the IKE board (abi/psa.ts PSA_EAP_*): plans, which say what a round of authentication by EAP takes, the secrets of users, and
 * the sessions under way. What a session knows, the MSK foremost, never leaves; it is wiped when the session ends.
 *
 * Bounded: SESSIONS_MAX at a time, and SESSION_LIFETIME for each, as the board may have had a reset in between. A secret is one of an
 * identity when it names it, to the letter; one that names none serves everybody, as with strongSwan. A name without a secret is taken
 * through the method with one that is drawn, so that who asks cannot tell it from a wrong password.
 */
import { randomBytes } from "node:crypto";
import {
  EAP_AUTHENTICATOR,
  EAP_FAILED,
  EAP_IDENTITY,
  EAP_PEER,
  EAP_REASON_NO_METHOD,
  EAP_REASON_NO_SECRET,
  EAP_REASON_PROOF,
  EAP_SUCCEEDED,
  PSA_ERROR_DOES_NOT_EXIST,
  PSA_ERROR_INSUFFICIENT_MEMORY,
  PSA_ERROR_INVALID_ARGUMENT,
  PSA_ERROR_INVALID_HANDLE,
  PSA_ERROR_NOT_PERMITTED,
  PSA_SUCCESS,
  VERDICT_NO_PATH,
} from "../../assembly/abi/psa.ts";
import type { CredentialStore } from "./credential_store.ts";
import { EapAuthenticator } from "./eap_authenticator.ts";
import { Md5Authenticator, Md5Peer } from "./eap_md5.ts";
import type { EapMethod } from "./eap_method.ts";
import { MsChapV2Authenticator, MsChapV2Peer } from "./eap_mschapv2.ts";
import { TYPE_MD5, TYPE_MSCHAPV2, TYPE_TLS } from "./eap_packet.ts";
import { EapPeer, type EapSide, type EapStep } from "./eap_peer.ts";
import { EapTlsAuthenticator, EapTlsPeer } from "./eap_tls.ts";
import type { IkeSecret } from "./psk_store.ts";

/** A round of authentication by EAP. */
export interface EapPlan {
  id: number;
  /** EAP types, the best first. */
  methods: readonly number[];
  /** The EAP identity; absent: the EAP peer's of IKE. */
  identity?: Uint8Array;
  /** Authenticator: the peer is asked for it. */
  asks?: boolean;
  /** EAP-TLS: our credential, whom to trust, and, as peer, whose the authenticator's certificate has to be, if not IDr's. */
  credential?: number;
  trust?: number;
  server?: Uint8Array;
}

export interface EapAnswer {
  status: number;
  key?: number;
  field?: Uint8Array;
}

interface Session {
  side: EapSide;
  born: number;
  succeeded: boolean;
  /** A packet is at the method. */
  busy: boolean;
  /** The secret was drawn: there is none for that identity. */
  stranger: boolean;
}

const SESSIONS_MAX = 1024;
/** ms. */
const SESSION_LIFETIME = 120_000;
const PACKET_MAX = 4096;
const IDENTITY_SHOWN_MAX = 255;

const ID_IPV4_ADDR = 1;
const ID_FQDN = 2;
const ID_RFC822_ADDR = 3;
const AT = 0x40;
const ID_ANY = 0;

const invalid: EapAnswer = { status: PSA_ERROR_INVALID_ARGUMENT };

/** What an identification comes to as an EAP identity: an address in letters, else its data. */
export const eapName = (identification: Uint8Array): Uint8Array =>
  identification[0] === ID_IPV4_ADDR
    ? new TextEncoder().encode(identification.subarray(1).join("."))
    : Uint8Array.from(identification.subarray(1));

/** The identification that a certificate of an EAP identity bears. */
const identificationOf = (name: Uint8Array): Uint8Array =>
  Uint8Array.from([name.includes(AT) ? ID_RFC822_ADDR : ID_FQDN, ...name]);

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export class EapSessions {
  #plans = new Map<number, EapPlan>();
  #secrets: IkeSecret[] = [];
  readonly #credentials: CredentialStore;
  readonly #now: () => number;
  readonly #date: () => number;
  /** Oldest first. */
  readonly #sessions = new Map<number, Session>();
  #next = 1;

  /** `now`: a clock in ms; `date`: ms since 1970. */
  constructor(credentials: CredentialStore, now: () => number, date: () => number) {
    this.#credentials = credentials;
    this.#now = now;
    this.#date = date;
  }

  /** Sessions under way. */
  get held(): number {
    return this.#sessions.size;
  }

  loadPlans(plans: readonly EapPlan[]): void {
    this.#plans = new Map(plans.map((plan) => [plan.id, plan]));
  }

  /** Replaces all secrets; the old ones are wiped. */
  loadSecrets(secrets: readonly IkeSecret[]): void {
    for (const { secret } of this.#secrets) secret.fill(0);
    this.#secrets = secrets.map(({ identities, secret }) => ({
      identities: [...identities],
      secret: Uint8Array.from(secret),
    }));
  }

  close(): void {
    for (const key of [...this.#sessions.keys()]) this.#drop(key);
    this.loadSecrets([]);
    this.loadPlans([]);
  }

  /** PSA_EAP_BEGIN. */
  async begin(id: number, role: number, fields: readonly Uint8Array[]): Promise<EapAnswer> {
    const plan = this.#plans.get(id);
    const [peer, authenticator, packet] = fields;
    if (fields.length !== 3 || !peer?.length || !authenticator || !packet) return invalid;
    if ((role !== EAP_PEER && role !== EAP_AUTHENTICATOR) || packet.length > PACKET_MAX) return invalid;
    if ((role === EAP_PEER) !== packet.length > 0) return invalid;
    if (!plan) return { status: PSA_ERROR_DOES_NOT_EXIST };
    this.#expire();
    if (this.#sessions.size >= SESSIONS_MAX) return { status: PSA_ERROR_INSUFFICIENT_MEMORY };
    const session = this.#session(plan, role, peer, authenticator);
    while (this.#next === 0 || this.#sessions.has(this.#next)) this.#next = (this.#next + 1) >>> 0;
    const key = this.#next;
    this.#next = (key + 1) >>> 0;
    this.#sessions.set(key, session);
    const { side } = session;
    return this.#run(key, session, () =>
      side instanceof EapAuthenticator ? side.begin() : side.step(Uint8Array.from(packet)),
    );
  }

  /** PSA_EAP_STEP. */
  async step(key: number, fields: readonly Uint8Array[]): Promise<EapAnswer> {
    const session = this.#sessions.get(key);
    const [packet] = fields;
    if (fields.length !== 1 || !packet?.length || packet.length > PACKET_MAX) return invalid;
    if (!session) return { status: PSA_ERROR_INVALID_HANDLE };
    if (session.busy || session.succeeded) return { status: PSA_ERROR_NOT_PERMITTED };
    const octets = Uint8Array.from(packet);
    return this.#run(key, session, () => session.side.step(octets));
  }

  /** What AUTH is made with: the MSK, or `otherwise` when the method makes none; undefined: there is no session that has succeeded. */
  authKey(key: number, otherwise: Uint8Array): Uint8Array | undefined {
    const session = this.#sessions.get(key);
    return session?.succeeded ? (session.side.method?.msk ?? otherwise) : undefined;
  }

  /** PSA_EAP_END. */
  end(key: number): EapAnswer {
    return { status: this.#drop(key) ? PSA_SUCCESS : PSA_ERROR_INVALID_HANDLE };
  }

  async #run(key: number, session: Session, go: () => Promise<EapStep>): Promise<EapAnswer> {
    session.busy = true;
    const step = await go();
    session.busy = false;
    // Ended meanwhile: nobody waits.
    if (!this.#sessions.has(key)) {
      session.side.close();
      return { status: PSA_ERROR_INVALID_HANDLE };
    }
    session.succeeded = step.outcome === EAP_SUCCEEDED;
    const field = encode(session, step);
    if (step.outcome === EAP_FAILED) this.#drop(key);
    return { status: PSA_SUCCESS, key: step.outcome === EAP_FAILED ? 0 : key, field };
  }

  #drop(key: number): boolean {
    const session = this.#sessions.get(key);
    if (session && !session.busy) session.side.close();
    return this.#sessions.delete(key);
  }

  #expire(): void {
    const limit = this.#now() - SESSION_LIFETIME;
    for (const [key, { born }] of this.#sessions) {
      if (born > limit) return;
      this.#drop(key);
    }
  }

  #session(plan: EapPlan, role: number, peer: Uint8Array, authenticator: Uint8Array): Session {
    const given = plan.identity ?? eapName(peer);
    const session = { born: this.#now(), succeeded: false, busy: false, stranger: false };
    const own = role === EAP_PEER;
    const owner = Uint8Array.from(peer);
    const server = plan.server ?? Uint8Array.from(authenticator);
    const make = (type: number, identity: Uint8Array): EapMethod | number | undefined => {
      if (type === TYPE_TLS) {
        // Of an identity that was asked for, or configured, the certificate has to be; else of that of IKE.
        const asked = plan.identity !== undefined || plan.asks === true;
        return this.#tls(plan, own, own ? server : asked ? identificationOf(identity) : owner);
      }
      const secret = this.#secret(identity);
      if (!secret && own) return EAP_REASON_NO_SECRET;
      if (!secret) made.stranger = true;
      return password(type, own, identity, secret ?? randomBytes(16));
    };
    const side = own
      ? new EapPeer(given, plan.methods, make)
      : new EapAuthenticator(plan.asks ? undefined : given, plan.methods, make, randomBytes(1)[0] as number);
    const made: Session = { ...session, side };
    return made;
  }

  #tls(plan: EapPlan, own: boolean, other: Uint8Array): EapMethod | number {
    const credential = this.#credentials.tlsCredential(plan.credential ?? 0);
    if (!credential) return EAP_REASON_NO_METHOD;
    const judge = async (certificates: readonly Uint8Array[]): Promise<number> =>
      (await this.#credentials.judge(plan.trust ?? 0, other, certificates, this.#date())) ?? VERDICT_NO_PATH;
    return own ? new EapTlsPeer(credential, judge) : new EapTlsAuthenticator(credential, judge);
  }

  #secret(identity: Uint8Array): Uint8Array | undefined {
    const named = this.#secrets.find(({ identities }) => identities.some((one) => same(one.subarray(1), identity)));
    const any = ({ identities }: IkeSecret): boolean =>
      identities.length === 0 || identities.some((one) => one[0] === ID_ANY);
    return (named ?? this.#secrets.find(any))?.secret;
  }
}

function password(type: number, own: boolean, name: Uint8Array, secret: Uint8Array): EapMethod | undefined {
  if (type === TYPE_MD5) return own ? new Md5Peer(secret) : new Md5Authenticator(secret);
  if (type !== TYPE_MSCHAPV2) return undefined;
  return own ? new MsChapV2Peer(name, secret) : new MsChapV2Authenticator(name, secret);
}

/** The answer's field. */
function encode({ side, stranger }: Session, { outcome, reason = 0, packet }: EapStep): Uint8Array {
  const told = stranger && reason === EAP_REASON_PROOF ? EAP_REASON_NO_SECRET : reason;
  const identity = side.identity.subarray(0, IDENTITY_SHOWN_MAX);
  const head = [outcome, side.method?.type ?? 0, told, identity.length];
  const field = new Uint8Array(EAP_IDENTITY + identity.length + (packet?.length ?? 0));
  field.set(head);
  field.set(identity, EAP_IDENTITY);
  if (packet) field.set(packet, EAP_IDENTITY + identity.length);
  return field;
}
