/**
 * What a slot is wired to, as the thread that serves it has it: its page, the backplane's peers, lines to devices, the rings to and from
 * the chassis; and what is counted on the way.
 */
import { createLink, type Link, type LinkReceiver } from "../backplane.ts";
import { type CageParts, type PeerParts, type SlotParts, waitsForOthers } from "./board_thread.ts";
import { ChassisBell } from "./chassis_bell.ts";
import { BoardLine, type LineSender } from "./line.ts";
import { openLine } from "./line_program.ts";
import { MessageRing } from "./message_ring.ts";
import { Page } from "./page.ts";

/** What comes from one peer. */
export class Inlet {
  readonly ring: MessageRing;
  readonly receiver: LinkReceiver;
  /** Octets of the oldest message that have been taken: in cell mode a message is the cells of a PDU. */
  taken = 0;
  /** Octets of a whole frame of the receiver's that waits for room in the receive ring. */
  whole = 0;
  /** No more of it in this turn. */
  rests = false;

  constructor(memory: SharedArrayBuffer, receiver: LinkReceiver) {
    this.ring = new MessageRing(memory);
    this.receiver = receiver;
  }

  restart(): void {
    this.taken = 0;
    this.whole = 0;
    this.receiver.reset();
  }
}

export class Peer {
  readonly slot: number;
  readonly out: MessageRing;
  readonly inlet: Inlet;
  readonly page: Page;
  touched = false;
  /** Messages that its thread does not see yet. */
  unpublished = 0;

  constructor(from: PeerParts, receiver: LinkReceiver) {
    this.slot = from.slot;
    this.out = new MessageRing(from.out);
    this.inlet = new Inlet(from.in, receiver);
    this.page = new Page(from.page);
  }
}

export class SlotWiring {
  readonly slot: number;
  readonly page: Page;
  readonly link: Link;
  /** Everything leaves as cells. */
  readonly inCells: boolean;
  readonly isIpsec: boolean;
  readonly down: MessageRing;
  readonly up: MessageRing;
  readonly peers: readonly Peer[];
  readonly lines: readonly BoardLine[];
  /** Peers by slot, lines by port. */
  readonly peerOf: (Peer | undefined)[] = [];
  readonly lineOf: (BoardLine | undefined)[] = [];
  /** GENERATION of the board that is there, and its RAM in eights. */
  generation = 0;
  eights: BigInt64Array = new BigInt64Array(0);
  /** Something has gone up since the chassis's bell was rung, and something that waits for nobody. */
  upTouched = false;
  upUrgent = false;
  readonly #bell: ChassisBell;

  private constructor(cage: CageParts, parts: SlotParts, lines: readonly BoardLine[]) {
    this.slot = parts.slot;
    this.page = new Page(parts.page);
    this.link = createLink(cage.link, cage.ikeSlot);
    this.inCells = cage.link === "atm-cell";
    this.isIpsec = parts.slot !== cage.ikeSlot;
    this.down = new MessageRing(parts.down);
    this.up = new MessageRing(parts.up);
    this.peers = parts.peers.map((peer) => new Peer(peer, this.link.receiver()));
    for (const peer of this.peers) this.peerOf[peer.slot] = peer;
    this.lines = lines;
    for (const line of lines) this.lineOf[line.port] = line;
    this.#bell = new ChassisBell(cage.bell);
  }

  static async open(cage: CageParts, parts: SlotParts): Promise<SlotWiring> {
    const open = async (line: SlotParts["lines"][number]): Promise<BoardLine> =>
      new BoardLine(line, line.sender && (await openLine<LineSender>(line.sender)));
    return new SlotWiring(cage, parts, await Promise.all(parts.lines.map(open)));
  }

  countDrop(reason: number): void {
    this.page.drops[reason]! += 1;
  }

  /** `first`: 0 for what comes to the board, 3 for what it sends. */
  countLink(first: number, octets: number, bits: number): void {
    const { links } = this.page;
    links[first]! += 1;
    links[first + 1]! += octets;
    links[first + 2]! += bits;
  }

  /** Something has gone up on a port. */
  touchUp(port: number): void {
    this.upTouched = true;
    if (!waitsForOthers(port)) this.upUrgent = true;
  }

  /** True when nothing waits for the board. */
  get empty(): boolean {
    if (!this.down.empty) return false;
    for (const peer of this.peers) if (!peer.inlet.ring.empty) return false;
    for (const line of this.lines) if (line.in !== undefined && !line.in.empty) return false;
    return true;
  }

  /** Lets everybody know of what has been sent to them. */
  ringBells(): void {
    for (const peer of this.peers) {
      if (!peer.touched) continue;
      peer.touched = false;
      peer.unpublished = 0;
      peer.out.publish();
      peer.page.ring();
    }
    for (const line of this.lines) line.ring();
    if (!this.upTouched) return;
    this.#bell.ring(this.upUrgent || this.up.filling);
    this.upTouched = false;
    this.upUrgent = false;
  }
}
