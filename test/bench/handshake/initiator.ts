/**
 * An IKEv2 initiator that only shakes hands: IKE_SA_INIT and IKE_AUTH with one CHILD_SA (RFC 7296 1.2), authenticated by a shared
 * key or by certificates and ECDSA (RFC 7427), with cookies (2.6) and the move to port 4500 (2.23). It is a load, independent of
 * the firmware; it checks the peer's AUTH, of certificates by the one public key that it knows the responder by.
 *
 * Pure: octets in, octets out. AES-GCM with 16-octet ICVs alone. Its Diffie-Hellman key pairs serve many handshakes
 * (2.12), which spares the load's processor and not the responder's.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";

/** What is proposed. Key lengths in octets; ids are IANA's. */
export interface Suite {
  name: string;
  proposal: string;
  /** Both ends authenticate so. */
  auth: "psk" | "pubkey";
  encryptionOctets: 16 | 32;
  prf: "sha256" | "sha384";
  group: "x25519" | "ecp384";
}

export const SUITES: readonly Suite[] = [
  {
    name: "psk-x25519",
    proposal: "aes128gcm16-prfsha256-x25519",
    auth: "psk",
    encryptionOctets: 16,
    prf: "sha256",
    group: "x25519",
  },
  {
    name: "psk-ecp384",
    proposal: "aes256gcm16-prfsha384-ecp384",
    auth: "psk",
    encryptionOctets: 32,
    prf: "sha384",
    group: "ecp384",
  },
  {
    name: "cert-ecp256-x25519",
    proposal: "aes128gcm16-prfsha256-x25519",
    auth: "pubkey",
    encryptionOctets: 16,
    prf: "sha256",
    group: "x25519",
  },
];

const GROUP_IDS = { x25519: 31, ecp384: 20 };
const PRF_IDS = { sha256: 5, sha384: 6 };
const PRF_OCTETS = { sha256: 32, sha384: 48 };
const ENCR_AES_GCM_16 = 20;
const SALT_OCTETS = 4;
const ICV_OCTETS = 16;

const SA = 33;
const KE = 34;
const ID_I = 35;
const ID_R = 36;
const CERT = 37;
const AUTH = 39;
const NONCE = 40;
const NOTIFY = 41;
const TS_I = 44;
const TS_R = 45;
const SK = 46;

const IKE_SA_INIT = 34;
const IKE_AUTH = 35;
const INFORMATIONAL = 37;
const DELETE = 42;
const RESPONSE = 0x20;
const COOKIE = 16390;
const NAT_SOURCE = 16388;
const NAT_DESTINATION = 16389;
const SIGNATURE_HASH_ALGORITHMS = 16431;
const HASH_SHA2_256 = 2;
const CERT_X509_SIGNATURE = 4;
const AUTH_SHARED_KEY = 2;
const AUTH_DIGITAL_SIGNATURE = 14;
/** Its length, and the AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 3.2), in front of a signature (RFC 7427 3). */
const ECDSA_SHA256 = Buffer.from("0c300a06082a8648ce3d040302", "hex");

export interface KeyShare {
  publicValue: Buffer;
  agree(peer: Buffer): Buffer;
}

/** A key pair that many handshakes may use. */
export function keyShare(group: Suite["group"]): KeyShare {
  if (group === "ecp384") {
    const ecdh = createECDH("secp384r1");
    const publicValue = ecdh.generateKeys().subarray(1);
    return { publicValue, agree: (peer) => ecdh.computeSecret(Buffer.concat([Buffer.of(4), peer])) };
  }
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const head = Buffer.from("302a300506032b656e032100", "hex");
  return {
    publicValue: publicKey.export({ format: "der", type: "spki" }).subarray(head.length),
    agree: (peer) =>
      diffieHellman({
        privateKey,
        publicKey: createPublicKey({ key: Buffer.concat([head, peer]), format: "der", type: "spki" }),
      }),
  };
}

/** A certificate of ours in DER with its private key in PEM, and the responder's public key in PEM. */
export interface Credential {
  certificate: Buffer;
  key: string;
  responder: string;
}

export interface Peer {
  identity: string;
  proof: { psk: string } | Credential;
  /** IPv4 in 4 octets, and the port that messages go to first. */
  local: Buffer;
  remote: Buffer;
}

export type Payload = [type: number, body: Buffer, critical?: boolean];

function chain(payloads: readonly Payload[], last = 0): Buffer {
  return Buffer.concat(
    payloads.flatMap(([, body, critical], i) => {
      const head = Buffer.alloc(4);
      head[0] = payloads[i + 1]?.[0] ?? last;
      head[1] = critical === true ? 0x80 : 0;
      head.writeUInt16BE(4 + body.length, 2);
      return [head, body];
    }),
  );
}

function walk(first: number, octets: Buffer): Payload[] {
  const payloads: Payload[] = [];
  let type = first;
  for (let at = 0; type !== 0; ) {
    const length = octets.readUInt16BE(at + 2);
    if (length < 4 || at + length > octets.length) throw new Error("a payload that does not fit");
    payloads.push([type, octets.subarray(at + 4, at + length)]);
    type = octets[at] as number;
    at += length;
  }
  return payloads;
}

export function transform(last: boolean, type: number, id: number, keyBits = 0): Buffer {
  const octets = Buffer.alloc(keyBits === 0 ? 8 : 12);
  octets[0] = last ? 0 : 3;
  octets.writeUInt16BE(octets.length, 2);
  octets[4] = type;
  octets.writeUInt16BE(id, 6);
  if (keyBits !== 0) octets.writeUInt32BE(0x800e0000 + keyBits, 8);
  return octets;
}

export function proposal(protocol: number, spi: Buffer, transforms: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(8 + spi.length + transforms.reduce((sum, { length }) => sum + length, 0), 2);
  head[4] = 1;
  head[5] = protocol;
  head[6] = spi.length;
  head[7] = transforms.length;
  return Buffer.concat([head, spi, ...transforms]);
}

export function notify(type: number, data: Buffer): Payload {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 2);
  return [NOTIFY, Buffer.concat([head, data])];
}

/** One TS_IPV4_ADDR_RANGE over all protocols and ports. */
export function selector(start: Buffer, end: Buffer): Buffer {
  return Buffer.concat([Buffer.of(7, 0, 0, 16, 0, 0, 0xff, 0xff), start, end]);
}

export type Step =
  | { send: Buffer; natt: boolean }
  /** Established; the CHILD_SA's SPI that the responder chose. */
  | { done: number }
  | { deleted: true }
  | { failed: string }
  /** Not for this step: an answer to a retransmission. */
  | { ignored: true };

export class Handshake {
  readonly spi = randomBytes(8);
  private spiR: Buffer = Buffer.alloc(8);
  private readonly nonce = randomBytes(32);
  private nonceR: Buffer = Buffer.alloc(0);
  /** What the responder wanted back before it did anything for us (RFC 7296 section 2.6). */
  cookie: Buffer | undefined;
  private init: Buffer = Buffer.alloc(0);
  private keys: { pi: Buffer; pr: Buffer; ei: Buffer; er: Buffer } | undefined;
  private initR: Buffer = Buffer.alloc(0);
  private natt = false;
  private deleting = false;

  constructor(
    private readonly suite: Suite,
    private readonly share: KeyShare,
    private readonly peer: Peer,
    private readonly inner: Buffer,
    private readonly innerRemote: readonly [Buffer, Buffer],
  ) {}

  /** The first message, or the same again with a cookie. */
  begin(): Step {
    const keyExchange = Buffer.alloc(4);
    keyExchange.writeUInt16BE(GROUP_IDS[this.suite.group], 0);
    const transforms = [
      transform(false, 1, ENCR_AES_GCM_16, this.suite.encryptionOctets * 8),
      transform(false, 2, PRF_IDS[this.suite.prf]),
      transform(true, 4, GROUP_IDS[this.suite.group]),
    ];
    const hash = (address: Buffer): Buffer =>
      createHash("sha1")
        .update(Buffer.concat([this.spi, Buffer.alloc(8), address, Buffer.of(500 >> 8, 500 & 255)]))
        .digest();
    const payloads: Payload[] = [
      [SA, proposal(1, Buffer.alloc(0), transforms)],
      [KE, Buffer.concat([keyExchange, this.share.publicValue])],
      [NONCE, this.nonce],
      notify(NAT_SOURCE, hash(this.peer.local)),
      notify(NAT_DESTINATION, hash(this.peer.remote)),
    ];
    if (this.suite.auth === "pubkey") payloads.push(notify(SIGNATURE_HASH_ALGORITHMS, Buffer.of(0, HASH_SHA2_256)));
    if (this.cookie) payloads.unshift(notify(COOKIE, this.cookie));
    this.init = this.message(IKE_SA_INIT, 0, payloads[0]?.[0] ?? 0, chain(payloads));
    return { send: this.init, natt: false };
  }

  /** A datagram of the peer, without the non-ESP marker. */
  take(datagram: Buffer): Step {
    if (datagram.length < 28 || ((datagram[19] as number) & RESPONSE) === 0) return { ignored: true };
    const exchange = datagram[18];
    if (exchange === IKE_SA_INIT && !this.keys) return this.takeInit(datagram);
    if (exchange === IKE_AUTH && this.keys) return this.takeAuth(datagram);
    if (exchange === INFORMATIONAL && this.deleting) return { deleted: true };
    return { ignored: true };
  }

  private takeInit(datagram: Buffer): Step {
    const payloads = walk(datagram[16] as number, datagram.subarray(28));
    const of = (type: number): Buffer | undefined => payloads.find(([found]) => found === type)?.[1];
    const cookie = payloads.find(([type, body]) => type === NOTIFY && body.readUInt16BE(2) === COOKIE)?.[1];
    if (cookie && !of(SA)) {
      if (this.cookie) return { failed: "asked for a second cookie" };
      this.cookie = Buffer.from(cookie.subarray(4));
      return this.begin();
    }
    const [keyExchange, nonce] = [of(KE), of(NONCE)];
    if (!of(SA) || !keyExchange || !nonce) {
      const error = payloads.find(([type]) => type === NOTIFY)?.[1].readUInt16BE(2);
      return { failed: `IKE_SA_INIT refused with notify ${error ?? "none"}` };
    }
    this.natt = this.behindNat(payloads, datagram);
    this.initR = datagram;
    this.spiR = Buffer.from(datagram.subarray(8, 16));
    this.nonceR = Buffer.from(nonce);
    this.keys = this.derive(this.share.agree(keyExchange.subarray(4)));
    return { send: this.authRequest(), natt: this.natt };
  }

  private behindNat(payloads: readonly Payload[], datagram: Buffer): boolean {
    const hash = (address: Buffer): Buffer =>
      createHash("sha1")
        .update(Buffer.concat([datagram.subarray(0, 16), address, Buffer.of(500 >> 8, 500 & 255)]))
        .digest();
    const told = (type: number): Buffer | undefined =>
      payloads.find(([found, body]) => found === NOTIFY && body.readUInt16BE(2) === type)?.[1].subarray(4);
    const [source, destination] = [told(NAT_SOURCE), told(NAT_DESTINATION)];
    if (!source || !destination) return false;
    return !source.equals(hash(this.peer.remote)) || !destination.equals(hash(this.peer.local));
  }

  private derive(secret: Buffer): { pi: Buffer; pr: Buffer; ei: Buffer; er: Buffer } {
    const nonces = Buffer.concat([this.nonce, this.nonceR]);
    const seed = Buffer.concat([nonces, this.spi, this.spiR]);
    const skeyseed = createHmac(this.suite.prf, nonces).update(secret).digest();
    const octets = PRF_OCTETS[this.suite.prf];
    const encryption = this.suite.encryptionOctets + SALT_OCTETS;
    const stream = this.prfPlus(skeyseed, seed, 3 * octets + 2 * encryption);
    let at = octets; // SK_d is not needed: no CHILD_SA is ever used
    const take = (length: number): Buffer => stream.subarray(at, (at += length));
    return { ei: take(encryption), er: take(encryption), pi: take(octets), pr: take(octets) };
  }

  private prfPlus(key: Buffer, seed: Buffer, octets: number): Buffer {
    const blocks: Buffer[] = [];
    let last: Buffer = Buffer.alloc(0);
    for (let i = 1; blocks.length * PRF_OCTETS[this.suite.prf] < octets; i++) {
      last = createHmac(this.suite.prf, key).update(last).update(seed).update(Buffer.of(i)).digest();
      blocks.push(last);
    }
    return Buffer.concat(blocks);
  }

  private prf(key: Buffer | string, data: Buffer): Buffer {
    return createHmac(this.suite.prf, key).update(data).digest();
  }

  /** What AUTH is made of (RFC 7296 2.15). */
  private signedOctets(message: Buffer, nonce: Buffer, key: Buffer, id: Buffer): Buffer {
    return Buffer.concat([message, nonce, this.prf(key, id)]);
  }

  private sharedKeyAuth(psk: string, octets: Buffer): Buffer {
    return this.prf(this.prf(psk, Buffer.from("Key Pad for IKEv2")), octets);
  }

  /** Our AUTH, and the certificate in front of it. */
  private proof(octets: Buffer): Payload[] {
    const { proof } = this.peer;
    if ("psk" in proof) {
      return [[AUTH, Buffer.concat([Buffer.of(AUTH_SHARED_KEY, 0, 0, 0), this.sharedKeyAuth(proof.psk, octets)])]];
    }
    const signature = sign("sha256", octets, createPrivateKey(proof.key));
    return [
      [CERT, Buffer.concat([Buffer.of(CERT_X509_SIGNATURE), proof.certificate])],
      [AUTH, Buffer.concat([Buffer.of(AUTH_DIGITAL_SIGNATURE, 0, 0, 0), ECDSA_SHA256, signature])],
    ];
  }

  /** True when the responder's AUTH payload is good. */
  private proven(auth: Buffer, octets: Buffer): boolean {
    const { proof } = this.peer;
    const given = auth.subarray(4);
    if ("psk" in proof) {
      const expected = this.sharedKeyAuth(proof.psk, octets);
      return auth[0] === AUTH_SHARED_KEY && given.length === expected.length && timingSafeEqual(given, expected);
    }
    return (
      auth[0] === AUTH_DIGITAL_SIGNATURE &&
      given.subarray(0, ECDSA_SHA256.length).equals(ECDSA_SHA256) &&
      verify("sha256", octets, createPublicKey(proof.responder), given.subarray(ECDSA_SHA256.length))
    );
  }

  /** What goes into IKE_AUTH besides what has to. */
  more: Payload[] = [];

  private authRequest(): Buffer {
    const keys = this.keys;
    if (!keys) throw new Error("no keys");
    const id = Buffer.concat([Buffer.of(2, 0, 0, 0), Buffer.from(this.peer.identity)]);
    const spi = randomBytes(4);
    spi[0] = (spi[0] as number) | 0x80;
    const esp = [transform(false, 1, ENCR_AES_GCM_16, 128), transform(true, 5, 0)];
    const payloads: Payload[] = [
      [ID_I, id],
      ...this.proof(this.signedOctets(this.init, this.nonceR, keys.pi, id)),
      [SA, proposal(3, spi, esp)],
      [TS_I, Buffer.concat([Buffer.of(1, 0, 0, 0), selector(this.inner, this.inner)])],
      [TS_R, Buffer.concat([Buffer.of(1, 0, 0, 0), selector(...this.innerRemote)])],
      ...this.more,
    ];
    return this.seal(IKE_AUTH, 1, payloads, keys.ei);
  }

  /** The Delete of the IKE_SA (RFC 7296 1.4.1). */
  end(): Step {
    if (!this.keys) throw new Error("no keys");
    this.deleting = true;
    return { send: this.seal(INFORMATIONAL, 2, [[DELETE, Buffer.of(1, 0, 0, 0)]], this.keys.ei), natt: this.natt };
  }

  /** A request of whatever there is. */
  request(exchange: number, id: number, payloads: readonly Payload[], flags = 0x08): Buffer {
    if (!this.keys) throw new Error("no keys");
    return this.seal(exchange, id, payloads, this.keys.ei, flags);
  }

  /** The payloads of a protected message of the peer. */
  open(datagram: Buffer): Payload[] {
    if (!this.keys || datagram[16] !== SK) throw new Error("not a protected message");
    const [key, salt] = split(this.keys.er);
    const decipher = createDecipheriv(gcm(key), key, Buffer.concat([salt, datagram.subarray(32, 40)]));
    decipher.setAAD(datagram.subarray(0, 32)).setAuthTag(datagram.subarray(-ICV_OCTETS));
    const plain = Buffer.concat([decipher.update(datagram.subarray(40, -ICV_OCTETS)), decipher.final()]);
    return walk(datagram[28] as number, plain.subarray(0, plain.length - 1 - (plain.at(-1) as number)));
  }

  private seal(exchange: number, id: number, payloads: readonly Payload[], keymat: Buffer, flags = 0x08): Buffer {
    const plain = Buffer.concat([chain(payloads), Buffer.of(0)]);
    const iv = randomBytes(8);
    const length = 28 + 4 + iv.length + plain.length + ICV_OCTETS;
    const head = this.header(exchange, id, SK, length);
    head[19] = flags;
    const generic = Buffer.alloc(4);
    generic[0] = payloads[0]?.[0] ?? 0;
    generic.writeUInt16BE(length - 28, 2);
    const [key, salt] = split(keymat);
    const cipher = createCipheriv(gcm(key), key, Buffer.concat([salt, iv])).setAAD(Buffer.concat([head, generic]));
    return Buffer.concat([head, generic, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  private takeAuth(datagram: Buffer): Step {
    const keys = this.keys;
    if (!keys || datagram[16] !== SK) return { failed: "IKE_AUTH is answered in the clear" };
    const payloads = this.open(datagram);
    const of = (type: number): Buffer | undefined => payloads.find(([found]) => found === type)?.[1];
    const [id, auth, sa] = [of(ID_R), of(AUTH), of(SA)];
    if (!id || !auth || !sa) {
      const error = payloads.find(([type]) => type === NOTIFY)?.[1].readUInt16BE(2);
      return { failed: `IKE_AUTH refused with notify ${error ?? "none"}` };
    }
    if (!this.proven(auth, this.signedOctets(this.initR, this.nonce, keys.pr, id)))
      return { failed: "the responder's AUTH is wrong" };
    return { done: sa.readUInt32BE(8) };
  }

  private header(exchange: number, id: number, first: number, length: number): Buffer {
    const head = Buffer.alloc(28);
    this.spi.copy(head, 0);
    this.spiR.copy(head, 8);
    head[16] = first;
    head[17] = 0x20;
    head[18] = exchange;
    head[19] = 0x08;
    head.writeUInt32BE(id, 20);
    head.writeUInt32BE(length, 24);
    return head;
  }

  private message(exchange: number, id: number, first: number, body: Buffer): Buffer {
    return Buffer.concat([this.header(exchange, id, first, 28 + body.length), body]);
  }
}

function split(key: Buffer): [Buffer, Buffer] {
  return [key.subarray(0, -SALT_OCTETS), key.subarray(-SALT_OCTETS)];
}

function gcm(key: Buffer): "aes-128-gcm" | "aes-256-gcm" {
  return key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
}
