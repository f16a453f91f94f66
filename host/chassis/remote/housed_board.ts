/**
 * A board in a shelf, for as long as its chassis's connection lives.
 *
 * It runs as in a chassis of its own, in a cage with one slot more: that of the IKE board, which is elsewhere. What the board puts into the
 * ring to that slot goes out as sealed datagrams, and what comes in such goes into the ring from there. What it sends to a network goes the
 * same way: the chassis has the NICs, and the addresses that belong to the gateway.
 *
 * The board is powered off, and its RAM overwritten, when the connection ends, when its orders make no sense, or when the chassis has given no
 * sign of life for a while.
 */
import type { RemoteInfo, Socket } from "node:dgram";
import type { TLSSocket } from "node:tls";
import { BOARD_CLASS_IPSEC } from "../../../assembly/abi/board.ts";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { createLink, type Link, reasonOf } from "../backplane.ts";
import { MessageRing } from "../drive/message_ring.ts";
import { ONLINE, type Page, TRACE_LOST } from "../drive/page.ts";
import type { Threaded } from "../drive/threaded.ts";
import type { ThreadedCage } from "../drive/threaded_cage.ts";
import { faultText, type TrapReport } from "../fault.ts";
import { ImageError, parseImage } from "../image.ts";
import { CHASSIS_DROP, refusalName } from "../vocabulary.ts";
import {
  decodeCondition,
  decodePacket,
  decodeSent,
  decodeStrike,
  encodeJson,
  encodeMessage,
  f64,
  type HousedPower,
  MESSAGE_CONDITION,
  MESSAGE_DELIVER,
  MESSAGE_DENIED,
  MESSAGE_FAULT,
  MESSAGE_OFF,
  MESSAGE_ONLINE,
  MESSAGE_PUBLISH,
  MESSAGE_REFUSED,
  MESSAGE_STOPPED,
  MESSAGE_STRIKE,
  MESSAGE_TRANSMIT,
  type Message,
  MessageError,
  u32,
} from "./control_message.ts";
import { Doorbell } from "./doorbell.ts";
import { OPENED_BEAT, OPENED_FRAME, PathEnd } from "./path.ts";
import { encodeState } from "./published_state.ts";
import { pathKeys } from "./secure_connection.ts";
import { BEAT_MS, PUBLISH_MS, SEND_BATCH, SEND_QUEUE_MAX, SILENT_BEATS } from "./timing.ts";

/** Octets for the connection that wait; beyond that what the board says is dropped. */
const WRITE_QUEUE_MAX = 4 << 20;

/** ms that a connection has to end. */
const LINGER_MS = 2000;

export interface HousedBoardParts {
  connection: TLSSocket;
  /** The shelf's end of all internal paths. */
  socket: Socket;
  drive: Threaded;
  order: HousedPower;
  /** SESSION of its internal path. */
  session: number;
  log(text: string): void;
  /** It is over: its place is free. */
  ended(): void;
}

export class HousedBoard {
  readonly #parts: HousedBoardParts;
  readonly #slot: number;
  readonly #address: string;
  readonly #link: Link;
  readonly #cage: ThreadedCage;
  readonly #page: Page;
  readonly #ikePage: Page;
  /** To the board and from it. */
  readonly #toBoard: MessageRing;
  readonly #fromBoard: MessageRing;
  readonly #path: PathEnd;
  readonly #doorbell: Doorbell;
  #timers: NodeJS.Timeout[] = [];
  #silent = 0;
  #ended = false;
  #off: Promise<void> | undefined;

  constructor(parts: HousedBoardParts) {
    const { order, drive, connection, session } = parts;
    const { ikeSlot } = order;
    this.#parts = parts;
    this.#slot = order.power.slot;
    this.#address = connection.remoteAddress ?? "";
    this.#link = createLink("ethernet", ikeSlot);
    this.#path = new PathEnd(session, pathKeys(connection, "shelf"));
    this.#cage = drive.cage({
      link: "ethernet",
      ikeSlot,
      slots: [ikeSlot, this.#slot],
      clockAhead: order.now - drive.clock.now(),
      events: {
        checkpoint: () => undefined, // an IPsec board leaves none
        transmitted: (_slot, port, packets) => this.#transmitted(port, packets),
        faulted: (_slot, _generation, report) => this.#faulted(report),
      },
    });
    const ike = this.#cage.wiring(ikeSlot);
    const [board] = ike.peers;
    this.#ikePage = ike.page;
    this.#page = this.#cage.wiring(this.#slot).page;
    this.#toBoard = new MessageRing(board!.out);
    this.#fromBoard = new MessageRing(board!.in);
    this.#doorbell = new Doorbell(ike.page, () => this.#carryFrames());
  }

  get session(): number {
    return this.#path.session;
  }

  /** The chassis and the slot that it is in there. */
  get name(): string {
    const { order } = this.#parts;
    return `slot ${this.#slot} of ${faultText(Buffer.from(order.chassis))}`;
  }

  /** It is, or is being, powered off. */
  get over(): boolean {
    return this.#ended;
  }

  /** Is that where the chassis's end of the internal path is? */
  comesFrom({ address, port }: RemoteInfo): boolean {
    return port === this.#parts.order.port && address === this.#address;
  }

  /** Is that order for the same slot of the same chassis? */
  is({ chassis, power }: HousedPower, connection: TLSSocket): boolean {
    const own = this.#parts.order;
    return chassis === own.chassis && power.slot === this.#slot && connection.remoteAddress === this.#address;
  }

  /** Powers the board, and tells the chassis how that went. */
  async start(): Promise<void> {
    const { order, log } = this.#parts;
    const { image, power } = order;
    if (power.boardClass !== BOARD_CLASS_IPSEC) return this.deny("a shelf has room for IPsec boards alone");
    let parsed;
    try {
      parsed = parseImage(new Uint8Array(image.octets), image.name);
    } catch (error) {
      if (error instanceof ImageError) return this.deny(error.message);
      throw error;
    }
    const result = await this.#cage.power(this.#slot, parsed, power);
    power.entropy.fill(0);
    power.config.fill(0);
    if (this.#ended) return;
    if (!result.online) {
      if ("fault" in result) return this.#faulted(result.fault);
      log(`${this.name}: refused: ${refusalName(result.refusal)}`);
      this.#say(encodeMessage(MESSAGE_REFUSED, u32(result.refusal)));
      return this.end();
    }
    log(`${this.name}: online, ${faultText(Buffer.from(parsed.name))}, generation ${power.generation}`);
    Atomics.store(this.#ikePage.words, ONLINE, 1);
    this.#doorbell.start();
    this.#say(encodeMessage(MESSAGE_ONLINE, u32(this.session)));
    this.#timers = [setInterval(() => this.#beat(), BEAT_MS), setInterval(() => this.#publish(), PUBLISH_MS)];
    this.#beat();
  }

  /** Takes no board, and says why. */
  deny(why: string): void {
    this.#parts.log(`${this.name}: denied: ${why}`);
    this.#say(encodeMessage(MESSAGE_DENIED, Buffer.from(why)));
    this.end();
  }

  /** A message of the chassis. Throws MessageError. */
  heard({ type, body }: Message): void {
    if (this.#ended) return;
    switch (type) {
      case MESSAGE_OFF:
        this.#path.settle(decodeSent(body));
        this.#off ??= this.#stop();
        return;
      case MESSAGE_DELIVER: {
        const { port, packet } = decodePacket(body);
        if (port === PORT_CHANNEL) throw new MessageError("a frame of the internal path");
        this.#cage.deliver(this.#slot, port, packet);
        return;
      }
      case MESSAGE_CONDITION: {
        const { traceMask, injection, faults } = decodeCondition(body);
        this.#cage.trace(traceMask);
        this.#cage.inject(injection ?? undefined);
        this.#cage.afflict(this.#slot, faults);
        return;
      }
      case MESSAGE_STRIKE:
        this.#cage.strike(this.#slot, decodeStrike(body));
        return;
      default:
        throw new MessageError(`a message of type ${type}`);
    }
  }

  /** A datagram that names this session and comes from where the chassis is. */
  arrived(datagram: Buffer): void {
    if (this.#ended) return;
    const what = this.#path.open(datagram);
    if (what === OPENED_BEAT) {
      this.#silent = 0;
      // The chassis waits for word that it is heard.
      if (this.#path.heard === 0) this.#send(this.#path.beat());
      return;
    }
    if (what !== OPENED_FRAME) return;
    const { port, octets } = this.#path;
    const { ikeSlot } = this.#parts.order;
    if (port !== PORT_CHANNEL) return this.fail(`a datagram for port ${port}`);
    const to = this.#link.route(octets, 0, octets.length, 0, ikeSlot);
    if (to < 0) this.#cage.countDrop(this.#slot, reasonOf(to));
    else if (to !== this.#slot) this.#cage.countDrop(this.#slot, CHASSIS_DROP.ethernet_destination);
    else if (this.#toBoard.push(PORT_CHANNEL, 0, ikeSlot, octets, 0, octets.length)) this.#page.ring();
    else this.#cage.countDrop(this.#slot, CHASSIS_DROP.backplane_congestion);
  }

  /** The chassis is gone, or does what it must not. It is told why, as far as it still hears: it may hear well and not be heard. */
  fail(why: string): void {
    if (this.#ended) return;
    this.#parts.log(`${this.name}: off: ${why}`);
    this.#say(encodeMessage(MESSAGE_DENIED, Buffer.from(why)));
    this.end();
  }

  /** Powers the board off and ends the connection. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#doorbell.stop();
    Atomics.store(this.#ikePage.words, ONLINE, 0);
    this.#path.wipe();
    const { connection, ended } = this.#parts;
    connection.end();
    // What was said last arrives, or is not waited for.
    setTimeout(() => connection.destroy(), LINGER_MS).unref();
    void this.#cage.close().then(ended);
  }

  async #stop(): Promise<void> {
    await this.#cage.off(this.#slot);
    if (this.#ended) return;
    // What it sent before it went is sent.
    while (this.#carryFrames());
    this.#publish();
    this.#say(encodeMessage(MESSAGE_STOPPED, f64(this.#path.sent)));
    this.#parts.log(`${this.name}: off: by order`);
    this.end();
  }

  #faulted(report: TrapReport): void {
    if (this.#ended) return;
    this.#parts.log(`${this.name}: ${report.kind}: ${report.abort?.message ?? report.trapText}`);
    while (this.#carryFrames());
    this.#publish();
    this.#say(encodeJson(MESSAGE_FAULT, report));
    this.end();
  }

  /** Frames of the board to the IKE board; true when there may be more. */
  #carryFrames(): boolean {
    const ring = this.#fromBoard;
    for (let i = 0; i < SEND_BATCH; i++) {
      if (!ring.peek()) return false;
      this.#seal(PORT_CHANNEL, ring.octets, ring.at, ring.length);
      ring.release();
    }
    return true;
  }

  #transmitted(port: number, packets: Uint8Array[]): void {
    if (this.#ended) return;
    const { connection } = this.#parts;
    for (const packet of packets) {
      if (port === PORT_PROTECTED || port === PORT_UNPROTECTED) this.#seal(port, packet, 0, packet.length);
      else if (connection.writableLength < WRITE_QUEUE_MAX)
        this.#say(encodeMessage(MESSAGE_TRANSMIT, u32(port), packet));
      else this.#cage.countDrop(this.#slot, CHASSIS_DROP.backplane_congestion);
    }
  }

  #seal(port: number, octets: Uint8Array, at: number, length: number): void {
    if (this.#parts.socket.getSendQueueSize() > SEND_QUEUE_MAX)
      this.#cage.countDrop(this.#slot, CHASSIS_DROP.backplane_congestion);
    else this.#send(this.#path.seal(port, 0, octets, at, length));
  }

  #send(datagram: Buffer): void {
    const { socket, order } = this.#parts;
    // Without a callback an error of one datagram would be the socket's, and the socket serves all boards.
    socket.send(datagram, order.port, this.#address, () => undefined);
  }

  #beat(): void {
    if (++this.#silent > SILENT_BEATS)
      return this.fail(`no sign of life of the chassis for ${(SILENT_BEATS * BEAT_MS) / 1000} s`);
    this.#send(this.#path.beat());
  }

  #publish(): void {
    const drops = this.#cage.drops(this.#slot);
    const { accepted, lost, forged, replayed } = this.#path;
    drops[CHASSIS_DROP.remote_lost]! += lost;
    drops[CHASSIS_DROP.remote_forged]! += forged;
    drops[CHASSIS_DROP.remote_replayed]! += replayed;
    const traceLost = Atomics.load(this.#page.words, TRACE_LOST);
    if (this.#parts.connection.writableLength < WRITE_QUEUE_MAX)
      this.#say(encodeMessage(MESSAGE_PUBLISH, encodeState(this.#page, drops, { accepted, lost }, traceLost)));
  }

  #say(message: Buffer): void {
    if (this.#parts.connection.writable) this.#parts.connection.write(message);
  }
}
