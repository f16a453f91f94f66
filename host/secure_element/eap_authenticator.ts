/**
 * The EAP authenticator (RFC 3748): asks for the peer's identity where it is to be asked for, then runs a method: its best, or, when the peer
 * turns that down, the best of those that the peer would rather have.
 *
 * Refuses responses to another request, of another type, and a Nak behind a method's first packet.
 */
import {
  EAP_CONTINUES,
  EAP_FAILED,
  EAP_REASON_IDENTITY,
  EAP_REASON_MALFORMED,
  EAP_REASON_NO_METHOD,
  EAP_REASON_TOO_LONG,
  EAP_REASON_UNEXPECTED,
  EAP_SUCCEEDED,
} from "../../assembly/abi/psa.ts";
import type { EapMethod } from "./eap_method.ts";
import {
  FAILURE,
  lastPacket,
  parsePacket,
  REQUEST,
  RESPONSE,
  SUCCESS,
  TYPE_IDENTITY,
  TYPE_NAK,
  typedPacket,
} from "./eap_packet.ts";
import { type EapSide, type EapStep, type Maker, PACKETS_MAX } from "./eap_peer.ts";

const IDENTITY_MAX = 253;

export class EapAuthenticator implements EapSide {
  #identity: Uint8Array;
  readonly #asks: boolean;
  readonly #make: Maker;
  /** Types that have not been turned down, the best first. */
  #left: readonly number[];
  #method: EapMethod | undefined;
  #fresh = false;
  #identifier: number;
  #packets = 0;

  /** `identity`: undefined: the peer is asked for it; `identifier`: of the first request. */
  constructor(identity: Uint8Array | undefined, types: readonly number[], make: Maker, identifier: number) {
    this.#identity = identity ?? new Uint8Array(0);
    this.#asks = identity === undefined;
    this.#left = types;
    this.#make = make;
    this.#identifier = identifier & 0xff;
  }

  get identity(): Uint8Array {
    return this.#identity;
  }

  get method(): EapMethod | undefined {
    return this.#method;
  }

  /** The first request. */
  async begin(): Promise<EapStep> {
    return this.#asks ? this.#ask(TYPE_IDENTITY, new Uint8Array(0)) : this.#propose();
  }

  async step(octets: Uint8Array): Promise<EapStep> {
    const packet = parsePacket(octets);
    if (!packet) return this.#fail(EAP_REASON_MALFORMED);
    if (packet.code !== RESPONSE || packet.identifier !== this.#identifier) return this.#fail(EAP_REASON_UNEXPECTED);
    if (++this.#packets > PACKETS_MAX) return this.#fail(EAP_REASON_TOO_LONG);
    if (!this.#method) {
      if (packet.type !== TYPE_IDENTITY) return this.#fail(EAP_REASON_UNEXPECTED);
      if (packet.data.length === 0 || packet.data.length > IDENTITY_MAX) return this.#fail(EAP_REASON_IDENTITY);
      this.#identity = Uint8Array.from(packet.data);
      return this.#next();
    }
    if (packet.type === TYPE_NAK && this.#fresh) return this.#turnedDown(packet.data);
    if (packet.type !== this.#method.type) return this.#fail(EAP_REASON_UNEXPECTED);
    this.#fresh = false;
    const step = await this.#method.take(packet.data, this.#identifier);
    if (step.done) return { outcome: EAP_SUCCEEDED, packet: lastPacket(SUCCESS, this.#identifier) };
    if (step.data === undefined) return this.#fail(step.reason ?? EAP_REASON_UNEXPECTED);
    this.#advance();
    const asked = this.#ask(this.#method.type, step.data);
    return step.reason === undefined ? asked : { ...asked, reason: step.reason };
  }

  close(): void {
    this.#method?.close();
  }

  #advance(): void {
    this.#identifier = (this.#identifier + 1) & 0xff;
  }

  #ask(type: number, data: Uint8Array): EapStep {
    return { outcome: EAP_CONTINUES, packet: typedPacket(REQUEST, this.#identifier, type, data) };
  }

  #fail(reason: number): EapStep {
    return { outcome: EAP_FAILED, reason, packet: lastPacket(FAILURE, this.#identifier) };
  }

  #turnedDown(wanted: Uint8Array): Promise<EapStep> {
    const old = this.#method;
    this.#left = this.#left.filter((type) => type !== old?.type && wanted.includes(type));
    old?.close();
    this.#method = undefined;
    return this.#next();
  }

  #next(): Promise<EapStep> {
    this.#advance();
    return this.#propose();
  }

  /** The first request of the best method that is left. */
  async #propose(): Promise<EapStep> {
    const [type] = this.#left;
    const made = type === undefined ? EAP_REASON_NO_METHOD : this.#make(type, this.#identity);
    if (made === undefined || typeof made === "number") return this.#fail(made ?? EAP_REASON_NO_METHOD);
    this.#method = made;
    this.#fresh = true;
    const { data, reason } = await made.take(undefined, this.#identifier);
    return data ? this.#ask(made.type, data) : this.#fail(reason ?? EAP_REASON_NO_METHOD);
  }
}
