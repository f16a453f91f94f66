/**
 * The control socket: a UNIX stream socket of mode 0600 that speaks JSON, one object a line.
 *
 *   request   {"id": 1, "protocol": 1, "command": "initiate", "args": {"name": "net", "timeout": 30}}
 *   answer    {"id": 1, "result": ...}   or   {"id": 1, "error": {"code": "failed", "message": "..."}}
 *   event     {"event": {"kind": "child-updown", ...}}   behind `subscribe`
 *   packet    {"packet": {"time": ..., "missed": 0, "explanation": {...}}}   behind `trace`, until the client goes; args {"filter": [..]}
 *
 *   record    {"record": {"time": ..., "level": "info", ...}}   behind `follow-log`, the same way
 *
 * docs/control-protocol.md is the whole of it. Who may open the socket is the operator; the file's mode is all the authentication there is. Keys and secrets cannot be
 * asked for. Refuses lines longer than LINE_MAX (the connection ends) and more than CLIENTS_MAX clients.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import {
  Commands,
  type CommandsOptions,
  errorOf,
  type Followed,
  isFollowed,
  parseRequest,
  RequestError,
} from "./commands.ts";
import type { Gateway } from "./gateway.ts";

const LINE_MAX = 65536;
const CLIENTS_MAX = 64;
/** Octets that a client may leave unread before it is cut off: events must not pile up here. */
const BACKLOG_MAX = 4 << 20;

/** Is there a gateway that answers at `path`? */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Takes a socket away that nobody serves; throws when something else is there, or a gateway answers. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path}: is there already, and is no socket`);
  if (await answers(path)) throw new Error(`${path}: another gateway answers there`);
  unlinkSync(path);
}

export class ControlServer {
  readonly path: string;
  readonly #commands: Commands;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(path: string, commands: Commands) {
    this.path = path;
    this.#commands = commands;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Listens at `path`. Throws with the reason when that cannot be. */
  static async listen(path: string, gateway: Gateway, more: CommandsOptions = {}): Promise<ControlServer> {
    return ControlServer.serve(path, new Commands(gateway, more));
  }

  /** The same for commands that others may serve, too. */
  static async serve(path: string, commands: Commands): Promise<ControlServer> {
    await clear(path);
    const control = new ControlServer(path, commands);
    // The file must never be open to others, not even between bind and chmod.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        control.#server.once("error", reject);
        control.#server.listen(path, resolve);
      });
    } finally {
      process.umask(mask);
    }
    chmodSync(path, 0o600);
    return control;
  }

  /** Stops listening, ends all clients and takes the socket's file away. */
  async close(): Promise<void> {
    this.#commands.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) client.end();
    const late = setTimeout(() => this.#clients.forEach((client) => client.destroy()), 500);
    await closed;
    clearTimeout(late);
  }

  #serve(socket: Socket): void {
    if (this.#clients.size >= CLIENTS_MAX) {
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    let rest = "";
    /** What the client follows, one of a kind. */
    const following = new Map<Followed, () => void>();
    const send = (message: object): void => {
      if (socket.destroyed) return;
      if (socket.writableLength > BACKLOG_MAX) socket.destroy();
      else socket.write(`${JSON.stringify(message)}\n`);
    };
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") void this.#answer(line, following, send).then(send);
      if (rest.length > LINE_MAX) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      for (const end of following.values()) end();
      this.#clients.delete(socket);
    });
  }

  async #answer(line: string, following: Map<Followed, () => void>, send: (line: object) => void): Promise<object> {
    let id: unknown = null;
    try {
      if (line.length > LINE_MAX) throw new RequestError("malformed", "the line is too long");
      const request = parseRequest(line);
      const { command, args } = request;
      id = request.id;
      if (!isFollowed(command)) return { id, result: await this.#commands.run(command, args) };
      // A new filter takes the place of the old one, if it is one.
      const end = this.#commands.follow(command, args, send);
      following.get(command)?.();
      following.set(command, end);
      return { id, result: {} };
    } catch (error) {
      return { id, error: errorOf(error) };
    }
  }
}
