/**
 * The NICs' end in a board's thread (chassis/drive/line.ts): what a board has made leaves by a system call of its own thread, from its RAM, as
 * an IPsec board sends to the network itself (S706). The NIC's worker is not woken for it, and nothing is copied.
 */
import type { LineSender } from "../../chassis/drive/line.ts";
import type { OpenLine } from "../../chassis/drive/line_program.ts";
import { NicCounters } from "./counters.ts";
import { OuterSender } from "./outer_sender.ts";
import { RamSource } from "./packet_path.ts";
import { SharedSockets } from "./shared_sockets.ts";
import { TunSender } from "./tun_sender.ts";

/** What the thread that opened the NICs says: the device of the protected side, or the sockets of the other. */
export interface LineSenderData {
  /** Of this sender alone (NicCounters). */
  counters: SharedArrayBuffer;
  tun?: { fd: number; offload: boolean };
  /** SharedSockets. */
  sockets?: SharedArrayBuffer;
}

class OuterLine implements LineSender {
  private readonly source = new RamSource();
  private readonly sender: OuterSender;
  private readonly sockets: SharedSockets;

  constructor(sockets: SharedArrayBuffer, counters: NicCounters) {
    this.sockets = new SharedSockets(sockets);
    this.sender = new OuterSender(this.source, counters);
  }

  send(ram: Uint8Array, starts: Uint32Array, lengths: Uint32Array, count: number): void {
    const sockets = this.sockets.changed();
    if (sockets !== undefined) this.sender.use(sockets);
    this.source.hold(ram, starts, lengths, count);
    this.sender.send();
  }
}

class TunLine implements LineSender {
  private readonly source = new RamSource();
  private readonly sender: TunSender;

  constructor(tun: { fd: number; offload: boolean }, counters: NicCounters) {
    this.sender = new TunSender(tun, this.source, counters);
  }

  send(ram: Uint8Array, starts: Uint32Array, lengths: Uint32Array, count: number): void {
    this.source.hold(ram, starts, lengths, count);
    this.sender.send();
  }
}

export const open: OpenLine<LineSender> = (data) => {
  const { counters, tun, sockets } = data as LineSenderData;
  if (tun !== undefined) return new TunLine(tun, new NicCounters(counters));
  return new OuterLine(sockets!, new NicCounters(counters));
};
