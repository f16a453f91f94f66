/**
 * What a chassis and a shelf say to each other over their connection: orders for the board and reports of it.
 *
 *    0   LENGTH u32, all of it
 *    4   TYPE   u8, and 3 octets of 0
 *    8   body
 *
 *   chassis -> shelf   POWER                      power order as JSON behind its length u32, then the image
 *                      OFF                        SENT f64: frames sent in all
 *                      DELIVER                    PORT u32, a packet
 *                      CONDITION                  what the slot's page orders, as JSON
 *                      STRIKE                     as JSON
 *   shelf -> chassis   ONLINE                     SESSION u32 of the internal path
 *                      REFUSED                    the board's refusal u32
 *                      DENIED                     why the shelf takes no board, text
 *                      FAULT                      the report of a board that died, as JSON
 *                      STOPPED                    SENT f64
 *                      TRANSMIT                   PORT u32, a packet
 *                      PUBLISH                    see published_state.ts
 *
 * A connection carries the life of one board: POWER comes first and once, and after FAULT, REFUSED, DENIED or STOPPED comes nothing. Whoever gets
 * something else, or something too long or malformed, ends the connection. Little-endian.
 */
import { REG_ENTROPY_OCTETS } from "../../../assembly/abi/board.ts";
import { FABRIC_SLOT_MAX } from "../../../assembly/abi/fabric.ts";
import { FRAME_STRIDE } from "../../../assembly/abi/frame.ts";
import type { PowerOn } from "../board.ts";
import type { TrapReport } from "../fault.ts";
import type { FaultSpec } from "../tap/fault_injector.ts";
import type { SlotFaults, Strike } from "../tap/slot_faults.ts";

export const MESSAGE_POWER = 1;
export const MESSAGE_OFF = 2;
export const MESSAGE_DELIVER = 3;
export const MESSAGE_CONDITION = 4;
export const MESSAGE_STRIKE = 5;
export const MESSAGE_ONLINE = 16;
export const MESSAGE_REFUSED = 17;
export const MESSAGE_DENIED = 18;
export const MESSAGE_FAULT = 19;
export const MESSAGE_STOPPED = 20;
export const MESSAGE_TRANSMIT = 21;
export const MESSAGE_PUBLISH = 22;

/** Changes whenever the two ends would no longer understand each other. */
export const REMOTE_PROTOCOL = 1;

const HEADER = 8;
/** An image and what goes with it. */
const POWER_MAX = 16 << 20;
const MESSAGE_MAX = 1 << 17;
const TEXT_MAX = 1 << 14;
const RAM_PAGES_MAX = 65536;
const CONFIG_MAX = 1 << 16;

/** The other end says something that it must not: a stranger to the protocol, or another release. */
export class MessageError extends Error {
  override name = "MessageError";
}

export interface Message {
  type: number;
  body: Buffer;
}

export function encodeMessage(type: number, ...parts: Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(
    parts.reduce((sum, part) => sum + part.length, HEADER),
    0,
  );
  header.writeUInt8(type, 4);
  return Buffer.concat([header, ...parts]);
}

export const encodeJson = (type: number, value: unknown): Buffer =>
  encodeMessage(type, Buffer.from(JSON.stringify(value)));

export function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value);
  return octets;
}

export function f64(value: number): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeDoubleLE(value);
  return octets;
}

/** Cuts a stream into messages. Keeps one that is not whole, and never more than the longest may have. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #held = 0;

  /** Takes a chunk and gives the messages that it makes whole. Throws MessageError for one that is too long or too short. */
  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    const messages: Message[] = [];
    for (;;) {
      if (this.#held < HEADER) return messages;
      if (this.#chunks[0]!.length < HEADER) this.#chunks = [Buffer.concat(this.#chunks)];
      const length = this.#chunks[0]!.readUInt32LE(0);
      const type = this.#chunks[0]!.readUInt8(4);
      const limit = type === MESSAGE_POWER ? POWER_MAX : MESSAGE_MAX;
      if (length < HEADER || length > limit) throw new MessageError(`a message of type ${type} and ${length} octets`);
      if (this.#held < length) return messages;
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      messages.push({ type, body: all.subarray(HEADER, length) });
      const rest = all.subarray(length);
      this.#chunks = [rest];
      this.#held = rest.length;
    }
  }
}

/** A power order and all that the shelf needs for it. */
export interface HousedPower {
  /** The chassis by name: when it comes again, for the same slot and from the same address, its old connection is over. */
  chassis: string;
  ikeSlot: number;
  /** UDP port of the chassis's end of the internal path. */
  port: number;
  /** NOW of the chassis, ns: the board's goes with it. */
  now: bigint;
  image: { name: string; octets: Uint8Array };
  power: PowerOn & { pages: number };
}

export function encodePower({ chassis, ikeSlot, port, now, image, power }: HousedPower): Buffer {
  const { config, entropy, ...numbers } = power;
  const order = Buffer.from(
    JSON.stringify({
      protocol: REMOTE_PROTOCOL,
      chassis,
      ikeSlot,
      port,
      now: now.toString(),
      image: image.name,
      ...numbers,
      config: Buffer.from(config).toString("base64"),
      entropy: Buffer.from(entropy).toString("base64"),
    }),
  );
  const message = encodeMessage(MESSAGE_POWER, u32(order.length), order, image.octets);
  order.fill(0);
  return message;
}

export function decodePower(body: Buffer): HousedPower {
  if (body.length < 4) throw new MessageError("a power order without an order");
  const end = 4 + body.readUInt32LE(0);
  if (end > body.length) throw new MessageError("a power order that is cut off");
  const order = objectIn(body.subarray(4, end));
  if (order.protocol !== REMOTE_PROTOCOL)
    throw new MessageError(
      `protocol ${String(order.protocol)}; this end speaks ${REMOTE_PROTOCOL}: both must be of one release`,
    );
  const config = octetsOf(order, "config");
  const entropy = octetsOf(order, "entropy");
  if (config.length > CONFIG_MAX || entropy.length !== REG_ENTROPY_OCTETS)
    throw new MessageError("a power order's CONFIG");
  const now = textOf(order, "now");
  if (!/^\d{1,19}$/.test(now)) throw new MessageError("a power order's NOW");
  if (order.slot === order.ikeSlot) throw new MessageError("a board in the IKE board's slot");
  return {
    chassis: textOf(order, "chassis"),
    ikeSlot: integerOf(order, "ikeSlot", FABRIC_SLOT_MAX - 1),
    port: integerOf(order, "port", 65535),
    now: BigInt(now),
    image: { name: textOf(order, "image"), octets: body.subarray(end) },
    power: {
      slot: integerOf(order, "slot", FABRIC_SLOT_MAX - 1),
      generation: integerOf(order, "generation", 0xffff_ffff),
      pages: integerOf(order, "pages", RAM_PAGES_MAX),
      boardClass: integerOf(order, "boardClass", 0xffff_ffff),
      traceMask: integerOf(order, "traceMask", 0xffff_ffff),
      conservation: order.conservation === true,
      config,
      entropy,
    },
  };
}

/** A packet with its port: of DELIVER and TRANSMIT. */
export function decodePacket(body: Buffer): { port: number; packet: Buffer } {
  if (body.length < 4 || body.length > 4 + FRAME_STRIDE)
    throw new MessageError(`a packet of ${body.length - 4} octets`);
  return { port: body.readUInt32LE(0), packet: body.subarray(4) };
}

/** What the slot's page orders of its board. */
export interface Condition {
  traceMask: number;
  injection: FaultSpec | null;
  faults: SlotFaults;
}

export function decodeCondition(body: Buffer): Condition {
  const { traceMask, injection, faults } = objectIn(body);
  const numbers = (value: unknown, names: readonly string[]): Record<string, number> => {
    const given = asObject(value);
    return Object.fromEntries(
      names.flatMap((name) => {
        const number = given[name];
        if (number === undefined) return [];
        if (typeof number !== "number" || !Number.isFinite(number)) throw new MessageError(`${name} of a condition`);
        return [[name, number]];
      }),
    );
  };
  const wrong = asObject(faults);
  return {
    traceMask: integerOf({ traceMask }, "traceMask", 0xffff_ffff),
    injection: injection === null ? null : numbers(injection, ["seed", "lose", "duplicate", "reorder", "flip"]),
    faults: {
      ...numbers(faults, ["seed", "lose", "duplicate", "clockRate", "clockAhead"]),
      linkDown: wrong.linkDown === true,
      stalled: wrong.stalled === true,
    },
  };
}

export function decodeStrike(body: Buffer): Strike {
  const { how } = objectIn(body);
  if (how !== "trap" && how !== "hang") throw new MessageError("a strike");
  return how;
}

const FAULT_KINDS: readonly TrapReport["kind"][] = [
  "abort",
  "trap",
  "contract",
  "conservation",
  "hung",
  "link",
  "thread",
];

export function decodeFault(body: Buffer): TrapReport {
  const report = objectIn(body);
  const kind = FAULT_KINDS.find((name) => name === report.kind);
  if (!kind) throw new MessageError("a fault of no kind");
  const abort = report.abort === undefined || report.abort === null ? undefined : asObject(report.abort);
  return {
    kind,
    trapText: textOf(report, "trapText"),
    stack: textOf(report, "stack"),
    abort: abort && {
      file: textOf(abort, "file"),
      line: integerOf(abort, "line", 0xffff_ffff),
      column: integerOf(abort, "column", 0xffff_ffff),
      message: textOf(abort, "message"),
    },
  };
}

export function decodeU32(body: Buffer): number {
  if (body.length !== 4) throw new MessageError(`a number of ${body.length} octets`);
  return body.readUInt32LE(0);
}

/** How many frames the other end has sent. */
export function decodeSent(body: Buffer): number {
  const sent = body.length === 8 ? body.readDoubleLE(0) : -1;
  if (!Number.isSafeInteger(sent) || sent < 0) throw new MessageError("a number of frames");
  return sent;
}

type Fields = Record<string, unknown>;

function asObject(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new MessageError("no object");
  return value as Fields;
}

function objectIn(body: Buffer): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new MessageError("no JSON");
  }
  return asObject(value);
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string" || value.length > TEXT_MAX) throw new MessageError(`${name} is no text`);
  return value;
}

function octetsOf(fields: Fields, name: string): Uint8Array {
  const value = fields[name];
  if (typeof value !== "string") throw new MessageError(`${name} is no text`);
  return Buffer.from(value, "base64");
}

function integerOf(fields: Fields, name: string, most: number): number {
  const value = fields[name];
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most)
    throw new MessageError(`${name} is no number up to ${most}`);
  return value as number;
}
