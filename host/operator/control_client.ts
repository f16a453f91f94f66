/** The other end of the control socket (control.ts): one request, or a stream of events. */
import { connect, type Socket } from "node:net";
import { CONTROL_PROTOCOL, type ErrorCode } from "./control_protocol.ts";

/** There is no gateway behind the socket, or it went away. */
export class UnreachableError extends Error {}

/** The gateway refused or failed; `code` is control.ts's. */
export class RefusedError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface Answer {
  id?: unknown;
  result?: unknown;
  error?: { code: ErrorCode; message: string };
  event?: unknown;
  packet?: unknown;
  record?: unknown;
  status?: unknown;
  step?: unknown;
  line?: unknown;
}

/** A gateway that is there for somebody else is not one that is down. */
const unreachable = (path: string, { code, message }: NodeJS.ErrnoException): string =>
  code === "EACCES"
    ? `${path} is not for this user to open (${code}): a gateway's socket is its owner's alone`
    : `no gateway answers at ${path} (${code ?? message})`;

const open = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setEncoding("utf8");
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => reject(new UnreachableError(unreachable(path, error))));
  });

function onLines(socket: Socket, callback: (answer: Answer) => void): void {
  let rest = "";
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") callback(JSON.parse(line) as Answer);
  });
}

/** Sends one command and gives its result. Throws UnreachableError or RefusedError. */
export async function request(path: string, command: string, args: object = {}): Promise<unknown> {
  const socket = await open(path);
  try {
    return await new Promise((resolve, reject) => {
      onLines(socket, ({ error, result }) => {
        if (error) reject(new RefusedError(error.code, error.message));
        else resolve(result);
      });
      socket.once("error", (error) => reject(new UnreachableError(`the gateway went away (${error.message})`)));
      socket.once("close", () => reject(new UnreachableError("the gateway went away")));
      socket.write(`${JSON.stringify({ id: 1, protocol: CONTROL_PROTOCOL, command, args })}\n`);
    });
  } finally {
    socket.destroy();
  }
}

export interface FollowOptions {
  command?: string;
  args?: object;
  signal?: AbortSignal;
}

/**
 * Follows what `command` (subscribe, watch, steps, console, trace or follow-log) begins: calls back for every event, glance, step, line, packet or record until the gateway goes away or `signal` aborts.
 * Throws UnreachableError when it goes away, RefusedError when it refuses.
 */
export async function follow(
  path: string,
  callback: (told: unknown) => void,
  { command = "subscribe", args = {}, signal }: FollowOptions = {},
): Promise<void> {
  const socket = await open(path);
  try {
    await new Promise<void>((resolve, reject) => {
      onLines(socket, ({ event, packet, record, status, step, line, error }) => {
        const told = event ?? packet ?? record ?? status ?? step ?? line;
        if (error) reject(new RefusedError(error.code, error.message));
        else if (told !== undefined) callback(told);
      });
      if (signal?.aborted) return resolve();
      signal?.addEventListener("abort", () => resolve());
      socket.once("error", (error) => reject(new UnreachableError(`the gateway went away (${error.message})`)));
      socket.once("close", () => reject(new UnreachableError("the gateway went away")));
      socket.write(`${JSON.stringify({ id: 1, protocol: CONTROL_PROTOCOL, command, args })}\n`);
    });
  } finally {
    socket.destroy();
  }
}
