/**
 * What an operator's program may ask of a gateway: the commands of the control protocol (docs/control-protocol.md) and what it may
 * follow. The control socket (control.ts) and the front panel (panel_server.ts) both speak through here: nothing is there twice.
 */
import { isAbsolute } from "node:path";
import { ImageRefused } from "../image/refusal.ts";
import { Capture, type CaptureStatus } from "./capture.ts";
import { CONTROL_PROTOCOL, type ErrorCode } from "./control_protocol.ts";
import { Consoles, type ConsoleWish } from "./consoles.ts";
import { dropsOf } from "./drops.ts";
import { EXPLAIN_PACKET_MAX, sideOf } from "./explain.ts";
import { faultOrder } from "./fault_order.ts";
import type { Gateway, GatewayEvent } from "./gateway.ts";
import { CommandError } from "./command_error.ts";
import { IMAGE_COMMANDS, ImageArgumentError } from "./images.ts";
import { AREAS, type Area, LEVELS, type Log, type LogFilter, type LogRecord, wanted } from "./log.ts";
import { initiateAndWait, initiateIkeAndWait, rekeyAndWait } from "./outcome.ts";
import type { ReloadResult } from "./reload.ts";
import { softwareVersion } from "./software_version.ts";
import { followSteps } from "./steps.ts";
import { PacketTrace } from "./trace.ts";
import { parseTraceFilter, type TraceFilter } from "./trace_filter.ts";
import { Watch, WATCH_INTERVAL_MAX } from "./watch.ts";

/** Seconds. */
const TIMEOUT_DEFAULT = 30;
const TIMEOUT_MAX = 3600;

export interface ControlVersion {
  protocol: number;
  /** Of package.json. */
  version: string;
  commands: string[];
}

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
  version: (): Promise<ControlVersion> =>
    Promise.resolve({ protocol: CONTROL_PROTOCOL, version: softwareVersion(), commands: [...CONTROL_COMMANDS] }),
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

/** What is followed rather than asked: it goes on until the client goes. */
export const FOLLOWED = ["subscribe", "watch", "steps", "console", "trace", "follow-log"] as const;
export type Followed = (typeof FOLLOWED)[number];

export const CONTROL_COMMANDS: readonly string[] = [...Object.keys(COMMANDS), "capture", "reload", "log", ...FOLLOWED];

export const isFollowed = (command: string): command is Followed => (FOLLOWED as readonly string[]).includes(command);

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

function consoleOf(chassis: Gateway["chassis"], { slot, packets }: Args): ConsoleWish {
  if (!chassis.show().slots.some((one) => one.slot === slot))
    throw new RequestError("bad-argument", "slot: the number of a slot is wanted");
  return { slot: slot as number, packets: packets === true };
}

/** Another configuration: whose file, and whether to show the difference alone. */
export interface ReloadOrder {
  /** Absent: the file that is in force, read anew. */
  file?: string;
  dryRun: boolean;
}

function reloadOf({ file, dryRun }: Args): ReloadOrder {
  if (file !== undefined && typeof file !== "string") throw new RequestError("bad-argument", "file: a path is wanted");
  return { ...(file === undefined ? {} : { file }), dryRun: dryRun === true };
}

export interface CommandsOptions {
  /** Takes another configuration over; without it the gateway's stays. */
  reload?: (order: ReloadOrder) => Promise<ReloadResult>;
  /** What `log` and `follow-log` tell. */
  log?: Log;
}

/** Throws RequestError for what is no filter. */
function logFilterOf({ slot, area, level }: Args): LogFilter {
  if (slot !== undefined && typeof slot !== "number")
    throw new RequestError("bad-argument", "slot: a number is wanted");
  if (area !== undefined && !AREAS.includes(area as Area))
    throw new RequestError("bad-argument", `area: one of ${AREAS.join(", ")} is wanted`);
  const levels: readonly string[] = LEVELS.filter((name) => name !== "silent");
  if (level !== undefined && !levels.includes(level as string))
    throw new RequestError("bad-argument", `level: one of ${levels.join(", ")} is wanted`);
  return { slot, area, level } as LogFilter;
}

function recent(log: Log, args: Args): LogRecord[] {
  const filter = logFilterOf(args);
  return log.recent.filter((record) => wanted(record, filter));
}

/** One request of the protocol. */
export interface ControlRequest {
  id: unknown;
  command: string;
  args: Args;
}

/** Reads a request; throws RequestError for what is none. */
export function parseRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RequestError("malformed", "the line is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError("malformed", "a request is an object");
  }
  const { id = null, protocol = CONTROL_PROTOCOL, command, args = {} } = value as Record<string, unknown>;
  if (protocol !== CONTROL_PROTOCOL)
    throw new RequestError("unsupported-protocol", `protocol ${CONTROL_PROTOCOL} is spoken here`);
  if (typeof command !== "string") throw new RequestError("malformed", "a request names its command");
  if (typeof args !== "object" || args === null || Array.isArray(args)) {
    throw new RequestError("malformed", "args is an object");
  }
  return { id, command, args: args as Args };
}

/** An error as the protocol tells it. */
export function errorOf(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof RequestError) return { code: error.code, message: error.message };
  if (error instanceof CommandError) return { code: "failed", message: error.message };
  return { code: "failed", message: `internal error: ${(error as Error).message}` };
}

/** Asks a gateway on behalf of whoever speaks the protocol. */
export class Commands {
  readonly #gateway: Gateway;
  readonly #log: Log | undefined;
  readonly #watch: Watch;
  readonly #consoles: Consoles;
  #capture: Capture | undefined;
  /** Commands of who runs the gateway. */
  readonly #own: Readonly<Record<string, Command>>;

  constructor(gateway: Gateway, { reload, log }: CommandsOptions = {}) {
    this.#gateway = gateway;
    this.#log = log;
    this.#watch = new Watch(gateway);
    this.#consoles = new Consoles(gateway.chassis);
    this.#own = {
      capture: (_gateway, args) => Promise.resolve().then(() => this.#capturing(args)),
      ...(reload ? { reload: (_gateway, args) => reload(reloadOf(args)) } : {}),
      ...(log ? { log: async (_gateway, args) => recent(log, args) } : {}),
    };
  }

  /** The gateway's chassis: its name, and what may be done with it. */
  get chassis(): Gateway["chassis"] {
    return this.#gateway.chassis;
  }

  /** Carries a command out and gives its result. Throws RequestError and CommandError. */
  async run(name: string, args: Args): Promise<unknown> {
    const commands = Object.hasOwn(this.#own, name) ? this.#own : COMMANDS;
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new RequestError("unknown-command", `there is no command '${name}'`);
    return (await command(this.#gateway, args)) ?? {};
  }

  /** Tells of what is followed from now on, as lines of the protocol; returns what ends it. Throws RequestError. */
  follow(name: Followed, args: Args, send: (line: object) => void): () => void {
    const log = this.#log;
    switch (name) {
      case "subscribe":
        return this.#gateway.onEvent((event: GatewayEvent) => send({ event }));
      case "watch":
        return this.#watch.follow(intervalOf(args), (status) => send({ status }));
      case "steps":
        return followSteps(this.chassis, this.#consoles, (step) => send({ step }));
      case "console":
        return this.#consoles.follow(consoleOf(this.chassis, args), (line) => send({ line }));
      case "trace": {
        const trace = new PacketTrace(this.#gateway, filterOf(args), (packet) => send({ packet }));
        return () => trace.stop();
      }
      case "follow-log": {
        if (!log) throw new RequestError("unknown-command", "there is no log here");
        const filter = logFilterOf(args);
        // Of one turn: none is missed between what was and what comes.
        if (args["recent"] === true) for (const record of recent(log, args)) send({ record });
        return log.onRecord((record) => {
          if (wanted(record, filter)) send({ record });
        });
      }
    }
  }

  /** Ends a capture that runs. */
  close(): void {
    this.#capture?.stop();
  }

  /** The one capture at a time. */
  #capturing({ action, file, limit, keys }: Args): CaptureStatus {
    const none = (): never => {
      throw new RequestError("failed", "there is no capture");
    };
    if (action === "show") return this.#capture?.status ?? none();
    if (action === "stop") return this.#capture?.status.running ? this.#capture.stop() : none();
    if (action !== "start") throw new RequestError("bad-argument", "action: start, stop or show is wanted");
    if (typeof file !== "string" || !isAbsolute(file))
      throw new RequestError("bad-argument", "file: an absolute path is wanted");
    if (limit !== undefined && !(typeof limit === "number" && limit > 0))
      throw new RequestError("bad-argument", "limit: octets are wanted");
    if (keys !== undefined && (typeof keys !== "string" || !isAbsolute(keys)))
      throw new RequestError("bad-argument", "keys: an absolute path is wanted");
    if (this.#capture?.status.running) throw new RequestError("failed", "a capture runs already");
    if (keys !== undefined && !this.#gateway.chassis.keysAllowed)
      throw new RequestError("failed", "keys may not be written down here: chassis { key_export = yes } allows it");
    try {
      this.#capture = new Capture(this.#gateway, file, {
        ...(limit === undefined ? {} : { limit: limit as number }),
        ...(keys === undefined ? {} : { keys }),
      });
      if (keys !== undefined) this.#gateway.announce(`THE KEYS OF ESP AND IKE ARE BEING WRITTEN DOWN, in ${keys}`);
    } catch (error) {
      throw new RequestError("failed", `${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
    return this.#capture.status;
  }
}

function intervalOf({ interval = 1 }: Args): number {
  if (typeof interval !== "number" || !(interval >= 1 && interval <= WATCH_INTERVAL_MAX))
    throw new RequestError("bad-argument", `interval: seconds from 1 to ${WATCH_INTERVAL_MAX} are wanted`);
  return interval;
}
