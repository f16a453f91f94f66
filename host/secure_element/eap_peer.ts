/**
 * The EAP peer (RFC 3748): answers who asks. It tells its identity, turns down a method that it has not (Nak), runs the first that it
 * has to its end, and takes success when the method is through and not before.
 */
import {
  EAP_CONTINUES,
  EAP_FAILED,
  EAP_REASON_MALFORMED,
  EAP_REASON_REFUSED,
  EAP_REASON_TOO_LONG,
  EAP_REASON_UNEXPECTED,
  EAP_SUCCEEDED,
} from "../../assembly/abi/psa.ts";
import type { EapMethod } from "./eap_method.ts";
import {
  FAILURE,
  parsePacket,
  REQUEST,
  RESPONSE,
  SUCCESS,
  TYPE_IDENTITY,
  TYPE_NAK,
  TYPE_NOTIFICATION,
  typedPacket,
} from "./eap_packet.ts";

/** Packets of the other end's in one session. */
export const PACKETS_MAX = 64;

export interface EapStep {
  outcome: number;
  reason?: number;
  packet?: Uint8Array;
}

export interface EapSide {
  readonly identity: Uint8Array;
  readonly method: EapMethod | undefined;
  step(packet: Uint8Array): Promise<EapStep>;
  close(): void;
}

/** Makes the method of a type; undefined: it is not to be had, which a reason may tell more of. */
export type Maker = (type: number, identity: Uint8Array) => EapMethod | number | undefined;

export const fail = (reason: number): EapStep => ({ outcome: EAP_FAILED, reason });

export class EapPeer implements EapSide {
  readonly identity: Uint8Array;
  readonly #types: readonly number[];
  readonly #make: Maker;
  #method: EapMethod | undefined;
  #packets = 0;
  #last = -1;
  #done = false;
  #reason: number | undefined;

  /** `types`: of the methods that it has, the best first. */
  constructor(identity: Uint8Array, types: readonly number[], make: Maker) {
    this.identity = identity;
    this.#types = types;
    this.#make = make;
  }

  get method(): EapMethod | undefined {
    return this.#method;
  }

  async step(octets: Uint8Array): Promise<EapStep> {
    const packet = parsePacket(octets);
    if (!packet) return fail(EAP_REASON_MALFORMED);
    if (packet.code === FAILURE) return fail(this.#reason ?? EAP_REASON_REFUSED);
    if (packet.code === SUCCESS) {
      const due = this.#done && packet.identifier === this.#last;
      return due ? { outcome: EAP_SUCCEEDED } : fail(EAP_REASON_UNEXPECTED);
    }
    // Each request has an identifier of its own; over IKE none comes twice.
    if (packet.code !== REQUEST || packet.identifier === this.#last) return fail(EAP_REASON_UNEXPECTED);
    if (++this.#packets > PACKETS_MAX) return fail(EAP_REASON_TOO_LONG);
    this.#last = packet.identifier;
    return this.#request(packet.type, packet.data);
  }

  close(): void {
    this.#method?.close();
  }

  #answer(type: number, data: Uint8Array): EapStep {
    return { outcome: EAP_CONTINUES, packet: typedPacket(RESPONSE, this.#last, type, data) };
  }

  async #request(type: number, data: Uint8Array): Promise<EapStep> {
    if (type === TYPE_NOTIFICATION) return this.#answer(type, new Uint8Array(0));
    if (type === TYPE_NAK || this.#reason !== undefined) return fail(EAP_REASON_UNEXPECTED);
    if (type === TYPE_IDENTITY && !this.#method) return this.#answer(type, this.identity);
    if (!this.#method) {
      const made = this.#types.includes(type) ? this.#make(type, this.identity) : undefined;
      if (typeof made === "number") return fail(made);
      // 0: there is none that we would rather have (RFC 3748 section 5.3.1).
      if (!made) return this.#answer(TYPE_NAK, Uint8Array.from(this.#types.length > 0 ? this.#types : [0]));
      this.#method = made;
    }
    if (type !== this.#method.type) return fail(EAP_REASON_UNEXPECTED);
    const step = await this.#method.take(data, this.#last);
    if (step.data === undefined) return fail(step.reason ?? EAP_REASON_UNEXPECTED);
    this.#reason = step.reason;
    this.#done ||= step.done === true;
    return this.#answer(type, step.data);
  }
}
