/**
 * One end of the internal path (13) over a network: frames in sealed datagrams, each of which counts once.
 *
 *    0   SESSION  u32
 *    4   NUMBER   u64: from 0 on; its top bit tells a beat, which has numbers of its own
 *   12   sealed, ChaCha20-Poly1305 (RFC 8439), over SESSION and NUMBER as additional data:
 *          a frame   PORT u8, 3 octets of 0, LINK u32, octets
 *          a beat    SETTLED u64, HEARD u64
 *   -16  TAG
 *
 * All little-endian. The nonce is the IV of the direction with NUMBER on its last eight octets (as RFC 8446 5.3); keys are new with
 * every connection, so that none meets a nonce twice.
 *
 * Every frame that is sent has one outcome at the far end: it is accepted, or it is counted as lost once the window or a beat has passed its
 * number. What comes after that, or comes again, is a replay; what was not sealed with the key is forged. Neither is a frame of ours.
 * SETTLED is how many frames had been sent at the beat before: what of them is not there by now is lost, however quiet the path is.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";

export interface DirectionKey {
  key: Uint8Array;
  iv: Uint8Array;
}

export interface PathKeys {
  send: DirectionKey;
  receive: DirectionKey;
}

const CIPHER = "chacha20-poly1305";
const HEADER = 12;
const FRAME_HEADER = 8;
const BEAT = 16;
const TAG = 16;
const BEAT_BIT = 0x8000_0000;
/** Frames by which one may overtake another. */
export const PATH_WINDOW = 4096;

/** Octets that a frame takes beyond its own. */
export const PATH_OVERHEAD = HEADER + FRAME_HEADER + TAG;

/** What open() makes of a datagram. */
export const OPENED_FRAME = 0;
export const OPENED_BEAT = 1;
export const FORGED = 2;
export const REPLAYED = 3;

/** SESSION of a datagram, or -1 of one that is too short to be any. */
export function sessionOf(datagram: Buffer): number {
  return datagram.length < HEADER + TAG ? -1 : datagram.readUInt32LE(0);
}

/** Which numbers have come; what has not when the window has passed it is lost. */
export class ArrivalWindow {
  readonly #seen = new Uint8Array(PATH_WINDOW);
  /** Numbers below have their outcome. */
  #base = 0;
  lost = 0;
  accepted = 0;

  /** True when the number has not come before, and is not given up. */
  accept(number: number): boolean {
    if (number < this.#base) return false;
    this.settle(number - PATH_WINDOW + 1);
    const at = number % PATH_WINDOW;
    if (this.#seen[at] !== 0) return false;
    this.#seen[at] = 1;
    this.accepted += 1;
    return true;
  }

  /** All numbers below `end` have their outcome now. */
  settle(end: number): void {
    const windowed = Math.min(end, this.#base + PATH_WINDOW);
    for (let number = this.#base; number < windowed; number++) {
      const at = number % PATH_WINDOW;
      if (this.#seen[at] === 0) this.lost += 1;
      this.#seen[at] = 0;
    }
    if (end > windowed) this.lost += end - windowed;
    if (end > this.#base) this.#base = end;
  }
}

/** Packets are many and short-lived: this is what is done for each. */
export class PathEnd {
  /** SESSION of its datagrams. */
  readonly session: number;
  readonly #send: DirectionKey;
  readonly #receive: DirectionKey;
  readonly #nonce = Buffer.alloc(12);
  readonly #window = new ArrivalWindow();
  /** Frames sent: the next number. */
  sent = 0;
  #beatsSent = 0;
  #sentAtLastBeat = 0;
  /** Beats of the far end that are over: the next number that it may have. */
  #beatsHeard = 0;
  /** Beats of ours that the far end had heard. */
  heard = 0;
  forged = 0;
  replayed = 0;
  /** Of the frame that open() found. */
  port = 0;
  link = 0;
  octets: Buffer = Buffer.alloc(0);

  constructor(session: number, keys: PathKeys) {
    this.session = session;
    this.#send = keys.send;
    this.#receive = keys.receive;
  }

  /** Frames of the far end that came. */
  get accepted(): number {
    return this.#window.accepted;
  }

  /** Frames of the far end that did not come, and will not count if they do. */
  get lost(): number {
    return this.#window.lost;
  }

  /** A frame as a datagram. */
  seal(port: number, link: number, octets: Uint8Array, at: number, length: number): Buffer {
    const plain = Buffer.allocUnsafe(FRAME_HEADER + length);
    plain.writeUInt32LE(port, 0);
    plain.writeUInt32LE(link, 4);
    plain.set(octets.subarray(at, at + length), FRAME_HEADER);
    return this.#sealed(this.sent++, false, plain);
  }

  /** A sign of life; also tells what has been sent. */
  beat(): Buffer {
    const plain = Buffer.allocUnsafe(BEAT);
    writeU64(plain, 0, this.#sentAtLastBeat);
    writeU64(plain, 8, this.#beatsHeard);
    this.#sentAtLastBeat = this.sent;
    return this.#sealed(this.#beatsSent++, true, plain);
  }

  /** Opens a datagram of this session; a frame stands in this object then. */
  open(datagram: Buffer): number {
    const length = datagram.length - HEADER - TAG;
    if (length < FRAME_HEADER) return this.#forged();
    const high = datagram.readUInt32LE(8);
    const isBeat = (high & BEAT_BIT) !== 0;
    const number = (high & 0x7fff_ffff) * 2 ** 32 + datagram.readUInt32LE(4);
    if (!Number.isSafeInteger(number)) return this.#forged();
    const plain = this.#opened(datagram, length, high);
    if (!plain) return this.#forged();
    if (isBeat) return this.#beatArrived(number, plain);
    if (!this.#window.accept(number)) {
      this.replayed += 1;
      return REPLAYED;
    }
    this.port = plain.readUInt32LE(0);
    this.link = plain.readUInt32LE(4);
    this.octets = plain.subarray(FRAME_HEADER);
    return OPENED_FRAME;
  }

  /** The connection is over: what was announced and has not come is lost. `sent` is what the far end has sent in all. */
  settle(sent: number): void {
    this.#window.settle(sent);
  }

  /** Overwrites the keys. */
  wipe(): void {
    for (const { key, iv } of [this.#send, this.#receive]) {
      key.fill(0);
      iv.fill(0);
    }
  }

  #forged(): number {
    this.forged += 1;
    return FORGED;
  }

  #beatArrived(number: number, plain: Buffer): number {
    if (plain.length !== BEAT) return this.#forged();
    // One that was overtaken, or comes again, tells nothing.
    if (number < this.#beatsHeard) {
      this.replayed += 1;
      return REPLAYED;
    }
    this.#beatsHeard = number + 1;
    this.#window.settle(readU64(plain, 0));
    this.heard = readU64(plain, 8);
    return OPENED_BEAT;
  }

  #nonceOf(iv: Uint8Array, low: number, high: number): Buffer {
    const nonce = this.#nonce;
    nonce.set(iv);
    nonce.writeUInt32LE((nonce.readUInt32LE(4) ^ low) >>> 0, 4);
    nonce.writeUInt32LE((nonce.readUInt32LE(8) ^ high) >>> 0, 8);
    return nonce;
  }

  #sealed(number: number, isBeat: boolean, plain: Buffer): Buffer {
    const datagram = Buffer.allocUnsafe(HEADER + plain.length + TAG);
    const low = number >>> 0;
    const high = (Math.floor(number / 2 ** 32) | (isBeat ? BEAT_BIT : 0)) >>> 0;
    datagram.writeUInt32LE(this.session, 0);
    datagram.writeUInt32LE(low, 4);
    datagram.writeUInt32LE(high, 8);
    const cipher = createCipheriv(CIPHER, this.#send.key, this.#nonceOf(this.#send.iv, low, high), {
      authTagLength: TAG,
    });
    cipher.setAAD(datagram.subarray(0, HEADER), { plaintextLength: plain.length });
    datagram.set(cipher.update(plain), HEADER);
    cipher.final();
    datagram.set(cipher.getAuthTag(), HEADER + plain.length);
    return datagram;
  }

  #opened(datagram: Buffer, length: number, high: number): Buffer | undefined {
    const { key, iv } = this.#receive;
    const nonce = this.#nonceOf(iv, datagram.readUInt32LE(4), high);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG });
    decipher.setAAD(datagram.subarray(0, HEADER), { plaintextLength: length });
    decipher.setAuthTag(datagram.subarray(HEADER + length));
    const plain = decipher.update(datagram.subarray(HEADER, HEADER + length));
    try {
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }
}

function writeU64(octets: Buffer, at: number, value: number): void {
  octets.writeUInt32LE(value >>> 0, at);
  octets.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readU64(octets: Buffer, at: number): number {
  return octets.readUInt32LE(at + 4) * 2 ** 32 + octets.readUInt32LE(at);
}
