/**
 * The secure element: the coprocessor on the IKE board's port that keeps private keys and PSKs (abi/psa.ts).
 *
 * Messages in, messages out; what is secret never leaves but as the result that the protocol needs. Work is done by
 * node:crypto in turns of the event loop of their own, so packets are not held up behind a burst of handshakes. Bounded: at
 * most KEYS_MAX shares exist at a time. Refuses what it does not know with PSA's status values; it never throws at a request.
 */
import { createHmac, randomBytes } from "node:crypto";
import { CHECKPOINT_SALT_OCTETS } from "../../assembly/abi/checkpoint.ts";
import {
  PSA_ALGORITHM,
  PSA_CHECKPOINT_KEY,
  PSA_DESTROY_KEY,
  PSA_EAP_AUTH,
  PSA_EAP_BEGIN,
  PSA_EAP_END,
  PSA_EAP_STEP,
  PSA_ERROR_DOES_NOT_EXIST,
  PSA_ERROR_INSUFFICIENT_MEMORY,
  PSA_ERROR_INVALID_ARGUMENT,
  PSA_ERROR_INVALID_HANDLE,
  PSA_ERROR_NOT_PERMITTED,
  PSA_ERROR_NOT_SUPPORTED,
  PSA_FIELDS,
  PSA_GENERATE_KEY,
  PSA_GENERATE_RANDOM,
  PSA_KEY,
  PSA_KEY_AGREEMENT_KEPT,
  PSA_OP,
  PSA_PPK_KEYS,
  PSA_PSK_AUTH,
  PSA_PSK_AUTH_BOTH,
  PSA_QCD_TOKEN,
  PSA_RAW_KEY_AGREEMENT,
  PSA_RESPOND_KEY,
  PSA_SIGN_AUTH,
  PSA_STATUS,
  PSA_SUCCESS,
  PSA_TRANSACTION,
  PSA_VERIFY_AUTH,
} from "../../assembly/abi/psa.ts";
import { type Credentials, CredentialStore } from "./credential_store.ts";
import { EapSessions } from "./eap_sessions.ts";
import { hmacKey, type MacKey } from "./hmac.ts";
import { generateShare, isSupported, respond, type PrivateShare } from "./key_agreement.ts";
import { PpkStore } from "./ppk_store.ts";
import { isPrf, prf } from "./prf.ts";
import { authKey, type IkeSecret, PskStore } from "./psk_store.ts";

/** Shares that may wait for their peer's public value. */
const KEYS_MAX = 4096;
/** When the table is full, shares older than this (ms) are destroyed: their exchange is over, or their board had a reset. */
const KEY_LIFETIME = 120_000;
const RANDOM_MAX = 1024;
/** SPIi and SPIr. */
const SPIS_OCTETS = 16;

interface Answer {
  status: number;
  key?: number;
  field?: Uint8Array;
  /** Fields behind it. */
  more?: Uint8Array[];
}

export class SecureElement {
  /** Oldest first. */
  readonly #keys = new Map<number, { method: number; share: PrivateShare; born: number }>();
  readonly #secrets = new PskStore();
  readonly #ppks = new PpkStore();
  readonly #credentials = new CredentialStore();
  readonly #eap: EapSessions;
  readonly #now: () => number;
  readonly #date: () => number;
  #nextKey = 1;
  /** Of RFC 6290's tokens. */
  #tokenKey: MacKey | undefined = drawnKey();
  /** Under which the IKE board's checkpoint is kept. */
  readonly #chassisKey = randomBytes(32);

  /** `now`: a clock in ms, to judge the age of shares by; `date`: ms since 1970, to judge certificates by. */
  constructor(now: () => number = () => performance.now(), date: () => number = () => Date.now()) {
    this.#now = now;
    this.#date = date;
    this.#eap = new EapSessions(this.#credentials, now, date);
  }

  /** Replaces the pre-shared keys, those of RFC 8784 among them, and the passwords of EAP. */
  loadSecrets(secrets: readonly IkeSecret[]): void {
    this.#secrets.load(secrets.filter(({ ppk, eap }) => !ppk && !eap));
    this.#ppks.load(secrets.filter(({ ppk }) => ppk));
    this.#eap.loadSecrets(secrets.filter(({ eap }) => eap));
  }

  /** Replaces private keys, certificates, whom to trust, and what EAP takes. Throws when one of them cannot be read. */
  loadCredentials(credentials: Credentials): void {
    this.#credentials.load(credentials);
    this.#eap.loadPlans(credentials.eap ?? []);
  }

  /** Replaces the secret of RFC 6290's tokens, which is drawn anew with every element: one that outlives it makes the same tokens. */
  loadTokenSecret(secret: Uint8Array): void {
    this.#tokenKey?.destroy();
    this.#tokenKey = hmacKey("sha256", secret);
  }

  /** Shares that wait for their peer's public value. */
  get keysHeld(): number {
    return this.#keys.size;
  }

  /** Sessions of EAP. */
  get sessionsHeld(): number {
    return this.#eap.held;
  }

  /** Answers one request of abi/psa.ts, in a turn of the event loop of its own. */
  async handle(request: Uint8Array): Promise<Uint8Array> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.answer(request);
  }

  /** Answers one request of abi/psa.ts: at once, but for what needs a path of certificates, and EAP. */
  answer(request: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    const op = request.length >= PSA_OP + 2 ? view.getUint16(PSA_OP, true) : 0;
    const transaction = request.length >= PSA_TRANSACTION + 4 ? view.getUint32(PSA_TRANSACTION, true) : 0;
    if (request.length < PSA_FIELDS) return encode(op, transaction, { status: PSA_ERROR_INVALID_ARGUMENT });
    const fields = splitFields(request);
    const answer = fields
      ? this.#perform(op, view.getUint32(PSA_KEY, true), view.getUint32(PSA_ALGORITHM, true), fields)
      : { status: PSA_ERROR_INVALID_ARGUMENT };
    const told = (done: Answer): Uint8Array => {
      const message = encode(op, transaction, done);
      if (op !== PSA_GENERATE_KEY) done.field?.fill(0);
      for (const field of done.more ?? []) field.fill(0);
      return message;
    };
    return answer instanceof Promise ? answer.then(told) : told(answer);
  }

  /** Destroys all keys and forgets all secrets. */
  close(): void {
    for (const { share } of this.#keys.values()) share.destroy();
    this.#keys.clear();
    this.#eap.close();
    this.loadSecrets([]);
    this.#tokenKey?.destroy();
    this.#tokenKey = undefined;
    this.#chassisKey.fill(0);
    this.#credentials.load({ credentials: [], trusts: [] });
  }

  #perform(op: number, key: number, algorithm: number, fields: Uint8Array[]): Answer | Promise<Answer> {
    switch (op) {
      case PSA_GENERATE_KEY:
        return fields.length === 0 ? this.#generateKey(algorithm) : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_RAW_KEY_AGREEMENT:
        return fields.length === 1
          ? this.#agree(key, algorithm, fields[0] as Uint8Array, false)
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_KEY_AGREEMENT_KEPT:
        return fields.length === 1
          ? this.#agree(key, algorithm, fields[0] as Uint8Array, true)
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_RESPOND_KEY:
        return fields.length === 1
          ? respondKey(algorithm, fields[0] as Uint8Array)
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_DESTROY_KEY:
        if (fields.length > 0) return { status: PSA_ERROR_INVALID_ARGUMENT };
        return { status: this.#take(key) ? PSA_SUCCESS : PSA_ERROR_INVALID_HANDLE };
      case PSA_GENERATE_RANDOM:
        return fields.length === 0 && algorithm >= 1 && algorithm <= RANDOM_MAX
          ? { status: PSA_SUCCESS, field: randomBytes(algorithm) }
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_PSK_AUTH:
        return this.#pskAuth(algorithm, fields);
      case PSA_PSK_AUTH_BOTH:
        return this.#pskAuthBoth(algorithm, fields);
      case PSA_PPK_KEYS:
        return this.#ppkKeys(algorithm, fields);
      case PSA_QCD_TOKEN:
        return fields.length === 1 && fields[0]!.length === SPIS_OCTETS
          ? this.#token(fields[0]!)
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_CHECKPOINT_KEY:
        return fields.length === 1 && fields[0]!.length === CHECKPOINT_SALT_OCTETS
          ? { status: PSA_SUCCESS, field: this.#checkpointKey(fields[0]!) }
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_SIGN_AUTH:
        return fields.length === 1 && (fields[0] as Uint8Array).length > 0
          ? { status: PSA_SUCCESS, field: this.#credentials.sign(key, algorithm, fields[0] as Uint8Array) }
          : { status: PSA_ERROR_INVALID_ARGUMENT };
      case PSA_VERIFY_AUTH:
        return this.#verifyAuth(key, algorithm, fields);
      case PSA_EAP_BEGIN:
        return this.#eap.begin(key, algorithm, fields);
      case PSA_EAP_STEP:
        return this.#eap.step(key, fields);
      case PSA_EAP_AUTH:
        return this.#eapAuth(key, algorithm, fields);
      case PSA_EAP_END:
        return fields.length === 0 ? this.#eap.end(key) : { status: PSA_ERROR_INVALID_ARGUMENT };
      default:
        return { status: PSA_ERROR_NOT_SUPPORTED };
    }
  }

  #generateKey(method: number): Answer {
    if (!isSupported(method)) return { status: PSA_ERROR_NOT_SUPPORTED };
    if (this.#keys.size >= KEYS_MAX) this.#expire();
    if (this.#keys.size >= KEYS_MAX) return { status: PSA_ERROR_INSUFFICIENT_MEMORY };
    const share = generateShare(method) as PrivateShare;
    while (this.#nextKey === 0 || this.#keys.has(this.#nextKey)) this.#nextKey = (this.#nextKey + 1) >>> 0;
    const key = this.#nextKey;
    this.#nextKey = (key + 1) >>> 0;
    this.#keys.set(key, { method, share, born: this.#now() });
    return { status: PSA_SUCCESS, key, field: share.publicValue };
  }

  /** One agreement per share: it is destroyed whatever comes of it. */
  #agree(key: number, method: number, peer: Uint8Array, keep: boolean): Answer {
    const held = this.#keys.get(key);
    if (!held) return { status: PSA_ERROR_INVALID_HANDLE };
    if (held.method !== method) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const secret = held.share.agree(peer);
    if (!keep) this.#take(key);
    return secret ? { status: PSA_SUCCESS, field: secret } : { status: PSA_ERROR_INVALID_ARGUMENT };
  }

  #expire(): void {
    const limit = this.#now() - KEY_LIFETIME;
    for (const [key, { born }] of this.#keys) {
      if (born > limit) return;
      this.#take(key);
    }
  }

  #take(key: number): boolean {
    this.#keys.get(key)?.share.destroy();
    return this.#keys.delete(key);
  }

  async #verifyAuth(trust: number, method: number, fields: Uint8Array[]): Promise<Answer> {
    const [identity, data, octets, ...certificates] = fields;
    if (!identity?.length || !data?.length || !octets?.length) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const date = this.#date();
    const verdict = await this.#credentials.verify(trust, method, identity, data, octets, certificates, date);
    if (verdict === undefined) return { status: PSA_ERROR_INVALID_HANDLE };
    return { status: PSA_SUCCESS, field: Uint8Array.of(verdict) };
  }

  #ppkKeys(id: number, fields: Uint8Array[]): Answer {
    if (!isPrf(id)) return { status: PSA_ERROR_NOT_SUPPORTED };
    const [name, ...keys] = fields;
    if (!name?.length || keys.length !== 3) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const ppk = this.#ppks.find(name);
    if (!ppk) return { status: PSA_ERROR_DOES_NOT_EXIST };
    // prf+(PPK, SK): a key is as long as the PRF's output, so the first block is all of it.
    const blocks = keys.map((key) => prf(id, ppk, Buffer.concat([key, Buffer.of(1)])));
    if (blocks.some((block, i) => block.length !== keys[i]?.length)) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const field = new Uint8Array(Buffer.concat(blocks));
    for (const block of blocks) block.fill(0);
    return { status: PSA_SUCCESS, field };
  }

  #pskAuth(id: number, fields: Uint8Array[]): Answer {
    if (!isPrf(id)) return { status: PSA_ERROR_NOT_SUPPORTED };
    const [owner, other, octets] = fields;
    if (fields.length !== 3 || !owner?.length || !other || !octets?.length) {
      return { status: PSA_ERROR_INVALID_ARGUMENT };
    }
    const key = this.#secrets.authKey(id, owner, other);
    return key ? { status: PSA_SUCCESS, field: key.mac(octets) } : { status: PSA_ERROR_DOES_NOT_EXIST };
  }

  #pskAuthBoth(id: number, fields: Uint8Array[]): Answer {
    if (!isPrf(id)) return { status: PSA_ERROR_NOT_SUPPORTED };
    const [local, remote, localOctets, remoteOctets, spis] = fields;
    if (fields.length !== 5 || !local?.length || !remote?.length || !localOctets?.length || !remoteOctets?.length) {
      return { status: PSA_ERROR_INVALID_ARGUMENT };
    }
    if (spis!.length !== 0 && spis!.length !== SPIS_OCTETS) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const key = this.#secrets.authKey(id, local, remote);
    if (!key) return { status: PSA_ERROR_DOES_NOT_EXIST };
    const token = spis!.length > 0 ? this.#tokenKey?.mac(spis!) : undefined;
    return {
      status: PSA_SUCCESS,
      field: key.mac(localOctets),
      more: [key.mac(remoteOctets), token ?? new Uint8Array(0)],
    };
  }

  /** RFC 6290's, of SPIi and SPIr. */
  #token(spis: Uint8Array): Answer {
    return this.#tokenKey
      ? { status: PSA_SUCCESS, field: this.#tokenKey.mac(spis) }
      : { status: PSA_ERROR_DOES_NOT_EXIST };
  }

  /** The key of one epoch of the checkpoint. */
  #checkpointKey(salt: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#chassisKey).update("checkpoint").update(salt).digest();
  }

  #eapAuth(key: number, id: number, fields: Uint8Array[]): Answer {
    if (!isPrf(id)) return { status: PSA_ERROR_NOT_SUPPORTED };
    const [otherwise, octets] = fields;
    if (fields.length !== 2 || !otherwise?.length || !octets?.length) return { status: PSA_ERROR_INVALID_ARGUMENT };
    const shared = this.#eap.authKey(key, otherwise);
    return shared
      ? { status: PSA_SUCCESS, field: sharedKeyAuth(id, shared, octets) }
      : { status: PSA_ERROR_NOT_PERMITTED };
  }
}

/** A key of its own making. */
function drawnKey(): MacKey {
  const octets = randomBytes(32);
  const key = hmacKey("sha256", octets);
  octets.fill(0);
  return key;
}

/** AUTH data with a shared key that no other AUTH is made with. */
function sharedKeyAuth(id: number, shared: Uint8Array, octets: Uint8Array): Uint8Array {
  const key = authKey(id, shared);
  const data = prf(id, key, octets);
  key.fill(0);
  return data;
}

function respondKey(method: number, peer: Uint8Array): Answer {
  if (!isSupported(method)) return { status: PSA_ERROR_NOT_SUPPORTED };
  const made = respond(method, peer);
  if (!made) return { status: PSA_ERROR_INVALID_ARGUMENT };
  const { publicValue, secret } = made;
  const field = new Uint8Array(2 + publicValue.length + secret.length);
  new DataView(field.buffer).setUint16(0, publicValue.length, true);
  field.set(publicValue, 2);
  field.set(secret, 2 + publicValue.length);
  secret.fill(0);
  return { status: PSA_SUCCESS, field };
}

/** The fields of a request; undefined when they do not add up to its length. */
function splitFields(request: Uint8Array): Uint8Array[] | undefined {
  const fields: Uint8Array[] = [];
  let at = PSA_FIELDS;
  while (at < request.length) {
    if (at + 2 > request.length) return undefined;
    const end = at + 2 + ((request[at] as number) | ((request[at + 1] as number) << 8));
    if (end > request.length) return undefined;
    fields.push(request.subarray(at + 2, end));
    at = end;
  }
  return fields;
}

function encode(op: number, transaction: number, { status, key = 0, field, more }: Answer): Uint8Array {
  let octets = PSA_FIELDS;
  if (field) {
    octets += 2 + field.length;
    if (more) for (const { length } of more) octets += 2 + length;
  }
  const message = new Uint8Array(octets);
  const view = new DataView(message.buffer);
  view.setUint16(PSA_OP, op, true);
  view.setUint32(PSA_TRANSACTION, transaction, true);
  view.setUint32(PSA_KEY, key, true);
  view.setInt32(PSA_STATUS, status, true);
  if (!field) return message;
  let at = PSA_FIELDS;
  const add = (octets: Uint8Array): void => {
    view.setUint16(at, octets.length, true);
    message.set(octets, at + 2);
    at += 2 + octets.length;
  };
  add(field);
  if (more) for (const octets of more) add(octets);
  return message;
}
