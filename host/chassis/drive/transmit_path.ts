/**
 * What a board sends: frames for its peers, straight to the peer's thread, packets for devices, the rest up to the chassis; from the board's
 * transmit rings into rings of shared memory, by way of what is injected to be wrong. A full ring drops, and counts backplane_congestion.
 */
import { PORT_CHANNEL } from "../../../assembly/abi/ring.ts";
import { reasonOf, WIRE_MAX } from "../backplane.ts";
import type { Board, Outlet } from "../board.ts";
import { recordEnd, viewOf } from "../checkpoint_record.ts";
import { copyOctets } from "../copy.ts";
import { type Carry, FaultInjector } from "../tap/fault_injector.ts";
import { FaultyDescriptors, type SlotFaults } from "../tap/slot_faults.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import { PORT_CHANNEL_UNSUMMED, PORT_CHECKPOINT } from "./board_thread.ts";
import { INJECTION, LINK_DOWN, ONLINE, TAKES_UNSUMMED } from "./page.ts";
import type { SlotWiring } from "./slot_wiring.ts";

/** Octets of records that go up in one message, so that it fits into the smallest ring wherever that stands. */
const KEPT_AT_ONCE = 4096;
/** Messages after which a ring's reader is let at them though the turn goes on: it has a core of its own, perhaps. */
const PUBLISHED_AT_ONCE = 32;

/** Nobody ever notifies it: to sleep for a moment. */
const waiting = new Int32Array(new SharedArrayBuffer(4));

export class TransmitPath {
  readonly #wiring: SlotWiring;
  readonly #scratch = new Uint8Array(WIRE_MAX);
  #injector: FaultInjector | undefined;
  #injection = 0;
  /** With faulty descriptors: what misses some frames on their way to the outlet. */
  #faulty: Outlet | undefined;

  constructor(wiring: SlotWiring) {
    this.#wiring = wiring;
  }

  /** Everything in the board's transmit rings leaves. */
  take(board: Board): void {
    board.drain(this.#faulty ?? this.#outlet);
  }

  /** Takes over what the chassis wants to be wrong with frames, if it is new. */
  refreshInjector(): void {
    const { page, slot } = this.#wiring;
    const version = Atomics.load(page.words, INJECTION);
    if (version === this.#injection) return;
    this.#injection = version;
    this.#injector?.flush();
    const spec = page.injection;
    this.#injector =
      spec && new FaultInjector({ ...spec, seed: (spec.seed ?? 1) + slot }, this.#carry, this.#countLost);
  }

  useFaults(faults: SlotFaults): void {
    const wanted = FaultyDescriptors.wanted(faults);
    this.#faulty = wanted ? new FaultyDescriptors(faults, this.#outlet, this.#countLost).outlet : undefined;
  }

  /** What the injection holds back goes on; true when there was something. */
  flush(): boolean {
    return this.#injector?.flush() ?? false;
  }

  /**
   * Hands the records of a poll, whole ones, to the chassis before anything leaves that the poll sent. A full ring is waited for: the
   * chassis's thread empties it, or ends this one.
   */
  keep(records: Uint8Array): void {
    const wiring = this.#wiring;
    for (let at = 0; at < records.length; ) {
      const length = octetsAtOnce(records, at);
      while (!wiring.up.push(PORT_CHECKPOINT, 0, wiring.slot, records, at, length)) {
        wiring.upTouched = true;
        wiring.upUrgent = true;
        wiring.ringBells();
        Atomics.wait(waiting, 0, 0, 1);
      }
      wiring.touchUp(PORT_CHECKPOINT);
      at += length;
    }
  }

  readonly #countLost = (): void => this.#wiring.countDrop(CHASSIS_DROP.injected_loss);

  /** Puts a wire form on its way to a peer's thread. */
  readonly #carry: Carry = (from, to, vc, wire, at, size) => {
    const peer = this.#wiring.peerOf[to]!;
    if (peer.out.push(PORT_CHANNEL, vc, from, wire, at, size)) peer.touched = true;
    else this.#wiring.countDrop(CHASSIS_DROP.backplane_congestion);
  };

  readonly #outlet: Outlet = (port, ram, start, length, vc) => {
    if (port === PORT_CHANNEL) return this.#send(ram, start, length, vc);
    const wiring = this.#wiring;
    const line = wiring.lineOf[port];
    if (line !== undefined && line.open) {
      if (!line.send(ram, wiring.eights, start, length, wiring.generation, wiring.slot))
        wiring.countDrop(CHASSIS_DROP.backplane_congestion);
    } else if (wiring.up.push(port, vc, wiring.slot, ram, start, length)) wiring.touchUp(port);
    else wiring.countDrop(CHASSIS_DROP.backplane_congestion);
  };

  /** A frame from the CHANNEL transmit ring. */
  #send(ram: Uint8Array, start: number, length: number, vc: number): void {
    const wiring = this.#wiring;
    const { link, slot } = wiring;
    const to = link.route(ram, start, length, vc, slot);
    if (to < 0) return wiring.countDrop(reasonOf(to));
    const peer = wiring.peerOf[to];
    if (wiring.page.words[LINK_DOWN] !== 0 || (peer && peer.page.words[LINK_DOWN] !== 0))
      return wiring.countDrop(CHASSIS_DROP.link_down);
    if (!peer || Atomics.load(peer.page.words, ONLINE) === 0) return wiring.countDrop(CHASSIS_DROP.board_offline);
    if (this.#injector) {
      const wire = this.#scratch;
      const size = link.encode(ram, start, length, vc, wire, 0);
      wiring.countLink(3, length, link.bits(size));
      const unit = link.unit(size);
      for (let at = 0; at < size; at += unit) this.#injector.carry(slot, to, vc, wire, at, unit);
      return;
    }
    // All cells of a PDU or none: half of one would only cost the ring's room.
    const { out } = peer;
    const at = out.reserve(link.wireOctets(length), start);
    if (at < 0) return wiring.countDrop(CHASSIS_DROP.backplane_congestion);
    let size: number;
    let port = PORT_CHANNEL as number;
    if (link.finish !== undefined && peer.page.words[TAKES_UNSUMMED] !== 0) {
      copyOctets(ram, wiring.eights, start, out.octets, out.eights, at, length);
      size = link.finish(out.octets, at, length);
      port = PORT_CHANNEL_UNSUMMED;
    } else {
      size = link.encode(ram, start, length, vc, out.octets, at);
    }
    wiring.countLink(3, length, link.bits(size));
    out.append(size, port, vc, slot);
    peer.touched = true;
    if (++peer.unpublished < PUBLISHED_AT_ONCE) return;
    peer.unpublished = 0;
    out.publish();
  }
}

/** Octets of the records from `at` on that go into one message: one, or as many as KEPT_AT_ONCE has room for. */
function octetsAtOnce(records: Uint8Array, at: number): number {
  if (records.length - at <= KEPT_AT_ONCE) return records.length - at;
  const view = viewOf(records);
  let end = recordEnd(view, at);
  while (end < records.length) {
    const next = recordEnd(view, end);
    if (next - at > KEPT_AT_ONCE) break;
    end = next;
  }
  return end - at;
}
