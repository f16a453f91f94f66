/**
 * The network between a chassis and a shelf: hands the connection on as it is, and loses, repeats and damages datagrams, by chance and
 * repeatably. It counts what it did to frames; beats are datagrams, too.
 */
import { createSocket, type Socket } from "node:dgram";
import { connect, createServer, type AddressInfo, type Server, type Socket as Stream } from "node:net";
import { SeededRandom } from "../../host/chassis/entropy.ts";

export interface Chances {
  lose?: number;
  duplicate?: number;
  flip?: number;
}

/** A direction of the network. */
export type Way = "to shelf" | "to chassis";

const HOST = "127.0.0.1";
/** The relay's, as the shelf sees it. */
const OWN = "127.0.0.2";
/** The top bit of NUMBER, little-endian behind SESSION: a beat (host/chassis/remote/path.ts). */
const isBeat = (datagram: Buffer): boolean => (datagram[11]! & 0x80) !== 0;

export class LossyRelay {
  readonly #server: Server;
  readonly #inside: Socket;
  /** Towards the shelf, which looks at where datagrams come from: it has the port of the chassis, at another address. */
  #outside: Socket | undefined;
  readonly #shelf: number;
  readonly #random: SeededRandom;
  readonly #streams = new Set<Stream>();
  #chassis = 0;
  #last: Buffer = Buffer.alloc(0);
  chances: Chances = {};
  /** What carries no datagram any more. */
  readonly cut = new Set<Way>();
  lostFrames = 0;
  flipped = 0;
  flippedFrames = 0;
  duplicated = 0;

  private constructor(shelf: number, seed: number) {
    this.#shelf = shelf;
    this.#random = new SeededRandom(seed);
    this.#server = createServer((stream) => this.#join(stream));
    this.#inside = createSocket("udp4", (datagram, { port }) => {
      const outside = this.#outsideOf(port);
      this.#last = Buffer.from(datagram);
      this.#carry("to shelf", datagram, (copy) => outside.send(copy, this.#shelf, HOST));
    });
  }

  static async start(shelf: number, seed: number): Promise<LossyRelay> {
    const relay = new LossyRelay(shelf, seed);
    await new Promise<void>((resolve) => relay.#server.listen(0, HOST, resolve));
    await new Promise<void>((resolve) => relay.#inside.bind(relay.port, HOST, resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    this.#inside.close();
    this.#outside?.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The chassis's last datagram again, as it was, from a port that is none of the chassis's. */
  async fromElsewhere(): Promise<void> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.send(this.#last, this.#shelf, HOST, () => resolve()));
    socket.close();
  }

  #outsideOf(port: number): Socket {
    if (this.#outside && this.#chassis === port) return this.#outside;
    this.#outside?.close();
    this.#chassis = port;
    this.#outside = createSocket("udp4", (datagram) =>
      this.#carry("to chassis", datagram, (copy) => this.#inside.send(copy, this.#chassis, HOST)),
    );
    this.#outside.bind(port, OWN);
    return this.#outside;
  }

  #join(stream: Stream): void {
    const far = connect({ port: this.#shelf, host: HOST, localAddress: OWN });
    for (const [one, other] of [
      [stream, far],
      [far, stream],
    ] as const) {
      this.#streams.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  }

  #carry(way: Way, datagram: Buffer, on: (datagram: Buffer) => void): void {
    const { lose = 0, duplicate = 0, flip = 0 } = this.chances;
    const chance = this.#random.next();
    if (chance < lose || this.cut.has(way)) {
      if (!isBeat(datagram)) this.lostFrames += 1;
      return;
    }
    if (chance < lose + flip) {
      const beat = isBeat(datagram);
      // Behind the header: what stands there is sealed, what is in front of it is authenticated just as well.
      datagram[12 + Math.floor(this.#random.next() * (datagram.length - 12))]! ^= 1;
      this.flipped += 1;
      if (!beat) this.flippedFrames += 1;
      return on(datagram);
    }
    on(datagram);
    if (chance >= lose + flip + duplicate) return;
    this.duplicated += 1;
    on(datagram);
  }
}
