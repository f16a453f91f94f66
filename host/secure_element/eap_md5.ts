/**
 * EAP-MD5 (RFC 3748 section 5.4): CHAP (RFC 1994), MD5(identifier | secret | challenge).
 *
 *   0 VALUE SIZE u8   1 value   then a name, which is not looked at
 *
 * It authenticates the peer alone and makes no MSK: it is for where the responder has proved itself by other means.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { EAP_REASON_MALFORMED, EAP_REASON_PROOF, EAP_REASON_UNEXPECTED } from "../../assembly/abi/psa.ts";
import type { EapMethod, MethodStep } from "./eap_method.ts";
import { TYPE_MD5 } from "./eap_packet.ts";

const OCTETS = 16;

function valueOf(data: Uint8Array): Uint8Array | undefined {
  const size = data[0] ?? 0;
  return size > 0 && data.length > size ? data.subarray(1, 1 + size) : undefined;
}

const withSize = (value: Uint8Array): Uint8Array => Uint8Array.from([value.length, ...value]);

const proof = (identifier: number, secret: Uint8Array, challenge: Uint8Array): Buffer =>
  createHash("md5").update(Uint8Array.of(identifier)).update(secret).update(challenge).digest();

abstract class Md5 implements EapMethod {
  readonly type = TYPE_MD5;
  readonly msk = undefined;
  protected readonly secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.secret = Uint8Array.from(secret);
  }

  abstract take(data: Uint8Array | undefined, identifier: number): MethodStep;

  close(): void {
    this.secret.fill(0);
  }
}

export class Md5Authenticator extends Md5 {
  readonly #challenge = randomBytes(OCTETS);

  take(data: Uint8Array | undefined, identifier: number): MethodStep {
    if (!data) return { data: withSize(this.#challenge) };
    const value = valueOf(data);
    if (value?.length !== OCTETS) return { reason: EAP_REASON_MALFORMED };
    const good = timingSafeEqual(value, proof(identifier, this.secret, this.#challenge));
    return good ? { done: true } : { reason: EAP_REASON_PROOF };
  }
}

export class Md5Peer extends Md5 {
  #answered = false;

  take(data: Uint8Array, identifier: number): MethodStep {
    if (this.#answered) return { reason: EAP_REASON_UNEXPECTED };
    const challenge = valueOf(data);
    if (!challenge) return { reason: EAP_REASON_MALFORMED };
    this.#answered = true;
    return { data: withSize(proof(identifier, this.secret, challenge)), done: true };
  }
}
