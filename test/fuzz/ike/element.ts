/**
 * A stand-in for the secure element: quick, repeatable, and what two of them do fits together. Its key exchange is none: a
 * public value is hashed with the other's. What it gives out as secret is remembered, so that it can be looked for later.
 */
import { createHash, createHmac } from "node:crypto";
import {
  KE_ECP256,
  KE_ECP384,
  KE_MLKEM512,
  KE_MLKEM768,
  KE_X25519,
  PSA_ALGORITHM,
  PSA_DESTROY_KEY,
  PSA_ERROR_DOES_NOT_EXIST,
  PSA_ERROR_INVALID_ARGUMENT,
  PSA_ERROR_NOT_SUPPORTED,
  PSA_FIELDS,
  PSA_GENERATE_KEY,
  PSA_KEY,
  PSA_OP,
  PSA_PPK_KEYS,
  PSA_PSK_AUTH,
  PSA_PSK_AUTH_BOTH,
  PSA_RAW_KEY_AGREEMENT,
  PSA_RESPOND_KEY,
  PSA_SIGN_AUTH,
  PSA_STATUS,
  PSA_VERIFY_AUTH,
  SIGN_CERTIFICATES,
  SIGN_LENGTH,
  SIGN_METHOD,
  VERDICT_GOOD,
  VERDICT_SIGNATURE,
} from "../../../assembly/abi/psa.ts";
import { prfHash } from "./suite.ts";

/** Octets of the initiator's public value, and of the responder's. */
const VALUES: Record<number, [number, number]> = {
  [KE_X25519]: [32, 32],
  [KE_ECP256]: [64, 64],
  [KE_ECP384]: [96, 96],
  [KE_MLKEM512]: [800, 768],
  [KE_MLKEM768]: [1184, 1088],
};
const DIGITAL_SIGNATURE = 14;
/** DER of the algorithm in front of an RFC 7427 signature, as long as any. */
const ALGORITHM = Buffer.from("0c300a06082a8648ce3d040302", "hex");
const CERTIFICATE = Buffer.concat([Buffer.from([4]), Buffer.alloc(900, 0x5a)]);
const SECRETS_KEPT = 64;

const field = (octets: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([octets.length & 255, octets.length >> 8]), octets]);

class Refusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

export class Element {
  /** Key id -> method and public value of a share that was not used or destroyed yet. */
  readonly #shares = new Map<number, { method: number; value: Buffer }>();
  #drawn = 0;
  readonly #seed: string;
  readonly secrets: Buffer[] = [];

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** A request that it never answers: what it was about is gone. */
  lose(request: Buffer): void {
    this.#shares.delete(request.readUInt32LE(PSA_KEY));
  }

  /** Forgets what it gave out as secret. */
  forget(): void {
    this.secrets.length = 0;
  }

  /** Shares that it still keeps. */
  get shares(): number {
    return this.#shares.size;
  }

  #draw(octets: number): Buffer {
    const from = createHash("sha256").update(`${this.#seed} ${this.#drawn++}`).digest();
    return Buffer.concat(Array.from({ length: Math.ceil(octets / 32) }, () => from)).subarray(0, octets);
  }

  #secret(...parts: Uint8Array[]): Buffer {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    const secret = hash.digest();
    this.secrets.push(secret);
    if (this.secrets.length > SECRETS_KEPT) this.secrets.shift();
    return secret;
  }

  answer(request: Buffer): Buffer {
    const head = Buffer.alloc(PSA_FIELDS);
    request.copy(head, 0, 0, 12);
    try {
      const { key, value, more = [] } = this.#perform(request);
      if (key !== undefined) head.writeUInt32LE(key, PSA_KEY);
      return value === undefined ? head : Buffer.concat([head, field(value), ...more.map(field)]);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      head.writeInt32LE(error.status, PSA_STATUS);
      return head;
    }
  }

  #perform(request: Buffer): { key?: number; value?: Buffer; more?: Buffer[] } {
    const algorithm = request.readUInt32LE(PSA_ALGORITHM);
    const key = request.readUInt32LE(PSA_KEY);
    const fields: Buffer[] = [];
    for (let at = PSA_FIELDS; at < request.length; at += 2 + request.readUInt16LE(at)) {
      fields.push(request.subarray(at + 2, at + 2 + request.readUInt16LE(at)));
    }
    switch (request.readUInt16LE(PSA_OP)) {
      case PSA_GENERATE_KEY: {
        const length = VALUES[algorithm]?.[0];
        if (length === undefined) throw new Refusal(PSA_ERROR_NOT_SUPPORTED);
        const value = this.#draw(length);
        this.#shares.set(this.#drawn, { method: algorithm, value });
        return { key: this.#drawn, value };
      }
      case PSA_RAW_KEY_AGREEMENT: {
        const share = this.#shares.get(key);
        this.#shares.delete(key);
        if (share === undefined) throw new Refusal(PSA_ERROR_DOES_NOT_EXIST);
        // The peer may be either, so either length will do.
        if (!VALUES[share.method]!.includes(fields[0]!.length)) throw new Refusal(PSA_ERROR_INVALID_ARGUMENT);
        return {
          value: this.#secret(...[share.value.subarray(0, 32), fields[0]!.subarray(0, 32)].sort(Buffer.compare)),
        };
      }
      case PSA_RESPOND_KEY: {
        const lengths = VALUES[algorithm];
        if (lengths === undefined) throw new Refusal(PSA_ERROR_NOT_SUPPORTED);
        if (fields[0]!.length !== lengths[0]) throw new Refusal(PSA_ERROR_INVALID_ARGUMENT);
        const value = this.#draw(lengths[1]);
        const secret = this.#secret(...[value.subarray(0, 32), fields[0]!.subarray(0, 32)].sort(Buffer.compare));
        return { value: Buffer.concat([field(value), secret]) };
      }
      case PSA_DESTROY_KEY:
        this.#shares.delete(key);
        return {};
      case PSA_PSK_AUTH:
        return { value: createHmac(prfHash(algorithm), "the key").update(fields[2]!).digest() };
      case PSA_PSK_AUTH_BOTH: {
        const auth = (octets: Buffer): Buffer => createHmac(prfHash(algorithm), "the key").update(octets).digest();
        return { value: auth(fields[2]!), more: [auth(fields[3]!), Buffer.alloc(0)] };
      }
      case PSA_SIGN_AUTH: {
        const data = Buffer.concat([ALGORITHM, createHash("sha512").update(fields[0]!).digest()]);
        const answer = Buffer.alloc(SIGN_CERTIFICATES);
        answer[SIGN_METHOD] = DIGITAL_SIGNATURE;
        answer.writeUInt16LE(data.length, SIGN_LENGTH);
        return { value: Buffer.concat([answer, data, field(CERTIFICATE)]) };
      }
      case PSA_VERIFY_AUTH: {
        const good = createHash("sha512").update(fields[2]!).digest().equals(fields[1]!.subarray(ALGORITHM.length));
        return { value: Buffer.from([good ? VERDICT_GOOD : VERDICT_SIGNATURE]) };
      }
      case PSA_PPK_KEYS:
        if (fields[0]!.toString() !== "ppk") throw new Refusal(PSA_ERROR_DOES_NOT_EXIST);
        return {
          value: Buffer.concat(
            fields.slice(1).map((from) => {
              const out = createHmac("sha512", "ppk").update(from).digest().subarray(0, from.length);
              this.secrets.push(out);
              return out;
            }),
          ),
        };
      default:
        throw new Refusal(PSA_ERROR_NOT_SUPPORTED);
    }
  }
}
