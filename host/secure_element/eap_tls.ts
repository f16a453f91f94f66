/**
 * EAP-TLS (RFC 5216, and RFC 9190 where both ends take TLS 1.3): a TLS handshake with certificates of both ends.
 *
 *   0 FLAGS u8: 0x80 LENGTH is there, 0x40 more fragments follow, 0x20 start   1 LENGTH u32 of all fragments   then TLS octets
 *
 * A message that is longer than a fragment goes in several, each acknowledged by a packet without octets. The other end's certificates are
 * judged before ours leaves, as peer, and before success, as authenticator. With TLS 1.3 success has to be announced inside of TLS.
 *
 * Refuses messages above MESSAGE_MAX, and a peer without a certificate.
 */
import {
  EAP_REASON_CERTIFICATE,
  EAP_REASON_MALFORMED,
  EAP_REASON_TLS,
  EAP_REASON_TOO_LONG,
  EAP_REASON_UNEXPECTED,
  VERDICT_GOOD,
  VERDICT_NO_CERTIFICATE,
} from "../../assembly/abi/psa.ts";
import type { EapMethod, MethodStep } from "./eap_method.ts";
import { TYPE_TLS } from "./eap_packet.ts";
import { type TlsCredential, TlsHandshake } from "./tls_handshake.ts";

const FLAG_LENGTH = 0x80;
const FLAG_MORE = 0x40;
const FLAG_START = 0x20;
const FRAGMENT_OCTETS = 1000;
const MESSAGE_MAX = 32_768;
const MSK_OCTETS = 64;
const KEY_OCTETS = 128;
const COMMITMENT = Uint8Array.of(0);

/** Verdict on the other end's certificates: VERDICT_*. */
export type Judge = (certificates: readonly Uint8Array[]) => Promise<number>;

const ACKNOWLEDGEMENT = Uint8Array.of(0);

abstract class EapTls implements EapMethod {
  readonly type = TYPE_TLS;
  protected readonly tls: TlsHandshake;
  readonly #judge: Judge;
  #judged = false;
  #incoming: Uint8Array[] = [];
  #announced: number | undefined;
  #outgoing: Uint8Array = new Uint8Array(0);
  #sent = 0;
  #msk: Uint8Array | undefined;

  constructor(server: boolean, credential: TlsCredential, judge: Judge) {
    this.tls = new TlsHandshake(server, credential);
    this.#judge = judge;
  }

  get msk(): Uint8Array | undefined {
    return this.#msk;
  }

  abstract take(data: Uint8Array | undefined, identifier: number): Promise<MethodStep>;

  close(): void {
    this.#msk?.fill(0);
    this.tls.close();
  }

  /** True while fragments of ours wait for their acknowledgement. */
  protected get sending(): boolean {
    return this.#sent < this.#outgoing.length;
  }

  /** Cuts a message; gives its first fragment. */
  protected send(octets: Uint8Array): Uint8Array {
    this.#outgoing = octets;
    this.#sent = 0;
    return this.fragment();
  }

  /** The next fragment. */
  protected fragment(): Uint8Array {
    const first = this.#sent === 0;
    const part = this.#outgoing.subarray(this.#sent, this.#sent + FRAGMENT_OCTETS);
    this.#sent += part.length;
    const cut = this.#outgoing.length > FRAGMENT_OCTETS;
    const flags = (this.sending ? FLAG_MORE : 0) | (cut && first ? FLAG_LENGTH : 0);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(this.#outgoing.length);
    return Uint8Array.from([flags, ...(cut && first ? length : []), ...part]);
  }

  /** Takes a fragment: gives the whole message when it was the last, or what to say to it. */
  protected receive(data: Uint8Array): { whole: Uint8Array } | MethodStep {
    const flags = data[0];
    if (flags === undefined) return { reason: EAP_REASON_MALFORMED };
    let at = 1;
    if ((flags & FLAG_LENGTH) !== 0) {
      if (data.length < 5) return { reason: EAP_REASON_MALFORMED };
      const announced = Buffer.from(data).readUInt32BE(1);
      if (announced > MESSAGE_MAX) return { reason: EAP_REASON_TOO_LONG };
      if (this.#announced !== undefined && this.#announced !== announced) return { reason: EAP_REASON_MALFORMED };
      this.#announced = announced;
      at = 5;
    }
    this.#incoming.push(Uint8Array.from(data.subarray(at)));
    const octets = this.#incoming.reduce((sum, { length }) => sum + length, 0);
    if (octets > (this.#announced ?? MESSAGE_MAX)) return { reason: EAP_REASON_TOO_LONG };
    if ((flags & FLAG_MORE) !== 0) {
      return data.length > at ? { data: ACKNOWLEDGEMENT } : { reason: EAP_REASON_MALFORMED };
    }
    if (this.#announced !== undefined && octets !== this.#announced) return { reason: EAP_REASON_MALFORMED };
    const whole = Buffer.concat(this.#incoming);
    this.#incoming = [];
    this.#announced = undefined;
    return { whole };
  }

  /** Judges the other end's certificates, once, when they are there; a reason when they are refused. */
  protected async fault(): Promise<number | undefined> {
    if (this.#judged) return undefined;
    const certificates = this.tls.certificates();
    if (certificates.length === 0) {
      return this.tls.established ? EAP_REASON_CERTIFICATE + VERDICT_NO_CERTIFICATE : undefined;
    }
    const verdict = await this.#judge(certificates);
    if (verdict !== VERDICT_GOOD) return EAP_REASON_CERTIFICATE + verdict;
    this.#judged = true;
    return undefined;
  }

  protected get commits(): boolean {
    return this.tls.version === "TLSv1.3";
  }

  /** The handshake is over and good: its keys. */
  protected derive(): void {
    const keys = this.commits
      ? this.tls.export(KEY_OCTETS, "EXPORTER_EAP_TLS_Key_Material", Buffer.of(TYPE_TLS))
      : this.tls.export(KEY_OCTETS, "client EAP encryption");
    this.#msk = new Uint8Array(keys.subarray(0, MSK_OCTETS));
    keys.fill(0);
  }
}

export class EapTlsAuthenticator extends EapTls {
  #over = false;

  constructor(credential: TlsCredential, judge: Judge) {
    super(true, credential, judge);
  }

  async take(data: Uint8Array | undefined): Promise<MethodStep> {
    if (!data) return { data: Uint8Array.of(FLAG_START) };
    if (this.sending) {
      return data.length === 1 && data[0] === 0 ? { data: this.fragment() } : { reason: EAP_REASON_UNEXPECTED };
    }
    if (this.#over) return data.length === 1 && data[0] === 0 ? { done: true } : { reason: EAP_REASON_TLS };
    const got = this.receive(data);
    if (!("whole" in got)) return got;
    if (got.whole.length === 0) return { reason: EAP_REASON_UNEXPECTED };
    return this.#go(got.whole);
  }

  async #go(message: Uint8Array): Promise<MethodStep> {
    let output = await this.tls.feed(message);
    if (this.tls.failed) return { reason: EAP_REASON_TLS };
    if (this.tls.established) {
      const reason = await this.fault();
      if (reason !== undefined) return { reason };
      this.derive();
      this.#over = true;
      if (this.commits) {
        this.tls.write(COMMITMENT);
        output = Buffer.concat([output, await this.tls.feed(new Uint8Array(0))]);
      }
    }
    return output.length > 0 ? { data: this.send(output) } : { reason: EAP_REASON_TLS };
  }
}

export class EapTlsPeer extends EapTls {
  #begun = false;
  #over = false;

  constructor(credential: TlsCredential, judge: Judge) {
    super(false, credential, judge);
  }

  async take(data: Uint8Array): Promise<MethodStep> {
    if (!this.#begun) {
      if (((data[0] ?? 0) & FLAG_START) === 0) return { reason: EAP_REASON_UNEXPECTED };
      this.#begun = true;
      return this.#go(new Uint8Array(0));
    }
    if (this.#over) return { reason: EAP_REASON_UNEXPECTED };
    if (this.sending) {
      return data.length === 1 && data[0] === 0 ? { data: this.fragment() } : { reason: EAP_REASON_UNEXPECTED };
    }
    const got = this.receive(data);
    if (!("whole" in got)) return got;
    if (got.whole.length === 0) return { reason: EAP_REASON_UNEXPECTED };
    return this.#go(got.whole);
  }

  async #go(message: Uint8Array): Promise<MethodStep> {
    const output = await this.tls.feed(message);
    // An alert tells the authenticator why, and it ends EAP.
    if (this.tls.failed) {
      return { ...(output.length > 0 ? { data: this.send(output) } : {}), reason: EAP_REASON_TLS };
    }
    const reason = await this.fault();
    if (reason !== undefined) return { reason };
    if (this.tls.established && (!this.commits || this.tls.received.equals(COMMITMENT))) {
      this.derive();
      this.#over = true;
      return { data: output.length > 0 ? this.send(output) : ACKNOWLEDGEMENT, done: true };
    }
    return output.length > 0 ? { data: this.send(output) } : { reason: EAP_REASON_TLS };
  }
}
