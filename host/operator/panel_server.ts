/**
 * The front panel's server: the page's files, and the control protocol over HTTP. It asks the gateway as the control socket does
 * (commands.ts).
 *
 *   GET  /            the page and its files, which are the same for everybody and hold nothing of the gateway
 *   GET  /chassis     [{"name", "actions", "faults", "flash"}]: the chassis that are here, by their index
 *   POST /control/0   one request of the protocol to chassis 0; its answer
 *   POST /follow      {"follow": [{"chassis": 0, "command": "watch", "args": {}}]}; lines {"chassis": 0, "status": ...} until the client goes
 *
 * Who may: with a token, who shows it (Authorization: Bearer); without, whoever is on this machine, to look. Whatever is asked has to come by
 * one of the panel's own names (Host), against DNS rebinding; a POST has to come from its own page (Origin), as JSON, against
 * cross-site requests. What changes something wants actions allowed, and these want a token.
 *
 * Bounds: CLIENTS_MAX connections, REQUEST_MS for a request, BODY_MAX octets of it, COMMANDS_MAX under way, STREAMS_MAX followed; of a client
 * that does not read, BACKLOG_MAX octets: lines beyond are left out and counted ({"dropped": n}), and after STALL_MS it is cut off.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Commands, errorOf, type Followed, isFollowed, parseRequest, RequestError } from "./commands.ts";
import { isOwnHost, type PanelListening, urlHost } from "./panel_listening.ts";
import { isToken } from "./panel_token.ts";

const CLIENTS_MAX = 64;
const REQUEST_MS = 5000;
const BODY_MAX = 32768;
const COMMANDS_MAX = 16;
const STREAMS_MAX = 24;
/** What one stream follows. */
const FOLLOWED_MAX = 16;
const BACKLOG_MAX = 1 << 20;
const STALL_MS = 30_000;
/** Milliseconds for which an answer may wait to be read. */
const READ_MS = 15_000;

const LINES = "application/x-ndjson; charset=utf-8";
const PAGE = fileURLToPath(new URL("panel/", import.meta.url));
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Of every answer: nothing but the page's own files runs there, it is in no frame, and nothing is kept. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "cache-control": "no-store",
};

/** What looks and changes nothing. */
const LOOKS: ReadonlySet<string> = new Set([
  "version",
  "sas",
  "connections",
  "policies",
  "pools",
  "boards",
  "drops",
  "explain",
  "log",
  "images",
]);
/** What changes something; whatever is neither is not for the page (reload and capture name files, redirect sends peers away). */
const ACTS: ReadonlySet<string> = new Set([
  "initiate",
  "rekey",
  "terminate",
  "slot",
  "rebalance",
  "fault",
  "flash",
  "image-test",
  "image-confirm",
  "image-revert",
]);

/** A request that is refused before the gateway is asked. */
class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

export interface PanelOptions extends PanelListening {
  /** Who shows it is the operator. Without: whoever is on this machine looks. */
  token?: string;
}

interface File {
  type: string;
  octets: Buffer;
}

export class PanelServer {
  readonly #server: Server;
  readonly #chassis: readonly Commands[];
  readonly #options: PanelOptions;
  readonly #files: ReadonlyMap<string, File>;
  readonly #streams = new Set<ServerResponse>();
  #commands = 0;
  /** Lines that clients were too slow for. */
  dropped = 0;
  /** Requests that were refused: of strangers, or malformed. */
  refused = 0;

  private constructor(chassis: readonly Commands[], options: PanelOptions) {
    this.#chassis = chassis;
    this.#options = options;
    const files = readdirSync(PAGE).filter((name) => Object.hasOwn(TYPES, extname(name)));
    this.#files = new Map(
      files.map((name) => [
        name === "index.html" ? "/" : `/${name}`,
        { type: TYPES[extname(name)]!, octets: readFileSync(join(PAGE, name)) },
      ]),
    );
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS };
    this.#server = createServer({ ...limits, connectionsCheckingInterval: 1000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#refuse(request, response, error));
    });
    this.#server.maxConnections = CLIENTS_MAX;
  }

  /** Listens; port 0 is any that is free. Throws with the reason when that cannot be. */
  static async listen(chassis: readonly Commands[], options: PanelOptions): Promise<PanelServer> {
    if (options.actions && options.token === undefined) throw new RangeError("a panel that acts wants a token");
    const panel = new PanelServer(chassis, options);
    const { host, port } = options;
    await new Promise<void>((resolve, reject) => {
      panel.#server.once("error", (error) => reject(new Error(`panel at ${host} port ${port}: ${error.message}`)));
      panel.#server.listen({ host, port }, resolve);
    });
    return panel;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where a browser finds it, without the token. */
  get url(): string {
    return `http://${urlHost(this.#options.host)}:${this.port}/`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const stream of this.#streams) stream.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const { host = "" } = request.headers;
    if (!isOwnHost(host, this.#options, this.port, request.socket.localAddress ?? ""))
      throw new Refused(421, "the panel does not answer to this name: hosts in its section names those that it has");
    const path = request.url ?? "";
    const file = this.#files.get(path.split("?")[0]!);
    if (file) {
      if (request.method !== "GET" && request.method !== "HEAD")
        throw new Refused(405, "GET only", { allow: "GET, HEAD" });
      return this.#end(request, response, 200, file.type, file.octets);
    }
    if (path === "/chassis") {
      if (request.method !== "GET") throw new Refused(405, "GET only", { allow: "GET" });
      this.#admit(request);
      return this.#json(
        request,
        response,
        this.#chassis.map((commands) => this.#describe(commands)),
      );
    }
    const control = /^\/control\/(\d{1,2})$/.exec(path);
    if (!control && path !== "/follow") throw new Refused(404, "there is nothing here");
    if (request.method !== "POST") throw new Refused(405, "POST only", { allow: "POST" });
    this.#ownPage(request);
    this.#admit(request);
    if (control) return this.#control(request, response, this.#chassisAt(Number(control[1])));
    return this.#follow(request, response);
  }

  #describe({ chassis }: Commands): { name: string; actions: boolean; faults: boolean; flash: boolean } {
    const { actions } = this.#options;
    return {
      name: chassis.name,
      actions,
      faults: actions && chassis.faultsAllowed,
      flash: chassis.firmware !== undefined,
    };
  }

  #chassisAt(index: unknown): Commands {
    const commands = this.#chassis[index as number];
    if (typeof index !== "number" || !commands) throw new Refused(404, "there is no such chassis");
    return commands;
  }

  /** A POST is of the panel's own page, or of nobody's. */
  #ownPage({ headers, socket }: IncomingMessage): void {
    const { origin } = headers;
    const [, host = ""] = /^https?:\/\/([^/]*)$/.exec(origin ?? "") ?? [];
    if (!isOwnHost(host, this.#options, this.port, socket.localAddress ?? ""))
      throw new Refused(403, "not from another page: the Origin is not the panel's");
    const site = headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin") throw new Refused(403, "not from another page");
    if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? ""))
      throw new Refused(415, "application/json is wanted");
  }

  #admit({ headers }: IncomingMessage): void {
    const { token } = this.#options;
    if (token === undefined) return;
    const [, shown] = /^Bearer ([!-~]{1,512})$/.exec(headers.authorization ?? "") ?? [];
    if (shown === undefined || !isToken(shown, token))
      throw new Refused(401, "the panel's token is wanted", { "www-authenticate": 'Bearer realm="cardcage"' });
  }

  async #control(request: IncomingMessage, response: ServerResponse, commands: Commands): Promise<void> {
    if (this.#commands >= COMMANDS_MAX) throw new Refused(503, "too many commands are under way");
    this.#commands += 1;
    try {
      let id: unknown = null;
      try {
        const asked = parseRequest(await body(request));
        id = asked.id;
        this.#permit(asked.command, asked.args);
        this.#json(request, response, { id, result: await commands.run(asked.command, asked.args) });
      } catch (error) {
        if (error instanceof Refused) throw error;
        this.#json(request, response, { id, error: errorOf(error) });
      }
    } finally {
      this.#commands -= 1;
    }
  }

  /** Throws Refused for what this panel does not do, RequestError for what none does. */
  #permit(command: string, args: Readonly<Record<string, unknown>>): void {
    if (LOOKS.has(command)) return;
    if (isFollowed(command)) throw new RequestError("bad-argument", `${command}: is followed, at /follow`);
    if (!ACTS.has(command)) throw new RequestError("unknown-command", `'${command}' is no command of the panel`);
    if (!this.#options.actions)
      throw new Refused(403, "this panel shows and does not act: actions = yes in its section lets it");
    const { action, image, file } = args;
    // The page names boards, and images that are to be verified: it has no way to other files of the machine.
    if (command === "slot" && action === "insert" && !(typeof image === "string" && /^[a-z][a-z0-9_]*$/.test(image)))
      throw new RequestError("bad-argument", "image: the name of a board is wanted");
    if (command === "flash" && !(typeof file === "string" && /^\/.*\.cc[im]$/s.test(file)))
      throw new RequestError("bad-argument", "file: the absolute path of a .cci or .ccm file is wanted");
  }

  async #follow(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#streams.size >= STREAMS_MAX) throw new Refused(503, "too many follow already");
    this.#streams.add(response);
    const ends: (() => void)[] = [];
    const end = (): void => {
      for (const stop of ends.splice(0)) stop();
      this.#streams.delete(response);
    };
    response.on("close", end);
    try {
      const wanted = followedOf(await body(request));
      if (response.destroyed) return;
      const send = this.#line(response);
      for (const { chassis, command, args } of wanted) {
        // Boards that write every packet's steps down are slower: that is no mere look.
        if (command === "console" && args["packets"] === true && !this.#options.actions)
          throw new RequestError("failed", "this panel shows and does not act: actions = yes in its section lets it");
        ends.push(this.#chassisAt(chassis).follow(command, args, (line) => send({ chassis, ...line })));
      }
      response.writeHead(200, { "content-type": LINES });
      response.flushHeaders();
    } catch (error) {
      end();
      if (!(error instanceof RequestError)) throw error;
      const line = Buffer.from(`${JSON.stringify({ error: errorOf(error) })}\n`);
      this.#end(request, response, 200, LINES, line);
    }
  }

  /** Sends lines as far as the client reads them. */
  #line(response: ServerResponse): (line: object) => void {
    let dropped = 0;
    let stalled: NodeJS.Timeout | undefined;
    response.on("close", () => clearTimeout(stalled));
    return (line) => {
      if (response.destroyed) return;
      if (response.writableLength > BACKLOG_MAX) {
        dropped += 1;
        this.dropped += 1;
        if (stalled) return;
        stalled = setTimeout(() => response.destroy(), STALL_MS).unref();
        response.once("drain", () => {
          clearTimeout(stalled);
          stalled = undefined;
        });
        return;
      }
      if (dropped > 0) response.write(`${JSON.stringify({ dropped })}\n`);
      dropped = 0;
      response.write(`${JSON.stringify(line)}\n`);
    };
  }

  #json(request: IncomingMessage, response: ServerResponse, value: unknown): void {
    this.#end(request, response, 200, "application/json; charset=utf-8", Buffer.from(JSON.stringify(value)));
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    this.refused += 1;
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const { status, headers } = error instanceof Refused ? error : { status: 500, headers: {} };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    // What is left of the request is not read.
    response.setHeader("connection", "close");
    const message = error instanceof Refused ? error.message : "internal error";
    const octets = Buffer.from(JSON.stringify({ error: { code: "failed", message } }));
    this.#end(request, response, status, "application/json; charset=utf-8", octets);
  }

  #end(request: IncomingMessage, response: ServerResponse, status: number, type: string, octets: Buffer): void {
    const late = setTimeout(() => response.destroy(), READ_MS).unref();
    response.on("close", () => clearTimeout(late));
    response.writeHead(status, { "content-type": type, "content-length": octets.length });
    response.end(request.method === "HEAD" ? undefined : octets);
  }
}

/** A request's body. Throws Refused when it is too long. */
async function body(request: IncomingMessage): Promise<string> {
  if (Number(request.headers["content-length"] ?? 0) > BODY_MAX) throw new Refused(413, "the request is too long");
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    octets += part.length;
    if (octets > BODY_MAX) throw new Refused(413, "the request is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

interface Follow {
  chassis: unknown;
  command: Followed;
  args: Readonly<Record<string, unknown>>;
}

/** What a stream is to follow. Throws RequestError for what is no such list. */
function followedOf(text: string): Follow[] {
  const malformed = (message: string): never => {
    throw new RequestError("malformed", message);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed("the request is no JSON");
  }
  const { follow } = (value ?? {}) as { follow?: unknown };
  if (!Array.isArray(follow) || follow.length === 0 || follow.length > FOLLOWED_MAX)
    return malformed(`follow: a list of 1 to ${FOLLOWED_MAX} is wanted`);
  return follow.map((one: unknown) => {
    const { chassis } = (one ?? {}) as { chassis?: unknown };
    const { command, args } = parseRequest(JSON.stringify(one ?? null));
    if (!isFollowed(command)) return malformed(`'${command}' is asked, not followed`);
    return { chassis, command, args };
  });
}
