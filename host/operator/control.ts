/**
 * The control socket: a UNIX stream socket of mode 0600 that speaks JSON, one object a line.
 *
 *   request   {"id": 1, "command": "initiate", "args": {"name": "net", "timeout": 30}}
 *   answer    {"id": 1, "result": ...}   or   {"id": 1, "error": {"code": "failed", "message": "..."}}
 *   event     {"event": {"kind": "child-updown", ...}}   behind `subscribe`
 *   packet    {"packet": {"time": ..., "missed": 0, "explanation": {...}}}   behind `trace`, until the client goes; args {"filter": [..]}
 *
 * Who may open the socket is the operator; the file's mode is all the authentication there is. Keys and secrets cannot be
 * asked for. Refuses lines longer than LINE_MAX (the connection ends) and more than CLIENTS_MAX clients.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dropsOf } from "./drops.ts";
import { EXPLAIN_PACKET_MAX, sideOf } from "./explain.ts";
import { faultOrder } from "./fault_order.ts";
import type { Gateway, GatewayEvent } from "./gateway.ts";
import { CommandError } from "./gateway.ts";
import { PacketTrace } from "./trace.ts";
import { parseTraceFilter, type TraceFilter } from "./trace_filter.ts";
import { ImageRefused } from "../image/refusal.ts";
import { IMAGE_COMMANDS, ImageArgumentError } from "./images.ts";
import { initiateAndWait, initiateIkeAndWait, rekeyAndWait } from "./outcome.ts";

const LINE_MAX = 65536;
const CLIENTS_MAX = 64;
/** Octets that a client may leave unread before it is cut off: events must not pile up here. */
const BACKLOG_MAX = 4 << 20;
/** Seconds. */
const TIMEOUT_DEFAULT = 30;
const TIMEOUT_MAX = 3600;

export type ErrorCode = "malformed" | "unknown-command" | "bad-argument" | "failed";

/** A request that cannot be carried out, with a code for programs. */
export class RequestError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

type Args = Readonly<Record<string, unknown>>;
type Command = (gateway: Gateway, args: Args) => Promise<unknown>;

function nameOf(args: Args): string {
  const name = args["name"];
  if (typeof name !== "string" || name === "") throw new RequestError("bad-argument", "a name is wanted");
  return name;
}

function timeoutOf(args: Args): number {
  const timeout = args["timeout"] ?? TIMEOUT_DEFAULT;
  if (typeof timeout !== "number" || !(timeout > 0 && timeout <= TIMEOUT_MAX)) {
    throw new RequestError("bad-argument", `timeout: seconds from 0 to ${TIMEOUT_MAX} are wanted`);
  }
  return timeout * 1000;
}

type SlotAction = (gateway: Gateway, slot: number, args: Args) => Promise<void>;

/** What is done to a board that serves comes after its SAs have gone to others; `force` takes it with those that none takes. */
const drained =
  (action: (gateway: Gateway, slot: number) => Promise<void>): SlotAction =>
  async (gateway, slot, { force }) => {
    const left = await gateway.chassis.drain(slot);
    if (left > 0 && force !== true) {
      gateway.chassis.resume(slot);
      const what = Number.isFinite(left) ? `${left} CHILD_SAs that no other board takes` : "CHILD_SAs that do not move";
      throw new RequestError("failed", `slot ${slot} has ${what}; force loses what arrives for them meanwhile`);
    }
    await action(gateway, slot);
  };

/** What an operator does with a slot. */
const SLOT_ACTIONS: Readonly<Record<string, SlotAction>> = {
  restart: drained((gateway, slot) => gateway.chassis.reset(slot)),
  offline: drained((gateway, slot) => gateway.chassis.offline(slot)),
  eject: drained((gateway, slot) => gateway.chassis.eject(slot)),
  online: (gateway, slot) => gateway.chassis.online(slot),
  insert: async (gateway, slot, { image }) => {
    if (typeof image !== "string") throw new RequestError("bad-argument", "insert: an image is wanted");
    await gateway.chassis.insert(slot, image);
    await gateway.chassis.online(slot);
  },
};

const COMMANDS: Readonly<Record<string, Command>> = {
  sas: async (gateway) => ({ link: gateway.chassis.show().link, sas: await gateway.sas() }),
  connections: (gateway) => gateway.connections(),
  policies: (gateway) => gateway.policies(),
  pools: (gateway) => gateway.pools(),
  boards: (gateway) => gateway.boards(),
  slot: async (gateway, args) => {
    const { slot, action } = args;
    const known = gateway.chassis.show().slots.some((one) => one.slot === slot);
    if (!known) throw new RequestError("bad-argument", "slot: the number of a slot is wanted");
    if (!Object.hasOwn(SLOT_ACTIONS, String(action)))
      throw new RequestError("bad-argument", `action: ${Object.keys(SLOT_ACTIONS).join(", ")} is wanted`);
    await imageCommand(() => SLOT_ACTIONS[String(action)]!(gateway, slot as number, args));
    return gateway.chassis.show().slots.find((one) => one.slot === slot);
  },
  rebalance: (gateway) => {
    gateway.chassis.rebalance();
    return Promise.resolve({});
  },
  fault: (gateway, args) => {
    const { chassis } = gateway;
    if (!chassis.faultsAllowed)
      throw new RequestError("failed", "faults may not be injected here: chassis { faults = yes } allows it");
    const { kind } = args;
    if (kind === "clear") chassis.clearFaults();
    else if (kind !== undefined) {
      try {
        chassis.injectFault(faultOrder(args));
      } catch (error) {
        if (error instanceof RangeError) throw new RequestError("bad-argument", error.message);
        throw error;
      }
    }
    return Promise.resolve(chassis.show().injected);
  },
  drops: (gateway) => Promise.resolve(dropsOf(gateway.chassis.show())),
  explain: (gateway, args) => {
    const hex = args["packet"];
    if (typeof hex !== "string" || !/^([0-9a-f]{2})+$/i.test(hex)) {
      throw new RequestError("bad-argument", "a packet in hexadecimal is wanted");
    }
    const packet = Buffer.from(hex, "hex");
    if (packet.length > EXPLAIN_PACKET_MAX) {
      throw new RequestError("bad-argument", `a packet of at most ${EXPLAIN_PACKET_MAX} octets is wanted`);
    }
    const from = args["from"] ?? sideOf(packet);
    if (from !== "protected" && from !== "unprotected") {
      throw new RequestError("bad-argument", "from: 'protected' or 'unprotected' is wanted");
    }
    return gateway.explain(packet, from);
  },
  initiate: (gateway, args) =>
    args["ike"] === true
      ? initiateIkeAndWait(gateway, nameOf(args), timeoutOf(args))
      : initiateAndWait(gateway, nameOf(args), timeoutOf(args)),
  rekey: (gateway, args) => rekeyAndWait(gateway, nameOf(args), timeoutOf(args)),
  redirect: async (gateway, args) => {
    const name = nameOf(args);
    const to = args["gateway"];
    if (typeof to !== "string" || to === "") throw new RequestError("bad-argument", "a gateway is wanted");
    try {
      await gateway.redirect(name, to);
    } catch (error) {
      if (error instanceof RangeError) throw new RequestError("bad-argument", error.message);
      throw error;
    }
    return { redirected: name, gateway: to };
  },
  terminate: async (gateway, args) => {
    const name = nameOf(args);
    await gateway.terminate(name);
    return { terminated: name };
  },
  ...Object.fromEntries(
    Object.entries(IMAGE_COMMANDS).map(([name, command]): [string, Command] => [
      name,
      (gateway, args) => imageCommand(() => command(gateway.chassis, gateway.imageKeys, args)),
    ]),
  ),
};

async function imageCommand<T>(command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (error) {
    if (error instanceof ImageRefused) throw new RequestError("failed", error.message);
    if (error instanceof ImageArgumentError) throw new RequestError("bad-argument", error.message);
    throw error;
  }
}

export const CONTROL_COMMANDS: readonly string[] = [...Object.keys(COMMANDS), "subscribe", "trace"];

/** What a client follows rather than asks. */
type Following = (args: Args) => void;

function filterOf(args: Args): TraceFilter {
  const words = args["filter"] ?? [];
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string"))
    throw new RequestError("bad-argument", "filter: a list of words is wanted");
  try {
    return parseTraceFilter(words);
  } catch (error) {
    if (error instanceof RangeError) throw new RequestError("bad-argument", error.message);
    throw error;
  }
}

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
  readonly #gateway: Gateway;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(path: string, gateway: Gateway) {
    this.path = path;
    this.#gateway = gateway;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Listens at `path`. Throws with the reason when that cannot be. */
  static async listen(path: string, gateway: Gateway): Promise<ControlServer> {
    await clear(path);
    const control = new ControlServer(path, gateway);
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
    let unsubscribe: (() => void) | undefined;
    const send = (message: object): void => {
      if (socket.destroyed) return;
      if (socket.writableLength > BACKLOG_MAX) socket.destroy();
      else socket.write(`${JSON.stringify(message)}\n`);
    };
    let trace: PacketTrace | undefined;
    const following: Record<string, Following> = {
      subscribe: () => {
        unsubscribe ??= this.#gateway.onEvent((event: GatewayEvent) => send({ event }));
      },
      trace: (args) => {
        const filter = filterOf(args);
        trace?.stop();
        trace = new PacketTrace(this.#gateway, filter, (packet) => send({ packet }));
      },
    };
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") void this.#answer(line, following).then(send);
      if (rest.length > LINE_MAX) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      unsubscribe?.();
      trace?.stop();
      this.#clients.delete(socket);
    });
  }

  async #answer(line: string, following: Readonly<Record<string, Following>>): Promise<object> {
    let id: unknown = null;
    try {
      if (line.length > LINE_MAX) throw new RequestError("malformed", "the line is too long");
      const request = parseRequest(line);
      id = request.id;
      if (Object.hasOwn(following, request.command)) {
        following[request.command]!(request.args);
        return { id, result: {} };
      }
      const command = Object.hasOwn(COMMANDS, request.command) ? COMMANDS[request.command] : undefined;
      if (!command) throw new RequestError("unknown-command", `there is no command '${request.command}'`);
      return { id, result: (await command(this.#gateway, request.args)) ?? {} };
    } catch (error) {
      if (error instanceof RequestError) return { id, error: { code: error.code, message: error.message } };
      if (error instanceof CommandError) return { id, error: { code: "failed", message: error.message } };
      return { id, error: { code: "failed", message: `internal error: ${(error as Error).message}` } };
    }
  }
}

function parseRequest(line: string): { id: unknown; command: string; args: Args } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RequestError("malformed", "the line is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError("malformed", "a request is an object");
  }
  const { id = null, command, args = {} } = value as Record<string, unknown>;
  if (typeof command !== "string") throw new RequestError("malformed", "a request names its command");
  if (typeof args !== "object" || args === null || Array.isArray(args)) {
    throw new RequestError("malformed", "args is an object");
  }
  return { id, command, args: args as Args };
}
