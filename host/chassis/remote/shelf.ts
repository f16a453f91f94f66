/**
 * A shelf: a chassis of its own for IPsec boards, whose IKE board, NICs and operator are elsewhere.
 *
 * It listens at one address for TCP and UDP. A connection with the right key may have one board, for which it sends the order and the image; a
 * datagram belongs to the board whose session it names, if it comes from that board's chassis. All else is refused and counted. It keeps
 * nothing: no configuration, no image, no key but that of the file.
 */
import { randomInt } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6, type AddressInfo } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { Threaded } from "../drive/threaded.ts";
import {
  decodePower,
  type HousedPower,
  MESSAGE_POWER,
  type Message,
  MessageError,
  MessageReader,
} from "./control_message.ts";
import { HousedBoard } from "./housed_board.ts";
import { readShelfKey } from "./key_file.ts";
import { sessionOf } from "./path.ts";
import { createShelfServer } from "./secure_connection.ts";
import { SOCKET_BUFFER } from "./timing.ts";

export interface ShelfOptions {
  host: string;
  /** 0: any that is free. */
  port: number;
  keyFile: string;
  /** Boards that it has room for. */
  boards: number;
  /** RAM of a board, in pages of 64 KiB. */
  ramPages: number;
  log(text: string): void;
}

/** What was refused. */
export interface ShelfRefusals {
  /** Connections whose other end does not have the key. */
  handshakes: number;
  /** Connections that said what is none of the messages, or nothing in time. */
  malformed: number;
  /** Datagrams of no session, or from somewhere else than its chassis. */
  strangers: number;
}

/** ms that a connection has until its order is there. */
const ORDER_MS = 5000;
/** ms within which refusals of strangers are told once, in one line. */
const TELL_MS = 1000;
/** Connections beside those of boards. */
const SPARE_CONNECTIONS = 16;

export class Shelf {
  readonly #options: ShelfOptions;
  readonly #drive = new Threaded();
  readonly #server: Server;
  readonly #socket: Socket;
  readonly #boards = new Map<number, HousedBoard>();
  readonly #connections = new Set<TLSSocket>();
  readonly refused: ShelfRefusals = { handshakes: 0, malformed: 0, strangers: 0 };
  #telling: NodeJS.Timeout | undefined;
  #lastStranger = "";
  #closed = false;

  /** Opens both sockets. Throws KeyFileError, and what the system says of the address. */
  static async listen(options: ShelfOptions): Promise<Shelf> {
    readShelfKey(options.keyFile).fill(0);
    const shelf = new Shelf(options);
    try {
      await shelf.#listen();
      return shelf;
    } catch (error) {
      await shelf.close();
      throw error;
    }
  }

  private constructor(options: ShelfOptions) {
    this.#options = options;
    this.#server = createShelfServer(options.keyFile, (connection) => this.#accept(connection));
    this.#server.maxConnections = options.boards + SPARE_CONNECTIONS;
    this.#server.on("tlsClientError", (error, socket) => this.#stranger("handshakes", socket.remoteAddress, error));
    this.#socket = createSocket({
      type: isIPv6(options.host) ? "udp6" : "udp4",
      recvBufferSize: SOCKET_BUFFER,
      sendBufferSize: SOCKET_BUFFER,
    });
    this.#socket.on("message", (datagram, from) => this.#arrived(datagram, from));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Boards that it houses at this moment. */
  get boards(): number {
    return this.#boards.size;
  }

  /** Powers all boards off. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#telling);
    for (const board of this.#boards.values()) board.fail("the shelf is taken off");
    for (const connection of this.#connections) connection.destroySoon();
    this.#server.close();
    await this.#drive.close();
    try {
      this.#socket.close();
    } catch {
      // It was never opened.
    }
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(port, host, resolve);
    });
    await new Promise<void>((resolve, reject) => {
      this.#socket.once("error", reject).bind(this.port, host, resolve);
    });
    // An error of one connection or datagram is none of the shelf.
    this.#server.on("error", (error) => this.#options.log(`listening: ${error.message}`));
    this.#socket.on("error", (error) => this.#options.log(`UDP: ${error.message}`));
  }

  #accept(connection: TLSSocket): void {
    const reader = new MessageReader();
    let board: HousedBoard | undefined;
    const impatience = setTimeout(() => refuse("no order in time"), ORDER_MS);
    const refuse = (why: string): void => {
      this.#stranger("malformed", connection.remoteAddress, new Error(why));
      connection.destroy();
    };
    this.#connections.add(connection);
    connection.setNoDelay(true);
    connection.setKeepAlive(true, 1000);
    connection.on("error", () => undefined);
    connection.on("close", () => {
      clearTimeout(impatience);
      this.#connections.delete(connection);
      board?.fail("the connection ended");
    });
    connection.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) {
          if (board) {
            board.heard(message);
            continue;
          }
          clearTimeout(impatience);
          board = this.#house(connection, orderIn(message));
        }
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        refuse(error.message);
        board?.fail(error.message);
      }
    });
  }

  #house(connection: TLSSocket, order: HousedPower): HousedBoard {
    const { boards, ramPages, log } = this.#options;
    // The chassis comes again, and has given up its old connection.
    for (const other of this.#boards.values()) if (other.is(order, connection)) other.fail("its chassis comes anew");
    let session: number;
    do session = randomInt(2 ** 32);
    while (this.#boards.has(session));
    const board = new HousedBoard({
      connection,
      socket: this.#socket,
      drive: this.#drive,
      order,
      session,
      log,
      ended: () => this.#boards.delete(session),
    });
    // Boards that are being wiped have left their place.
    const housed = [...this.#boards.values()].filter(({ over }) => !over).length;
    this.#boards.set(session, board);
    if (housed >= boards) board.deny(`the shelf is full: it has room for ${boards}`);
    else if (order.power.pages > ramPages)
      board.deny(`the board wants ${order.power.pages / 16} MiB of RAM; the shelf gives ${ramPages / 16} MiB`);
    else board.start().catch((error: Error) => board.fail(error.message));
    return board;
  }

  #arrived(datagram: Buffer, from: RemoteInfo): void {
    const board = this.#boards.get(sessionOf(datagram));
    if (board?.comesFrom(from)) board.arrived(datagram);
    else this.#stranger("strangers", from.address, new Error("a datagram for no board of its chassis"));
  }

  /** Counts what is refused, and tells of it, however often it comes, once a second. */
  #stranger(kind: keyof ShelfRefusals, address: string | undefined, error: Error): void {
    this.refused[kind] += 1;
    this.#lastStranger = `${address ?? "?"}: ${error.message.trim()}`;
    if (this.#closed) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const { handshakes, malformed, strangers } = this.refused;
      this.#options.log(
        `refused so far: ${handshakes} handshakes, ${malformed} malformed, ${strangers} datagrams of strangers; last ${this.#lastStranger}`,
      );
    }, TELL_MS);
  }
}

function orderIn({ type, body }: Message): HousedPower {
  if (type !== MESSAGE_POWER) throw new MessageError(`a message of type ${type} in place of a power order`);
  return decodePower(body);
}
