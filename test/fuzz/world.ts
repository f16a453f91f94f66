/**
 * Two gateways on a cable in lockstep, as in service, with every frame recorded that a board of the left one is given: the
 * valid frames that the fuzz mutates. The left gateway is the one that is fuzzed.
 */
import {
  CHILD_LOCAL_TS,
  CHILD_MODE,
  CHILD_MODE_DROP,
  CHILD_MODE_PASS,
  CHILD_NAME,
  CHILD_PRIORITY,
  CHILD_PROPOSAL,
  CHILD_REMOTE_TS,
  CHILD_START_ACTION,
  CONNECTION_LOCAL_ADDRESS,
  CONNECTION_LOCAL_ID,
  CONNECTION_NAME,
  CONNECTION_PROPOSAL,
  CONNECTION_REMOTE_ADDRESS,
  CONNECTION_REMOTE_ID,
  MANAGEMENT_CONNECTION_LOAD,
  START_NONE,
} from "../../assembly/abi/management.ts";
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../../assembly/abi/message.ts";
import { PORT_CHANNEL, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { createLink, type LinkKind, type LinkReceiver } from "../../host/chassis/backplane.ts";
import type { ConfigItem } from "../../host/chassis/config.ts";
import type { Cage, CagePlan } from "../../host/chassis/drive/drive.ts";
import { Lockstep, type LockstepCage } from "../../host/chassis/drive/lockstep.ts";
import { SeededEntropy } from "../../host/chassis/entropy.ts";
import type { Build } from "../../host/chassis/image.ts";
import { Cable } from "../../host/nic/cable.ts";
import type { Nic } from "../../host/nic/nic.ts";
import { Gateway } from "../../host/operator/gateway.ts";
import { encodeMessage, textValue } from "../../host/operator/management.ts";
import { encodeTransforms, type TransformValue } from "../../host/operator/transform_name.ts";
import type { Sample } from "./mutation.ts";

const IPSEC_BOARDS = 2;
/** Samples kept per slot and port. */
const SAMPLES_MAX = 256;
const PATIENCE_MS = 30_000;

/** A lockstep drive that shows the cages it makes and what they deliver. */
class WatchedLockstep extends Lockstep {
  readonly cages: LockstepCage[] = [];
  onDeliver: ((cage: LockstepCage, slot: number, port: number, packet: Uint8Array) => void) | undefined;

  override cage(plan: CagePlan): Cage {
    const cage = super.cage(plan) as LockstepCage;
    const deliver = cage.deliver.bind(cage);
    cage.deliver = (slot, port, packet, link) => {
      this.onDeliver?.(cage, slot, port, packet);
      return deliver(slot, port, packet, link);
    };
    this.cages.push(cage);
    return cage;
  }
}

/** A protected network's interface: keeps what comes out. */
class Inside implements Nic {
  readonly side = "protected";
  readonly received: Uint8Array[] = [];
  arrive: ((packets: Uint8Array[]) => void) | undefined;

  send(packets: Uint8Array[]): void {
    this.received.push(...packets);
  }

  onReceive(callback: (packets: Uint8Array[]) => void): void {
    this.arrive = callback;
  }

  async close(): Promise<void> {
    this.arrive = undefined;
  }
}

const transform = (type: number, id: number, keyBits = 0): TransformValue => ({ type, id, keyBits });
/** aes256gcm16-prfsha256-x25519, and aes256gcm16 without ESN. */
const IKE_PROPOSAL = encodeTransforms([transform(1, 20, 256), transform(2, 5), transform(4, 31)]);
const ESP_PROPOSAL = encodeTransforms([transform(1, 20, 256), transform(5, 0)]);

/** 10.NET.0.0/16, of one UDP port at most. */
function selector(net: number, port?: number): Uint8Array {
  const octets = new Uint8Array(SELECTOR_OCTETS);
  octets[0] = 4;
  const view = new DataView(octets.buffer);
  if (port !== undefined) octets[SELECTOR_PROTOCOL] = 17;
  view.setUint16(SELECTOR_START_PORT, port ?? 0, true);
  view.setUint16(SELECTOR_END_PORT, port ?? 0xffff, true);
  octets.set([10, net, 0, 0], SELECTOR_START);
  octets.set([10, net, 255, 255], SELECTOR_END);
  return octets;
}

/** ID type u8, then the data. */
const configuredIdentity = (side: number): Uint8Array => Uint8Array.from([1, 192, 0, 2, side]);

/** UDP ports whose packets pass in clear, and those that nothing passes to. */
const PASSED = 53;
const DISCARDED = 9;

function shunt(name: string, mode: number, local: number, remote: number, port: number): ConfigItem[] {
  return [
    { type: CHILD_NAME, value: textValue(name) },
    { type: CHILD_MODE, value: mode },
    { type: CHILD_PRIORITY, value: 1 },
    { type: CHILD_LOCAL_TS, value: selector(local) },
    { type: CHILD_REMOTE_TS, value: selector(remote, port) },
  ];
}

function connection(local: number, remote: number): Uint8Array {
  const items: ConfigItem[] = [
    { type: CONNECTION_NAME, value: textValue("pair") },
    { type: CONNECTION_LOCAL_ADDRESS, value: Uint8Array.from([192, 0, 2, local]) },
    { type: CONNECTION_REMOTE_ADDRESS, value: Uint8Array.from([192, 0, 2, remote]) },
    { type: CONNECTION_PROPOSAL, value: IKE_PROPOSAL },
    { type: CONNECTION_LOCAL_ID, value: configuredIdentity(local) },
    { type: CONNECTION_REMOTE_ID, value: configuredIdentity(remote) },
    { type: CHILD_NAME, value: textValue("net") },
    { type: CHILD_PROPOSAL, value: ESP_PROPOSAL },
    { type: CHILD_LOCAL_TS, value: selector(local) },
    { type: CHILD_REMOTE_TS, value: selector(remote) },
    { type: CHILD_START_ACTION, value: START_NONE },
    ...shunt("past", CHILD_MODE_PASS, local, remote, PASSED),
    ...shunt("never", CHILD_MODE_DROP, local, remote, DISCARDED),
  ];
  return encodeMessage(MANAGEMENT_CONNECTION_LOAD, 0, items);
}

/** A UDP packet from 10.FROM.0.1 to 10.TO.0.1 with `octets` octets of payload. */
export function clearPacket(from: number, to: number, octets: number, id = 1, port = 7): Uint8Array {
  const packet = new Uint8Array(28 + octets);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  view.setUint16(2, packet.length);
  view.setUint16(4, id);
  packet[8] = 64;
  packet[9] = 17;
  packet.set([10, from, 0, 1, 10, to, 0, 1], 12);
  putChecksum(view);
  view.setUint16(20, 7);
  view.setUint16(22, port);
  view.setUint16(24, 8 + octets);
  for (let i = 0; i < octets; i++) packet[28 + i] = i & 255;
  return packet;
}

function putChecksum(header: DataView): void {
  header.setUint16(10, 0);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += header.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  header.setUint16(10, ~sum & 0xffff);
}

/** An IPv4 packet without options in pieces of `octets` octets of payload, a multiple of 8. */
function piecesOf(packet: Uint8Array, octets: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 20; at < packet.length; at += octets) {
    const end = Math.min(at + octets, packet.length);
    const piece = Uint8Array.from([...packet.subarray(0, 20), ...packet.subarray(at, end)]);
    const view = new DataView(piece.buffer);
    view.setUint16(2, piece.length);
    view.setUint16(6, (end < packet.length ? 0x2000 : 0) | ((at - 20) >> 3));
    putChecksum(view);
    pieces.push(piece);
  }
  return pieces;
}

export interface WorldOptions {
  link: LinkKind;
  seed: number;
  build?: Build;
}

const LEFT = 1;
const RIGHT = 2;

export class World {
  readonly drive = new WatchedLockstep();
  readonly cable: Cable;
  readonly left: Gateway;
  readonly right: Gateway;
  readonly #insideLeft = new Inside();
  readonly #insideRight = new Inside();
  /** By "slot/port" of the left gateway. */
  readonly #samples = new Map<string, Sample[]>();
  readonly #seen = new Map<string, Set<string>>();
  recording = true;

  constructor(options: WorldOptions) {
    this.cable = new Cable(this.drive, { latencyMs: 1, seed: options.seed });
    const gateway = (name: string, local: number, remote: number): Gateway =>
      new Gateway({
        name,
        drive: this.drive,
        link: options.link,
        slots: IPSEC_BOARDS,
        localAddresses: [`192.0.2.${local}`],
        entropy: new SeededEntropy(options.seed * 4 + local),
        conservation: true,
        connections: [{ name: "pair", load: connection(local, remote) }],
        secrets: [{ identities: [], secret: textValue("a secret that both ends know") }],
        ...(options.build === undefined ? {} : { build: options.build }),
      });
    this.left = gateway("left", LEFT, RIGHT);
    this.right = gateway("right", RIGHT, LEFT);
    this.left.attach(this.cable.a);
    this.left.attach(this.#insideLeft);
    this.right.attach(this.cable.b);
    this.right.attach(this.#insideRight);
    const [cage] = this.drive.cages;
    this.drive.onDeliver = (where, slot, port, packet) => {
      if (where === cage) this.#record(slot, port, packet, 0);
    };
    const link = createLink(options.link, this.left.chassis.ikeSlot);
    const ends = new Map<number, LinkReceiver>();
    this.left.chassis.tap(({ from, to, vc, wire }) => {
      const end = ends.get((from << 8) | to) ?? link.receiver();
      ends.set((from << 8) | to, end);
      const length = end.take(wire.slice(), 0, wire.length, vc);
      if (length <= 0) return;
      const packet = end.octets.subarray(end.start, end.start + length);
      this.#record(to, PORT_CHANNEL, packet, link.vcAtArrival(vc));
    });
  }

  /** Powers both, negotiates from either end, sends traffic both ways and ends one SA, so that all kinds of frames are seen. */
  async warmUp(): Promise<void> {
    await Promise.all([this.left.start(), this.right.start()]);
    await this.right.initiate("net");
    await this.drive.run(2000);
    if (!(await this.carries())) throw new Error("the first tunnel does not carry packets");
    await this.right.terminate("pair");
    await this.drive.run(2000);
    await this.left.initiate("net");
    await this.drive.run(2000);
    await this.left.rekey("net");
    await this.drive.run(2000);
    for (let n = 1; n <= 8; n++) {
      this.#insideLeft.arrive?.([clearPacket(LEFT, RIGHT, n * 150, n)]);
      this.#insideRight.arrive?.([clearPacket(RIGHT, LEFT, n * 150, n)]);
    }
    await this.left.sas();
    await this.drive.run(1000);
    await this.#more();
    if (!(await this.carries())) throw new Error("the second tunnel does not carry packets");
  }

  /** What service does not bring by itself: pieces of packets, policies without an SA, and questions. */
  async #more(): Promise<void> {
    for (const port of [PASSED, DISCARDED]) this.#insideLeft.arrive?.([clearPacket(LEFT, RIGHT, 100, port, port)]);
    const sealed = this.samples(this.left.chassis.ikeSlot, PORT_UNPROTECTED)
      .map(({ octets }) => octets)
      .filter(({ length }) => length > 120);
    for (const packet of sealed.slice(-6))
      for (const piece of piecesOf(packet, 64)) this.left.chassis.receive("unprotected", piece);
    const clear = clearPacket(LEFT, RIGHT, 100);
    for (const packet of [clear, clearPacket(RIGHT, LEFT, 100), ...sealed.slice(-2)]) {
      await this.left.explain(packet, packet === clear ? "protected" : "unprotected");
    }
    await this.left.policies();
    await this.drive.run(1000);
  }

  /** True when a packet passes the tunnel in each direction. */
  async carries(): Promise<boolean> {
    const octets = 200;
    this.#insideLeft.received.length = 0;
    this.#insideRight.received.length = 0;
    this.#insideLeft.arrive?.([clearPacket(LEFT, RIGHT, octets, 77)]);
    this.#insideRight.arrive?.([clearPacket(RIGHT, LEFT, octets, 78)]);
    const arrived = ({ received }: Inside): boolean => received.some((packet) => packet.length === 28 + octets);
    return this.drive.until(() => arrived(this.#insideLeft) && arrived(this.#insideRight), 2000);
  }

  /** Gets the tunnel up again if need be, as an operator would; true when it then carries packets. */
  async recovers(): Promise<boolean> {
    if (await this.carries()) return true;
    await this.drive.run(PATIENCE_MS);
    if (await this.carries()) return true;
    await this.right.terminate();
    await this.right.initiate("net");
    await this.drive.run(PATIENCE_MS);
    return this.carries();
  }

  /** Gives a frame to a board of the left gateway, as the chassis does; false when its ring was full. */
  feed(slot: number, port: number, { octets, link }: Sample): boolean {
    return this.drive.cages[0]!.deliver(slot, port, octets, false, link);
  }

  samples(slot: number, port: number): readonly Sample[] {
    return this.#samples.get(`${slot}/${port}`) ?? [];
  }

  async close(): Promise<void> {
    await this.left.close();
    await this.right.close();
    await this.drive.close();
  }

  #record(slot: number, port: number, packet: Uint8Array, link: number): void {
    if (!this.recording) return;
    const key = `${slot}/${port}`;
    const samples = this.#samples.get(key) ?? [];
    const seen = this.#seen.get(key) ?? new Set<string>();
    this.#samples.set(key, samples);
    this.#seen.set(key, seen);
    const text = Buffer.from(packet).toString("latin1");
    if (samples.length >= SAMPLES_MAX || seen.has(text)) return;
    seen.add(text);
    samples.push({ octets: packet.slice(), link });
  }
}
