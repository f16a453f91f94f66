/**
 * EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02): MS-CHAP-V2 (RFC 2759) in EAP, with its MSK of RFC 3079.
 *
 *   0 OPCODE u8   1 MS-CHAPv2-ID u8   2 MS-LENGTH u16 (all)   4 of its own
 *
 *   challenge (1)   4 16   5 challenge            21 name      -->
 *                             <--  response (2)   4 49   5 peer's challenge   21 zeros   29 NT-Response   53 flags   54 name
 *   success (3)     4 "S=<40 hexadecimal digits> M=.."         -->
 *                             <--  success (3), the opcode alone
 *   failure (4)     4 "E=691 R=0 .."                           -->
 *                             <--  failure (4), the opcode alone
 *
 * An unknown name fares as a wrong password. Refuses another try (R=0) and a change of the password, which it answers as a failure.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  EAP_REASON_MALFORMED,
  EAP_REASON_PROOF,
  EAP_REASON_REFUSED,
  EAP_REASON_UNEXPECTED,
} from "../../assembly/abi/psa.ts";
import type { EapMethod, MethodStep } from "./eap_method.ts";
import { TYPE_MSCHAPV2 } from "./eap_packet.ts";
import {
  authenticatorResponse,
  challengeHash,
  challengeResponse,
  mskOf,
  passwordHash,
  passwordHashHash,
} from "./mschapv2.ts";

const CHALLENGE = 1;
const RESPONSE = 2;
const SUCCESS = 3;
const FAILURE = 4;

const HEADER = 4;
const CHALLENGE_OCTETS = 16;
const RESPONSE_OCTETS = 49;
const AT_NAME_OF_CHALLENGE = HEADER + 1 + CHALLENGE_OCTETS;
const AT_PEER_CHALLENGE = HEADER + 1;
const AT_NT_RESPONSE = AT_PEER_CHALLENGE + CHALLENGE_OCTETS + 8;
const NT_RESPONSE_OCTETS = 24;
const AT_NAME = HEADER + 1 + RESPONSE_OCTETS;
const WRONG_PASSWORD = 691;

function message(opcode: number, id: number, ...parts: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const length = HEADER + body.length;
  return Uint8Array.from([opcode, id, length >>> 8, length & 0xff, ...body]);
}

const lengthFits = (data: Uint8Array): boolean =>
  data.length >= HEADER && (((data[2] as number) << 8) | (data[3] as number)) === data.length;

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);

abstract class MsChapV2 implements EapMethod {
  readonly type = TYPE_MSCHAPV2;
  readonly name: Uint8Array;
  readonly #password: Uint8Array;
  #msk: Uint8Array | undefined;

  constructor(name: Uint8Array, password: Uint8Array) {
    this.name = Uint8Array.from(name);
    this.#password = Uint8Array.from(password);
  }

  get msk(): Uint8Array | undefined {
    return this.#msk;
  }

  abstract take(data: Uint8Array | undefined, identifier: number): MethodStep | Promise<MethodStep>;

  /** NT-Response to the two challenges, and what the authenticator proves itself with; keeps the MSK. */
  protected async compute(
    peer: Uint8Array,
    authenticator: Uint8Array,
  ): Promise<{ response: Uint8Array; proof: string }> {
    const hash = await passwordHash(this.#password);
    const hashHash = await passwordHashHash(hash);
    const challenge = challengeHash(peer, authenticator, this.name);
    const response = challengeResponse(challenge, hash);
    this.#msk = mskOf(hashHash, response);
    const proof = authenticatorResponse(hashHash, response, challenge);
    hash.fill(0);
    hashHash.fill(0);
    return { response, proof };
  }

  close(): void {
    this.#password.fill(0);
    this.#msk?.fill(0);
  }
}

export class MsChapV2Authenticator extends MsChapV2 {
  readonly #challenge = randomBytes(CHALLENGE_OCTETS);
  #id = 0;
  #told: typeof SUCCESS | typeof FAILURE | undefined;

  async take(data: Uint8Array | undefined, identifier: number): Promise<MethodStep> {
    if (!data) {
      this.#id = identifier;
      const value = Buffer.concat([Uint8Array.of(CHALLENGE_OCTETS), this.#challenge]);
      return { data: message(CHALLENGE, this.#id, value, Buffer.from("cardcage")) };
    }
    if (this.#told === FAILURE) return { reason: EAP_REASON_PROOF };
    if (this.#told === SUCCESS) return data[0] === SUCCESS ? { done: true } : { reason: EAP_REASON_UNEXPECTED };
    if (data[0] !== RESPONSE) return { reason: EAP_REASON_UNEXPECTED };
    const whole = lengthFits(data) && data.length >= AT_NAME && data[HEADER] === RESPONSE_OCTETS;
    if (!whole) return { reason: EAP_REASON_MALFORMED };
    if (data[1] !== this.#id) return { reason: EAP_REASON_UNEXPECTED };
    return this.#judge(data);
  }

  async #judge(data: Uint8Array): Promise<MethodStep> {
    const peer = data.subarray(AT_PEER_CHALLENGE, AT_PEER_CHALLENGE + CHALLENGE_OCTETS);
    const { response, proof } = await this.compute(peer, this.#challenge);
    const good = equal(response, data.subarray(AT_NT_RESPONSE, AT_NT_RESPONSE + NT_RESPONSE_OCTETS));
    if (good && equal(this.name, data.subarray(AT_NAME))) {
      this.#told = SUCCESS;
      return { data: message(SUCCESS, this.#id, Buffer.from(`${proof} M=OK`)) };
    }
    this.#told = FAILURE;
    const fresh = randomBytes(CHALLENGE_OCTETS).toString("hex").toUpperCase();
    return {
      data: message(FAILURE, this.#id, Buffer.from(`E=${WRONG_PASSWORD} R=0 C=${fresh} V=3 M=refused`)),
      reason: EAP_REASON_PROOF,
    };
  }
}

export class MsChapV2Peer extends MsChapV2 {
  /** What the authenticator has to prove itself with. */
  #proof: string | undefined;
  #done = false;

  async take(data: Uint8Array): Promise<MethodStep> {
    if (!lengthFits(data)) return { reason: EAP_REASON_MALFORMED };
    const [opcode, id = 0] = data;
    if (this.#done) return { reason: EAP_REASON_UNEXPECTED };
    if (opcode === FAILURE) return { data: Uint8Array.of(FAILURE), reason: EAP_REASON_REFUSED };
    if (opcode === CHALLENGE && this.#proof === undefined) return this.#respond(data, id);
    if (opcode !== SUCCESS || this.#proof === undefined) return { reason: EAP_REASON_UNEXPECTED };
    if (!equal(data.subarray(HEADER, HEADER + this.#proof.length), Buffer.from(this.#proof))) {
      return { reason: EAP_REASON_PROOF };
    }
    this.#done = true;
    return { data: Uint8Array.of(SUCCESS), done: true };
  }

  async #respond(data: Uint8Array, id: number): Promise<MethodStep> {
    if (data[HEADER] !== CHALLENGE_OCTETS || data.length < AT_NAME_OF_CHALLENGE) {
      return { reason: EAP_REASON_MALFORMED };
    }
    const own = randomBytes(CHALLENGE_OCTETS);
    const { response, proof } = await this.compute(own, data.subarray(HEADER + 1, AT_NAME_OF_CHALLENGE));
    this.#proof = proof;
    const value = [Uint8Array.of(RESPONSE_OCTETS), own, Buffer.alloc(8), response, Uint8Array.of(0)];
    return { data: message(RESPONSE, id, ...value, this.name) };
  }
}
