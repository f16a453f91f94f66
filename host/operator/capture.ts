/**
 * A capture of a gateway in one pcapng file, as Wireshark reads it: both NICs, the Ethernet backplane or every ATM VC.
 *
 *   unprotected, protected   raw IP, in and out; of what arrives the comment is its verdict, of what leaves the board that sent it
 *   backplane                Ethernet frames with their FCS
 *   atm 0/33 ...             SunATM: flags, VPI, VCI, then the payload of the AAL5 PDU; in cell mode put together again first
 *
 * A frame of the backplane that is damaged on its way is there with its damage on Ethernet; of ATM, where it has no payload, it is
 * missing and counted. Packets are written in the order in which they came, each when its verdict is known. Bounded: of packets that wait
 * at most WAITING_MAX, of the file `limit` octets, behind which the capture ends by itself. The file is its owner's alone, and a file that
 * is there is never written over.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { ETHERTYPE_CONTROL, FABRIC_VCI_BASE } from "../../assembly/abi/fabric.ts";
import { FRAME_STRIDE } from "../../assembly/abi/frame.ts";
import { MESSAGE_HEADER, MESSAGE_SA_INSTALL, MESSAGE_TYPE } from "../../assembly/abi/message.ts";
import { CELL_MORE, CELL_OCTETS, cpcsOctets, cpcsOpen, Reassembler, vcOf } from "../chassis/aal5.ts";
import type { WireFrame } from "../chassis/tap/tracer.ts";
import type { Side } from "../nic/nic.ts";
import { ArrivingQuestions } from "./arriving.ts";
import { type PacketExplanation, renderVerdict } from "./explain.ts";
import type { Gateway } from "./gateway.ts";
import {
  type CapturedPacket,
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  LINKTYPE_SUNATM,
  sectionHeader,
} from "./pcapng.ts";
import { softwareVersion } from "./software_version.ts";
import { KeyFile } from "./wireshark_keys.ts";

/** Packets whose verdict is not known yet. */
const WAITING_MAX = 4096;
/** Octets written together. */
const CHUNK = 256 << 10;
export const CAPTURE_LIMIT = 1 << 30;

const SIDES: readonly Side[] = ["unprotected", "protected"];
const FCS_OCTETS = 4;
/** Behind the MAC addresses, and behind LLC and the OUI. */
const ETHERTYPE_AT = 12;
const LLC_PID_AT = 6;
/** Of the first octet of SunATM: from the host, and LLC-encapsulated traffic. */
const SUNATM_TRANSMIT = 0x80;
const SUNATM_LLC = 2;

export interface CaptureOptions {
  /** Octets of the file at most. */
  limit?: number;
  /** A new directory for the keys, as a Wireshark profile has them. */
  keys?: string;
}

export interface CaptureStatus {
  file: string;
  /** The directory with the keys of ESP and IKE, where they are written down. */
  keys?: string;
  running: boolean;
  packets: number;
  octets: number;
  /** Seen and not written: too many at a time, or behind the limit; ATM PDUs that did not add up. */
  missed: number;
  /** Why it ended by itself. */
  ended?: string;
}

interface Waiting {
  packet: CapturedPacket;
  settled: boolean;
}

export class Capture {
  readonly #file: string;
  readonly #limit: number;
  readonly #gateway: Gateway;
  readonly #descriptor: number;
  readonly #keys: KeyFile | undefined;
  readonly #questions: ArrivingQuestions;
  readonly #stops: (() => void)[];
  /** By name. */
  readonly #interfaces = new Map<string, { index: number; missed: number }>();
  /** By sender, receiver and VC, of cell mode. */
  readonly #reassemblers = new Map<string, Reassembler>();
  readonly #waiting: Waiting[] = [];
  #chunks: Buffer[] = [];
  #chunkOctets = 0;
  #octets = 0;
  #packets = 0;
  #running = true;
  #ended: string | undefined;

  /** Begins a capture. Throws Node's error when the file cannot be made. */
  constructor(gateway: Gateway, file: string, { limit = CAPTURE_LIMIT, keys }: CaptureOptions = {}) {
    this.#gateway = gateway;
    this.#file = file;
    this.#limit = limit;
    this.#descriptor = openSync(file, "wx", 0o600);
    this.#keys = keys === undefined ? undefined : new KeyFile(keys);
    this.#questions = new ArrivingQuestions(gateway);
    const { name, link, slots, ikeSlot } = gateway.chassis.show();
    this.#write(sectionHeader(`cardcage ${softwareVersion()}, ${name}`));
    for (const side of SIDES) this.#interface(side, LINKTYPE_RAW, `the NIC of the ${side} side`);
    if (link === "ethernet") this.#interface("backplane", LINKTYPE_ETHERNET, "the Ethernet backplane", FCS_OCTETS);
    else
      for (const { slot } of slots)
        if (slot !== ikeSlot)
          this.#interface(
            vcName(FABRIC_VCI_BASE + slot),
            LINKTYPE_SUNATM,
            `the VC of slot ${ikeSlot} and slot ${slot}`,
          );
    const { chassis } = gateway;
    const behind = chassis.drive.clock.wall() - chassis.drive.clock.now();
    chassis.tap((frame) => this.#crosses(frame, link, ikeSlot, behind));
    const keyFile = this.#keys;
    this.#stops = [
      ...(keyFile ? [gateway.ikeKeys((ikeKeys) => keyFile.addIke(ikeKeys))] : []),
      () => chassis.tap(),
      ...SIDES.map((side) => chassis.onReceive(side, (packet) => this.#arrives(packet, side))),
      ...SIDES.map((side) => chassis.onTransmit(side, (packet, slot) => this.#leaves(packet, side, slot))),
    ];
  }

  get status(): CaptureStatus {
    return {
      file: this.#file,
      ...(this.#keys ? { keys: this.#keys.directory } : {}),
      running: this.#running,
      packets: this.#packets,
      octets: this.#octets,
      missed: [...this.#interfaces.values()].reduce((sum, { missed }) => sum + missed, 0),
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
    };
  }

  /** Ends the capture and completes the file; `why`, when nobody asked for it. */
  stop(why?: string): CaptureStatus {
    if (!this.#running) return this.status;
    this.#running = false;
    this.#ended = why;
    for (const stop of this.#stops) stop();
    // What is not known by now is written without it, unless there is no room.
    for (const { packet } of this.#waiting.splice(0)) {
      if (why === undefined) this.#put(enhancedPacket(packet));
      else this.#missAt(packet.interface);
    }
    const now = this.#wall();
    for (const { index, missed } of this.#interfaces.values()) this.#write(interfaceStatistics(index, now, missed));
    this.#flush();
    closeSync(this.#descriptor);
    this.#keys?.close();
    return this.status;
  }

  #wall(): bigint {
    return this.#gateway.chassis.drive.clock.wall();
  }

  #interface(name: string, linkType: number, description: string, fcs = 0): void {
    this.#interfaces.set(name, { index: this.#interfaces.size, missed: 0 });
    this.#write(interfaceDescription(name, linkType, description, fcs));
  }

  #arrives(packet: Uint8Array, side: Side): void {
    const asked = this.#questions.ask(packet, side);
    if (!asked) {
      this.#take(side, packet, { direction: "in", comment: "no verdict: too many packets at a time" });
      return;
    }
    const waiting = this.#take(side, packet, { direction: "in" }, false);
    const settle = (comment: string): void => {
      if (!waiting || !this.#running) return;
      waiting.packet.comment = comment;
      waiting.settled = true;
      this.#drain();
    };
    void asked.then(
      (explanation: PacketExplanation) => settle(oneLine(renderVerdict(explanation))),
      () => settle("no verdict: a board did not answer"),
    );
  }

  #leaves(packet: Uint8Array, side: Side, slot: number): void {
    this.#take(side, packet, { direction: "out", comment: `sent by slot ${slot}` });
  }

  #crosses(frame: WireFrame, link: string, ikeSlot: number, behind: bigint): void {
    const { now, from, to, wire } = frame;
    const comment = `slot ${from} > slot ${to}`;
    const direction = to === ikeSlot ? "in" : "out";
    const time = now + behind;
    if (link === "ethernet") {
      this.#take("backplane", wire, { time, direction, comment });
      this.#key(from === ikeSlot ? to : undefined, wire.subarray(ETHERTYPE_AT, wire.length - FCS_OCTETS));
      return;
    }
    const vci = FABRIC_VCI_BASE + (from === ikeSlot ? to : from);
    const name = vcName(vci);
    for (const payload of link === "atm-cell" ? this.#joined(frame, vci, name) : [payloadOf(wire)]) {
      if (payload) {
        this.#take(name, sunAtm(payload, vci, direction === "out"), { time, direction, comment });
        this.#key(from === ikeSlot ? to : undefined, payload.subarray(LLC_PID_AT));
      } else this.#miss(name);
    }
  }

  /** An SA that comes to an IPsec board: its keys, where they are written down. `typed`: an EtherType and what is behind it. */
  #key(slot: number | undefined, typed: Uint8Array): void {
    if (!this.#keys || slot === undefined || ((typed[0]! << 8) | typed[1]!) !== ETHERTYPE_CONTROL) return;
    const message = this.#gateway.chassis.openControl(slot, typed.subarray(2));
    if (!message) return;
    if (message.readUInt16LE(MESSAGE_TYPE) === MESSAGE_SA_INSTALL) this.#keys.add(message.subarray(MESSAGE_HEADER));
    message.fill(0);
  }

  /** The payloads that the cells of a frame complete; undefined: of a PDU that does not add up. */
  *#joined({ from, to, wire }: WireFrame, vci: number, name: string): Generator<Uint8Array | undefined> {
    const key = `${from}/${to}`;
    const reassembler = this.#reassemblers.get(key) ?? new Reassembler(cpcsOctets(FRAME_STRIDE));
    this.#reassemblers.set(key, reassembler);
    for (let at = 0; at + CELL_OCTETS <= wire.length; at += CELL_OCTETS) {
      if (vcOf(wire, at) !== vci) this.#miss(name);
      const payload = reassembler.push(wire, at, vci);
      if (payload === CELL_MORE) continue;
      yield payload > 0 ? reassembler.octets.slice(0, payload) : undefined;
    }
  }

  #miss(name: string): void {
    this.#interfaces.get(name)!.missed += 1;
  }

  #missAt(wanted: number): void {
    for (const one of this.#interfaces.values()) if (one.index === wanted) one.missed += 1;
  }

  /** Queues a packet; the octets are copied. Undefined when it is not captured. */
  #take(
    name: string,
    octets: Uint8Array,
    { time = this.#wall(), ...more }: Partial<CapturedPacket>,
    settled = true,
  ): Waiting | undefined {
    const { index } = this.#interfaces.get(name)!;
    if (!this.#running || this.#waiting.length === WAITING_MAX) {
      this.#miss(name);
      return undefined;
    }
    const waiting = { packet: { interface: index, time, octets: octets.slice(), ...more }, settled };
    this.#waiting.push(waiting);
    this.#drain();
    return waiting;
  }

  /** Writes what waits for nothing any more, in its order. */
  #drain(): void {
    let count = 0;
    while (this.#waiting[count]?.settled) count += 1;
    for (const { packet } of this.#waiting.splice(0, count)) {
      const octets = enhancedPacket(packet);
      if (this.#running && this.#octets + octets.length <= this.#limit) this.#put(octets);
      else {
        this.#missAt(packet.interface);
        this.stop(`the limit of ${this.#limit} octets`);
      }
    }
  }

  #put(packet: Buffer): void {
    this.#packets += 1;
    this.#write(packet);
  }

  #write(octets: Buffer): void {
    this.#octets += octets.length;
    this.#chunkOctets += octets.length;
    this.#chunks.push(octets);
    if (this.#chunkOctets >= CHUNK) this.#flush();
  }

  #flush(): void {
    const octets = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#chunkOctets = 0;
    try {
      for (let at = 0; at < octets.length; ) at += writeSync(this.#descriptor, octets, at);
    } catch (error) {
      // A full disk ends the capture and nothing else.
      this.stop((error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
  }
}

const oneLine = (lines: string): string =>
  lines
    .split("\n")
    .map((line) => line.trim())
    .join("; ");

const vcName = (vci: number): string => `atm 0/${vci}`;

/** Of a whole PDU; undefined when it is damaged. */
function payloadOf(wire: Uint8Array): Uint8Array | undefined {
  const payload = cpcsOpen(wire, 0, wire.length);
  return payload > 0 ? wire.subarray(0, payload) : undefined;
}

/** LINKTYPE_SUNATM: flags, VPI, VCI, payload. */
function sunAtm(payload: Uint8Array, vci: number, transmitted: boolean): Uint8Array {
  const octets = new Uint8Array(4 + payload.length);
  octets[0] = SUNATM_LLC | (transmitted ? SUNATM_TRANSMIT : 0);
  octets[2] = vci >>> 8;
  octets[3] = vci & 255;
  octets.set(payload, 4);
  return octets;
}
