/**
 * A slot's thread in the chassis when its board is in a shelf: it stands in for the board, and obeys the same page and orders.
 *
 *   order      -> connection -> POWER -> ONLINE -> beats both ways -> online
 *   frames of the IKE board   -> sealed datagrams -> the board           management -> the connection -> the board
 *   what the board sends      -> sealed datagrams -> the IKE board's ring, or up to the chassis, whose NICs send it
 *
 * Each power order is a connection of its own, with keys of its own, and the connection's end is the board's: a shelf that is lost is a fault
 * (`link`), other boards take over, and the next connection is a new board. What the old board may still send then has no key that
 * counts, so that it cannot reach a NIC of this chassis any more.
 *
 * A shelf is trusted with the SAs of its boards, and with no more: a frame that it sends is taken only under the address of the slot that it
 * houses.
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { TLSSocket } from "node:tls";
import { parentPort, workerData } from "node:worker_threads";
import { PORT_CHANNEL, PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { createLink, reasonOf } from "../backplane.ts";
import { RealClock } from "../clock.ts";
import { PORT_TAP, type PowerOrder, type RemoteThreadParts, type ThreadReport } from "../drive/board_thread.ts";
import { ChassisBell } from "../drive/chassis_bell.ts";
import { MessageRing } from "../drive/message_ring.ts";
import {
  AFFLICTION,
  INJECTION,
  LINK_DOWN,
  ONLINE,
  ORDER,
  ORDER_RUN,
  Page,
  STRIKE,
  STRIKES,
  TAPPED,
  TRACE_MASK,
} from "../drive/page.ts";
import { faultText, type TrapReport } from "../fault.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import {
  type Condition,
  decodeFault,
  decodePacket,
  decodeSent,
  decodeU32,
  encodeJson,
  encodeMessage,
  encodePower,
  f64,
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
  MessageReader,
  u32,
} from "./control_message.ts";
import { Doorbell } from "./doorbell.ts";
import { OPENED_BEAT, OPENED_FRAME, PathEnd, sessionOf } from "./path.ts";
import { PublishedState } from "./published_state.ts";
import { connectToShelf, pathKeys } from "./secure_connection.ts";
import {
  BEAT_MS,
  FIRST_BEAT_MS,
  FIRST_BEAT_PATIENCE_MS,
  SEND_BATCH,
  SEND_QUEUE_MAX,
  SILENT_BEATS,
  SOCKET_BUFFER,
} from "./timing.ts";

const parts = workerData as RemoteThreadParts;
const { cage, shelf } = parts;
const { ikeSlot } = cage;
const { slot } = parts.slot;
const clock = new RealClock();
const link = createLink(cage.link, ikeSlot);
const page = new Page(parts.slot.page);
const { words } = page;
const bell = new ChassisBell(cage.bell);
const down = new MessageRing(parts.slot.down);
const up = new MessageRing(parts.slot.up);
const ikePlace = parts.slot.peers.find((peer) => peer.slot === ikeSlot)!;
const ike = {
  page: new Page(ikePlace.page),
  out: new MessageRing(ikePlace.out),
  in: new MessageRing(ikePlace.in),
};

/** ms that the shelf has to say that a board has stopped. */
const STOP_MS = 1500;
/** ms that a board may take to come online. */
const BOOT_MS = 25_000;
/** Octets for the connection that wait; beyond that messages stay in their ring. */
const WRITE_QUEUE_MAX = 1 << 20;

/** Octets of a shelf's denial that are shown. */
const DENIAL_MAX = 1000;

const place = `${isIPv6(shelf.host) ? `[${shelf.host}]` : shelf.host}:${shelf.port}`;

function count(reason: number, frames = 1): void {
  page.drops[reason]! += frames;
}

function report(message: ThreadReport): void {
  parentPort!.postMessage(message);
}

function pushUp(port: number, octets: Uint8Array, at: number, length: number): boolean {
  if (!up.push(port, 0, slot, octets, at, length)) return false;
  bell.ring(true);
  return true;
}

/** What came while no board was there to take it. */
function discard(ring: MessageRing): void {
  while (ring.peek()) {
    ring.release();
    count(CHASSIS_DROP.board_offline);
  }
}

/** The life of one board, from the power order to its end. */
class RemoteBoard {
  readonly #generation: number;
  readonly #reader = new MessageReader();
  readonly #state = new PublishedState(page);
  #connection: TLSSocket | undefined;
  #socket: Socket | undefined;
  #path: PathEnd | undefined;
  #phase: "connecting" | "probing" | "online" | "stopping" | "over" = "connecting";
  #silent = 0;
  #beats: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  /** What has been counted of the path already. */
  readonly #counted = { lost: 0, forged: 0, replayed: 0 };
  #condition = "";

  constructor({ image, power }: PowerOrder) {
    this.#generation = power.generation;
    const { pages = image.pages.least } = power;
    try {
      this.#connection = connectToShelf(shelf, () => {
        const connection = this.#connection!;
        connection.setNoDelay(true);
        connection.setKeepAlive(true, 1000);
        const address = connection.remoteAddress ?? "";
        const socket = createSocket({
          type: isIPv6(address) ? "udp6" : "udp4",
          recvBufferSize: SOCKET_BUFFER,
          sendBufferSize: SOCKET_BUFFER,
        });
        this.#socket = socket;
        // What the network refuses is lost, and the far end finds that it is.
        socket.on("error", () => undefined);
        socket.on("message", (datagram) => this.#arrived(datagram));
        socket.once("connect", () => {
          if (this.#phase !== "connecting") return;
          const order = {
            chassis: shelf.chassis,
            ikeSlot,
            port: socket.address().port,
            now: clock.now(),
            image: { name: image.name, octets: image.octets },
            power: { ...power, pages },
          };
          connection.write(encodePower(order));
        });
        socket.connect(shelf.port, address);
      });
    } catch (error) {
      setImmediate(() => this.#fail((error as Error).message));
      return;
    }
    this.#patience = setTimeout(() => this.#fail(`no board came online within ${BOOT_MS} ms`), BOOT_MS);
    this.#connection.on("data", (chunk: Buffer) => this.#heard(chunk));
    this.#connection.on("drain", () => page.ring());
    this.#connection.on("error", (error: NodeJS.ErrnoException) => this.#fail(refusalText(error)));
    this.#connection.on("close", () => this.#fail("the connection ended"));
  }

  get over(): boolean {
    return this.#phase === "over";
  }

  /** Does what the page orders and carries what is in the rings; true when there may be more. */
  turn(): boolean {
    if (this.#phase === "over" || this.#phase === "stopping") return false;
    if (Atomics.load(words, ORDER) !== ORDER_RUN) {
      this.#stop();
      return false;
    }
    if (this.#phase !== "online") return false;
    this.#tellCondition();
    const packets = this.#carryDown();
    return this.#carryFrames() || packets;
  }

  #tellCondition(): void {
    const strike = Atomics.load(words, STRIKE);
    if (strike !== 0) {
      Atomics.store(words, STRIKE, 0);
      this.#connection!.write(encodeJson(MESSAGE_STRIKE, { how: STRIKES[strike - 1] }));
    }
    const versions = [INJECTION, AFFLICTION, TRACE_MASK].map((word) => Atomics.load(words, word)).join();
    if (versions === this.#condition) return;
    this.#condition = versions;
    const condition: Condition = {
      traceMask: Atomics.load(words, TRACE_MASK) >>> 0,
      injection: page.injection ?? null,
      faults: { ...page.faults, linkDown: Atomics.load(words, LINK_DOWN) !== 0 },
    };
    this.#connection!.write(encodeJson(MESSAGE_CONDITION, condition));
  }

  /** Messages of the chassis to the board. */
  #carryDown(): boolean {
    const connection = this.#connection!;
    for (let i = 0; i < SEND_BATCH; i++) {
      if (connection.writableLength > WRITE_QUEUE_MAX || !down.peek()) return false;
      connection.write(
        encodeMessage(MESSAGE_DELIVER, u32(down.port), down.octets.subarray(down.at, down.at + down.length)),
      );
      down.release();
    }
    return true;
  }

  /** Frames of the IKE board to the board. */
  #carryFrames(): boolean {
    const ring = ike.in;
    for (let i = 0; i < SEND_BATCH; i++) {
      if (!ring.peek()) return false;
      if (Atomics.load(words, TAPPED) !== 0) pushUp(PORT_TAP, ring.octets, ring.at, ring.length);
      if (this.#socket!.getSendQueueSize() > SEND_QUEUE_MAX) count(CHASSIS_DROP.backplane_congestion);
      else this.#socket!.send(this.#path!.seal(PORT_CHANNEL, ring.link, ring.octets, ring.at, ring.length));
      ring.release();
    }
    return true;
  }

  #arrived(datagram: Buffer): void {
    const path = this.#path;
    // Beats may come before the word that the board is online: they tell nothing yet.
    if (!path || this.#phase === "over") return;
    if (sessionOf(datagram) !== path.session) return count(CHASSIS_DROP.remote_forged);
    const what = path.open(datagram);
    if (what === OPENED_FRAME) return this.#frame(path);
    if (what !== OPENED_BEAT || path.heard === 0 || this.#phase === "stopping") return;
    this.#silent = 0;
    if (this.#phase === "probing") this.#online();
  }

  /** What the board sent. */
  #frame({ port, octets }: PathEnd): void {
    if (port !== PORT_CHANNEL) {
      if (port !== PORT_PROTECTED && port !== PORT_UNPROTECTED) return this.#fail(`the shelf sends on port ${port}`);
      if (!pushUp(port, octets, 0, octets.length)) count(CHASSIS_DROP.backplane_congestion);
      return;
    }
    const to = link.route(octets, 0, octets.length, 0, slot);
    if (to < 0) count(reasonOf(to));
    else if (Atomics.load(ike.page.words, ONLINE) === 0) count(CHASSIS_DROP.board_offline);
    else if (ike.out.push(PORT_CHANNEL, 0, slot, octets, 0, octets.length)) ike.page.ring();
    else count(CHASSIS_DROP.backplane_congestion);
  }

  #heard(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) {
        if (this.#phase === "over") return;
        this.#message(message);
      }
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#fail(`the shelf says what is none of its messages: ${error.message}`);
    }
  }

  #message({ type, body }: Message): void {
    switch (type) {
      case MESSAGE_ONLINE:
        if (this.#path) throw new MessageError("online twice");
        this.#path = new PathEnd(decodeU32(body), pathKeys(this.#connection!, "chassis"));
        if (this.#phase === "connecting") this.#probe();
        return;
      case MESSAGE_REFUSED:
        return this.#end({ kind: "refused", slot, generation: this.#generation, refusal: decodeU32(body) });
      case MESSAGE_DENIED:
        return this.#fail(faultText(body.subarray(0, DENIAL_MAX)));
      case MESSAGE_FAULT:
        return this.#end({ kind: "fault", slot, generation: this.#generation, report: decodeFault(body) });
      case MESSAGE_STOPPED:
        this.#path?.settle(decodeSent(body));
        return this.#stopped();
      case MESSAGE_PUBLISH:
        return this.#state.take(body);
      case MESSAGE_TRANSMIT: {
        const { port, packet } = decodePacket(body);
        // No IPsec board has a secure element, or leaves a checkpoint: a shelf gets at neither.
        if (port !== PORT_MANAGEMENT) throw new MessageError(`a packet of port ${port}`);
        if (!pushUp(port, packet, 0, packet.length)) count(CHASSIS_DROP.backplane_congestion);
        return;
      }
      default:
        throw new MessageError(`a message of type ${type}`);
    }
  }

  /** The board is online in its shelf; it is here once the path carries both ways. */
  #probe(): void {
    this.#phase = "probing";
    clearTimeout(this.#patience);
    this.#patience = setTimeout(
      () => this.#fail(`UDP port ${shelf.port} carries nothing, though TCP does: is there a firewall?`),
      FIRST_BEAT_PATIENCE_MS,
    );
    this.#beats = setInterval(() => this.#beat(), FIRST_BEAT_MS);
    this.#beat();
  }

  #online(): void {
    clearTimeout(this.#patience);
    clearInterval(this.#beats);
    this.#beats = setInterval(() => this.#beat(), BEAT_MS);
    this.#phase = "online";
    Atomics.store(words, ONLINE, 1);
    report({ kind: "online", slot, generation: this.#generation });
    page.ring();
  }

  #beat(): void {
    this.#account();
    if (this.#phase === "online" && ++this.#silent > SILENT_BEATS)
      return this.#fail(`no sign of life for ${(SILENT_BEATS * BEAT_MS) / 1000} s`);
    this.#socket!.send(this.#path!.beat());
  }

  /** Brings what the path has counted into the page. */
  #account(): void {
    const path = this.#path;
    if (!path) return;
    const { lost, forged, replayed } = path;
    count(CHASSIS_DROP.remote_lost, lost - this.#counted.lost);
    count(CHASSIS_DROP.remote_forged, forged - this.#counted.forged);
    count(CHASSIS_DROP.remote_replayed, replayed - this.#counted.replayed);
    Object.assign(this.#counted, { lost, forged, replayed });
  }

  #stop(): void {
    Atomics.store(words, ONLINE, 0);
    if (!this.#path) return this.#stopped();
    this.#phase = "stopping";
    clearInterval(this.#beats);
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#stopped(), STOP_MS);
    this.#connection!.write(encodeMessage(MESSAGE_OFF, f64(this.#path.sent)));
  }

  #stopped(): void {
    this.#end({ kind: "stopped", slot, generation: this.#generation });
  }

  #fail(why: string): void {
    if (this.#phase === "stopping") return this.#stopped();
    const trap: TrapReport = { kind: "link", trapText: `shelf ${place}: ${why}`, stack: "", abort: undefined };
    this.#end({ kind: "fault", slot, generation: this.#generation, report: trap });
  }

  #end(last: ThreadReport): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    Atomics.store(words, ONLINE, 0);
    clearInterval(this.#beats);
    clearTimeout(this.#patience);
    this.#account();
    if (this.#path) {
      // Nobody will tell what became of the frames that were on their way.
      const { accepted, lost } = this.#state.outcome;
      count(CHASSIS_DROP.remote_lost, Math.max(0, this.#path.sent - accepted - lost));
      this.#path.wipe();
    }
    this.#socket?.close();
    this.#connection?.destroy();
    page.map.fill(0);
    page.firmwareDrops.fill(0);
    report(last);
  }
}

/** What went wrong with the connection, in the words of who has to mend it. */
function refusalText(error: NodeJS.ErrnoException): string {
  const { code = "", message } = error;
  // What a server says of a key that is not its own (RFC 8446 4.2.11: the binder does not verify), or of one that it has no file of.
  if (code.startsWith("ERR_SSL_") || code === "ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED")
    return `its key is not that of ${shelf.keyFile} (${code.replace("ERR_SSL_", "").toLowerCase()})`;
  if (code === "ECONNREFUSED") return "nobody listens there";
  return code === "" ? message : `${code}: ${message}`;
}

let board: RemoteBoard | undefined;

parentPort!.on("message", (order: PowerOrder) => {
  discard(down);
  discard(ike.in);
  board = new RemoteBoard(order);
});

new Doorbell(page, () => (board && !board.over ? board.turn() : false)).start();
