/**
 * The `cardcage` command: runs a gateway, checks what it would run on, asks one that runs.
 *
 * Exit codes are those of exit.ts. Every command that shows something shows it as JSON with --json. What peers say of themselves
 * arrives here escaped already; keys and secrets do not arrive at all.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { Argument, Command, CommanderError, Option } from "commander";
import type { BoardsStatus } from "../operator/gateway.ts";
import { type PacketExplanation, renderExplanation, renderVerdict } from "../operator/explain.ts";
import { shelfPlace } from "../operator/configuration/value.ts";
import { FAULT_KINDS } from "../operator/fault_order.ts";
import { follow, type FollowOptions, RefusedError, UnreachableError } from "../operator/control_client.ts";
import type { ControlVersion } from "../operator/commands.ts";
import type { ConsoleLine } from "../operator/consoles.ts";
import { CONTROL_PROTOCOL } from "../operator/control_protocol.ts";
import { softwareVersion } from "../operator/software_version.ts";
import type { DropsStatus } from "../operator/drops.ts";
import type { GatewayEvent } from "../operator/gateway.ts";
import { AREAS, LEVELS, type LogRecord, renderRecord } from "../operator/log.ts";
import type { ConnectionStatus } from "../operator/management.ts";
import type { PolicyStatus } from "../operator/policies.ts";
import { type PoolStatus, renderPools } from "../operator/pools.ts";
import { type ReloadResult, renderReload } from "../operator/reload.ts";
import { renderSas } from "../operator/sas.ts";
import type { TracedPacket } from "../operator/trace.ts";
import { WATCH_INTERVAL_MAX } from "../operator/watch.ts";
import { ask } from "./ask.ts";
import { completionScript, type Shell, SHELLS } from "./completion.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE } from "./exit.ts";
import { addImageCommands } from "./image.ts";
import { PacketError, packetOfWords, type PacketWords } from "./packet.ts";
import { meanwhile } from "./progress.ts";
import {
  renderCapture,
  renderBoards,
  renderConsoleLine,
  renderInjected,
  renderConnections,
  renderDrops,
  renderEvent,
  renderPolicies,
} from "./render.ts";
import { failure, type SasResult, type VersionResult } from "./results.ts";
import { socketPath } from "./socket_path.ts";
import { complain, harmlessDeep, print, printJson } from "./terminal.ts";
import { top } from "./top.ts";
import { WrongUsage } from "./wrong_usage.ts";

interface Options {
  json?: boolean;
  socket?: string;
  timeout?: string;
  ike?: boolean;
  force?: boolean;
}

/** A command that asks the gateway and shows its answer. */
async function show(
  command: string,
  options: Options,
  render: (result: never) => string,
  args: object = {},
  what = command,
): Promise<number> {
  const result = harmlessDeep(await ask(options, command, args, what));
  if (options.json) printJson(result);
  else print(render(result as never));
  return EXIT_OK;
}

/** 2 when the configuration is wrong, 1 when it is right and wants a restart. */
async function reload(file: string | undefined, options: Options & { dryRun?: boolean }): Promise<number> {
  const args = { ...(file === undefined ? {} : { file: resolve(file) }), dryRun: options.dryRun === true };
  const result = harmlessDeep((await ask(options, "reload", args)) as ReloadResult);
  if (options.json) printJson(result);
  else print(renderReload(result));
  if (!result.difference) return EXIT_USAGE;
  return result.refused.length > 0 ? EXIT_FAILED : EXIT_OK;
}

async function lint(file: string, options: Options): Promise<number> {
  let octets: Uint8Array;
  try {
    octets = readFileSync(file);
  } catch (error) {
    throw new WrongUsage(`${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
  const report = await meanwhile({ ...options, atOnce: true }, `lint ${file}`, async () => {
    // binaryen is a second's load: only who lints needs it.
    const { lintModule } = await import("../image/lint.ts");
    return lintModule(octets);
  });
  const { errors, warnings, manifest, features, ram } = report;
  if (options.json) printJson({ ok: errors.length === 0, errors, warnings, manifest, features, ram });
  else {
    for (const error of errors) print(`${file}: ${error}\n`);
    for (const warning of warnings) print(`${file}: warning: ${warning}\n`);
    if (errors.length === 0) print(`${file}: ok\n`);
  }
  return errors.length === 0 ? EXIT_OK : EXIT_FAILED;
}

/** 0 when the packet would reach whom it is for, 1 when it would be dropped. */
async function explain(word: string | undefined, options: Options & PacketWords & { from?: string }): Promise<number> {
  let packet: Uint8Array;
  try {
    packet = packetOfWords(word, options);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    throw new WrongUsage(error.message);
  }
  const args = {
    packet: Buffer.from(packet).toString("hex"),
    ...(options.from === undefined ? {} : { from: options.from }),
  };
  const explanation = harmlessDeep((await ask(options, "explain", args)) as PacketExplanation);
  if (options.json) printJson(explanation);
  else print(renderExplanation(explanation));
  return explanation.verdict === "dropped" ? EXIT_FAILED : EXIT_OK;
}

/** Follows, and where somebody looks says that it waits until the first line comes. `tell` gets what came, made harmless. */
const followLines = (
  options: Options,
  what: string,
  tell: (told: unknown) => void,
  more: FollowOptions,
): Promise<void> =>
  meanwhile(options, `waiting for ${what}; Ctrl-C ends it`, async (_say, hide) => {
    const show = (told: unknown): void => {
      hide();
      tell(harmlessDeep(told));
    };
    await follow(socketPath(options.socket), show, more);
  });

/** A number of lines to show; without one all that come. */
function countOf(count: string | undefined, what: string): number {
  const value = count === undefined ? Infinity : Number(count);
  if (!(value >= 1)) throw new WrongUsage(`--count wants a number of ${what}`);
  return value;
}

/** Until it is stopped, or --count events were shown. */
async function events(options: Options & { count?: string }): Promise<number> {
  const count = countOf(options.count, "events");
  const enough = new AbortController();
  let shown = 0;
  const tell = (told: unknown): void => {
    if (shown === count) return;
    if (options.json) printJson(told, true);
    else print(`${renderEvent(told as GatewayEvent)}\n`);
    if (++shown === count) enough.abort();
  };
  await followLines(options, "events", tell, { signal: enough.signal });
  return EXIT_OK;
}

/** What was logged last; with --follow what is logged from then on, too, until it is stopped or --count records were shown. */
async function showLog(options: Options & LogWords): Promise<number> {
  const { slot, area, level, follow: goesOn } = options;
  const count = countOf(options.count, "records");
  const args = { ...(slot === undefined ? {} : { slot: Number(slot) }), area, level };
  const enough = new AbortController();
  let shown = 0;
  const tell = (told: unknown): void => {
    if (shown === count) return;
    const record = told as LogRecord;
    if (options.json) printJson(record, true);
    else print(`${renderRecord(record)}\n`);
    if (++shown === count) enough.abort();
  };
  if (goesOn)
    await followLines(options, "records", tell, {
      command: "follow-log",
      args: { ...args, recent: true },
      signal: enough.signal,
    });
  else for (const record of harmlessDeep((await ask(options, "log", args)) as LogRecord[])) tell(record);
  return EXIT_OK;
}

type LogWords = Partial<Record<"slot" | "area" | "level" | "count", string>> & { follow?: boolean };

/** The command's version, and that of the gateway that runs; there need not be one. */
async function versions(options: Options): Promise<number> {
  let gateway: ControlVersion | null = null;
  try {
    gateway = harmlessDeep((await ask(options, "version")) as ControlVersion);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
  }
  const result: VersionResult = { version: softwareVersion(), protocol: CONTROL_PROTOCOL, gateway };
  if (options.json) printJson(result);
  else {
    const running = gateway ? `${gateway.version}, protocol ${gateway.protocol}` : "none answers";
    print(`cardcage ${result.version}, protocol ${result.protocol}\ngateway: ${running}\n`);
  }
  return EXIT_OK;
}

/** Until it is stopped, or --count packets were shown. */
async function trace(words: readonly string[], options: Options & { walk?: boolean; count?: string }): Promise<number> {
  const count = countOf(options.count, "packets");
  const enough = new AbortController();
  let shown = 0;
  const tell = (told: unknown): void => {
    if (shown === count) return;
    const packet = told as TracedPacket;
    const { time, missed, explanation } = packet;
    if (options.json) printJson(packet, true);
    else {
      if (missed > 0) print(`${missed} packets were not looked at\n`);
      const at = new Date(time * 1000).toISOString();
      print(`${at}  ${renderVerdict(explanation)}\n${options.walk ? `${renderExplanation(explanation)}\n` : ""}`);
    }
    if (++shown === count) enough.abort();
  };
  await followLines(options, "packets", tell, {
    command: "trace",
    args: { filter: words },
    signal: enough.signal,
  });
  return EXIT_OK;
}

/** What a board says from now on, until it is stopped, or --count lines were shown. */
async function showConsole(word: string, options: Options & { packets?: boolean; count?: string }): Promise<number> {
  const slot = Number(word);
  const count = countOf(options.count, "lines");
  const enough = new AbortController();
  let shown = 0;
  const tell = (told: unknown): void => {
    if (shown === count) return;
    const line = told as ConsoleLine;
    if (options.json) printJson(line, true);
    else print(renderConsoleLine(line));
    if (++shown === count) enough.abort();
  };
  const args = { slot, packets: options.packets === true };
  await followLines(options, `slot ${slot}`, tell, { command: "console", args, signal: enough.signal });
  return EXIT_OK;
}

const CONTROL_OPTION = ["--socket <path>", "the gateway's control socket"] as const;

/** Builds the command line; `done` is told the exit code of what ran. */
export function program(done: (code: number) => void): Command {
  const root = new Command("cardcage")
    .description("an IPsec security gateway as a card cage of WebAssembly boards")
    .version(softwareVersion())
    .exitOverride()
    // What was typed is quoted in errors.
    .configureOutput({ writeErr: (text) => complain(text.replace(/\n$/, "")) })
    .showHelpAfterError("(cardcage --help tells the commands)")
    .addHelpText(
      "after",
      `
Exit codes:
  ${EXIT_OK}  done
  ${EXIT_FAILED}  the operation failed
  ${EXIT_USAGE}  the command line or the configuration is wrong
  ${EXIT_UNREACHABLE}  no gateway answers at the control socket`,
    );
  const json = (command: Command): Command => command.option("--json", "JSON instead of text");
  const status = <T>(name: string, description: string, render: (result: T) => string): void => {
    json(root.command(name).description(description))
      .option(...CONTROL_OPTION)
      .action(async (options: Options) => done(await show(name, options, render)));
  };
  const operation = (name: string, description: string, render: (result: never) => string): Command =>
    json(root.command(name).description(description).argument("<name>", "a child or a connection"))
      .option(...CONTROL_OPTION)
      .option("--timeout <seconds>", "how long to wait for the outcome", "30")
      .action(async (target: string, options: Options) => {
        const timeout = Number(options.timeout);
        if (!(timeout > 0)) throw new WrongUsage("--timeout wants seconds");
        const args = { name: target, timeout, ...(options.ike ? { ike: true } : {}) };
        done(await show(name, options, render, args, `${name} ${target}`));
      });

  json(
    root.command("up").description("run a gateway in the foreground until SIGTERM; with --json its log is JSON lines"),
  )
    .argument("<file>", "configuration in swanctl.conf's syntax")
    .option(...CONTROL_OPTION)
    .action(async (file: string, options: Options) => {
      // The NICs load native code: only who runs a gateway needs it.
      const { up } = await import("./up.ts");
      done(await up(file, socketPath(options.socket), options));
    });
  json(root.command("shelf").description("house IPsec boards of gateways elsewhere, until SIGTERM"))
    .option("--listen <place>", "the address, and port for TCP and UDP, that gateways reach it at")
    .option("--key-file <file>", "the key that it shares with the gateways (shelf_key there)")
    .option("--boards <number>", "how many boards it has room for", "4")
    .option("--ram <mib>", "RAM that a board may have", "1024")
    .option("--generate-key <file>", "write a new key into a file, and do nothing else")
    .action(async (options: ShelfWords) => done(await runShelf(options)));
  json(root.command("version").description("the versions of this command and of the gateway that runs"))
    .option(...CONTROL_OPTION)
    .action(async (options: Options) => done(await versions(options)));
  json(root.command("check").description("check a configuration without touching anything").argument("<file>")).action(
    async (file: string, options: Options) => {
      // Certificates and keys are read with packages that take longer to load than any other command runs.
      const { check } = await import("./check.ts");
      done(check(file, options));
    },
  );
  json(
    root.command("reload").description("have a gateway that runs take a configuration over, and show the difference"),
  )
    .argument("[file]", "the configuration (default: the file that the gateway was started with)")
    .option("--dry-run", "show the difference alone")
    .option(...CONTROL_OPTION)
    .action(async (file: string | undefined, options: Options & { dryRun?: boolean }) =>
      done(await reload(file, options)),
    );
  json(root.command("lint").description("check that a WebAssembly module is a board").argument("<file>")).action(
    async (file: string, options: Options) => done(await lint(file, options)),
  );
  status("sas", "IKE_SAs and CHILD_SAs, and the boards that they are on", ({ sas, link }: SasResult) =>
    renderSas(sas, link),
  );
  status<BoardsStatus>("boards", "slots, boards, their state and counters", renderBoards);
  json(root.command("chassis").description("slots, boards, lamps, links and alarms"))
    .addArgument(new Argument("<action>", "what to do").choices(["show"]))
    .option(...CONTROL_OPTION)
    .action(async (_action: string, options: Options) => done(await show("boards", options, renderBoards)));
  json(
    root.command("slot").description("what is done with a board: its SAs go to the others first, and nothing is lost"),
  )
    .argument("<number>", "the slot")
    .addArgument(
      new Argument("<action>", "what to do; online and restart end a crash loop").choices([
        "offline",
        "online",
        "restart",
        "eject",
        "insert",
      ]),
    )
    .argument("[image]", "of insert: a board's name, or the file of an image")
    .option("--force", "though some of its CHILD_SAs have no other board")
    .option(...CONTROL_OPTION)
    .action(async (slot: string, action: string, image: string | undefined, options: Options) => {
      const render = ({ state, reason }: { state: string; reason: string }): string =>
        `slot ${slot}: ${state}${reason === "" ? "" : ` (${reason})`}\n`;
      const args = { slot: Number(slot), action, image, force: options.force };
      done(await show("slot", options, render, args, `slot ${slot} ${action}`));
    });
  json(root.command("console").description("what the board in a slot writes to its console, until it is stopped"))
    .argument("<slot>", "the slot, whichever board is or comes in it")
    .option("--packets", "the steps of every packet, too; the board is slower meanwhile")
    .option("--count <lines>", "end after so many")
    .option(...CONTROL_OPTION)
    .action(async (slot: string, options: Options & { packets?: boolean; count?: string }) =>
      done(await showConsole(slot, options)),
    );
  json(root.command("fault").description("let something go wrong, where the configuration allows it (faults = yes)"))
    .addArgument(
      new Argument("[kind]", "of a slot, of the chassis (bus, element), or clear; without: what stands").choices([
        ...FAULT_KINDS,
        "clear",
      ]),
    )
    .argument("[slot]", "of those that are a slot's")
    .option("--seconds <s>", "how long (default: until cleared)")
    .option("--lose <p>", "bus, descriptors, element: probability of a loss")
    .option("--duplicate <p>", "bus, descriptors: that it comes twice")
    .option("--reorder <p>", "bus: that the next one overtakes")
    .option("--flip <p>", "bus: that a bit flips")
    .option("--seed <n>", "of the chances")
    .option("--rate <r>", "clock: seconds in a second")
    .option("--ahead <s>", "clock: jump ahead")
    .option("--delay <ms>", "element: how much later it answers")
    .option(...CONTROL_OPTION)
    .action(async (kind: string | undefined, slot: string | undefined, options: Options & FaultWords) => {
      const { seconds, lose, duplicate, reorder, flip, seed, rate, ahead, delay } = options;
      const words = { slot, seconds, lose, duplicate, reorder, flip, seed, rate, ahead, delayMs: delay };
      const args: Record<string, unknown> = kind === undefined ? {} : { kind };
      for (const [name, word] of Object.entries(words)) {
        if (word === undefined) continue;
        if (word === "" || !Number.isFinite(Number(word))) throw new WrongUsage(`${name}: a number`);
        args[name] = Number(word);
      }
      done(await show("fault", options, renderInjected, args));
    });
  json(root.command("rebalance").description("spread the CHILD_SAs over the boards anew, without loss"))
    .option(...CONTROL_OPTION)
    .action(async (options: Options) => done(await show("rebalance", options, () => "the IKE board has been told\n")));
  status<DropsStatus>("drops", "dropped packets by slot and reason, what it means and what to do", renderDrops);
  status<ConnectionStatus[]>("connections", "configured connections and their last failure", renderConnections);
  status<PolicyStatus[]>("policies", "the SPD in its order: what is protected, bypassed and discarded", renderPolicies);
  status<PoolStatus[]>("pools", "pools of virtual IPs and their leases", renderPools);
  operation(
    "initiate",
    "negotiate a child, or all of a connection",
    (result: { installed: string[] } | { established: string }) =>
      "established" in result ? `${result.established}: established\n` : `${result.installed.join(", ")}: installed\n`,
  ).option("--ike", "the IKE_SA of a connection alone, without a child (RFC 6023)");
  operation(
    "rekey",
    "rekey a child's SA, or a connection's IKE_SA",
    ({ rekeyed }: { rekeyed: string }) => `${rekeyed}: rekeyed\n`,
  );
  operation(
    "terminate",
    "delete SAs at both ends",
    ({ terminated }: { terminated: string }) => `${terminated}: terminated\n`,
  );
  json(root.command("redirect").description("send peers to another gateway (RFC 5685)"))
    .argument("<peer>", "a connection, #unique-id, the peer's address or its identity")
    .argument("<gateway>", "the other gateway's address or name")
    .option(...CONTROL_OPTION)
    .action(async (name: string, gateway: string, options: Options) => {
      const render = (result: { redirected: string }): string => `${result.redirected}: redirected to ${gateway}\n`;
      done(await show("redirect", options, render, { name, gateway }));
    });
  json(root.command("explain").description("what would become of a packet, and why"))
    .argument("[packet]", "hexadecimal from its IP header on, or a capture file (pcap, pcapng)")
    .option("--frame <number>", "which one of the file's frames, from 1 on (default: 1)")
    .addOption(
      new Option("--from <side>", "where it comes from (default: by what the packet is)").choices([
        "protected",
        "unprotected",
      ]),
    )
    .option("--src <address>", "instead of a packet: where it is from")
    .option("--dst <address>", "where it goes to")
    .option("--proto <name>", "udp, tcp, icmp, icmpv6, sctp, esp, ah, or a number")
    .option("--sport <port>", "its source port")
    .option("--dport <port>", "its destination port")
    .option("--icmp-type <type>", "its ICMP or ICMPv6 type (default: an echo request)")
    .option("--size <octets>", "of the whole packet")
    .option("--df", "not to be fragmented")
    .option(...CONTROL_OPTION)
    .action(async (word: string | undefined, options: Options & PacketWords & { from?: string }) =>
      done(await explain(word, options)),
    );
  json(root.command("trace").description("what becomes of live packets, a line each"))
    .argument("[filter...]", "src, dst, host, net, port, proto, spi, slot, from SIDE, dropped; all must hold")
    .option("--walk", "each with every step of its way")
    .option("--count <packets>", "end after so many")
    .option(...CONTROL_OPTION)
    .action(async (words: string[], options: Options & { walk?: boolean; count?: string }) =>
      done(await trace(words, options)),
    );
  json(
    root.command("capture").description("all packets of a running gateway into one pcapng file, each with its verdict"),
  )
    .addArgument(new Argument("<action>", "what to do").choices(["start", "stop", "show"]))
    .option("-o, --output <file>", "of start: where to; a new file, the gateway writes it")
    .option("--limit <octets>", "of start: the file's size at most (default: 1 GiB)")
    .option("--keys <directory>", "of start: WRITES KEYS of ESP and IKE down for Wireshark, where key_export = yes")
    .option(...CONTROL_OPTION)
    .action(async (action: string, options: Options & { output?: string; limit?: string; keys?: string }) => {
      const { output, limit, keys } = options;
      if ((action === "start") !== (output !== undefined)) throw new WrongUsage("capture start -o FILE; stop; show");
      const file = output === undefined ? undefined : resolve(output);
      const args = {
        action,
        file,
        limit: limit === undefined ? undefined : Number(limit),
        keys: keys === undefined ? undefined : resolve(keys),
      };
      done(await show("capture", options, renderCapture, args));
      if (keys !== undefined)
        complain(
          `warning: the keys of ESP and IKE are written down in ${resolve(keys)}: whoever has them reads all that they protect`,
        );
    });
  json(root.command("log").description("what a running gateway has logged last"))
    .option("-f, --follow", "and what it logs from now on")
    .option("--slot <number>", "about this slot alone")
    .addOption(new Option("--area <area>", "of this area alone").choices(AREAS))
    .addOption(
      new Option("--level <level>", "this urgent or more").choices(LEVELS.filter((level) => level !== "silent")),
    )
    .option("--count <records>", "end after so many")
    .option(...CONTROL_OPTION)
    .action(async (options: Options & LogWords) => done(await showLog(options)));
  json(root.command("events").description("follow what happens, a line each"))
    .option("--count <events>", "end after so many")
    .option(...CONTROL_OPTION)
    .action(async (options: Options & { count?: string }) => done(await events(options)));
  json(root.command("top").description("boards, SAs, what passes and what is dropped, again and again; q ends it"))
    .option("--interval <seconds>", "from one glance to the next", "1")
    .option("--count <glances>", "end after so many (default: on a terminal none, elsewhere one)")
    .option(...CONTROL_OPTION)
    .action(async (options: Options & { interval: string; count?: string }) => {
      const interval = Number(options.interval);
      if (!(interval >= 1 && interval <= WATCH_INTERVAL_MAX))
        throw new WrongUsage(`--interval wants seconds from 1 to ${WATCH_INTERVAL_MAX}`);
      const count = countOf(options.count, "glances");
      await top(socketPath(options.socket), { json: options.json === true, interval, count });
      done(EXIT_OK);
    });
  addImageCommands(root, done);
  json(root.command("completion").description("a script that completes this command line in a shell"))
    .addArgument(new Argument("<shell>", "whose").choices(SHELLS))
    .action((shell: Shell, options: Options) => {
      const script = completionScript(root, shell);
      if (options.json) printJson({ shell, script });
      // For a shell, not for people: nothing is escaped or painted.
      else process.stdout.write(script);
      done(EXIT_OK);
    });
  return root;
}

interface ShelfWords {
  listen?: string;
  keyFile?: string;
  boards: string;
  ram: string;
  generateKey?: string;
  json?: boolean;
}

async function runShelf({ listen, keyFile, generateKey, json = false, ...numbers }: ShelfWords): Promise<number> {
  const { generateShelfKey, shelf } = await import("./shelf.ts");
  if (generateKey !== undefined) return generateShelfKey(generateKey, json);
  if (listen === undefined || keyFile === undefined)
    throw new WrongUsage("a shelf wants --listen ADDRESS:PORT and --key-file FILE");
  let place: { host: string; port: number };
  try {
    place = shelfPlace(listen, 0);
  } catch (error) {
    throw new WrongUsage(`--listen: ${(error as Error).message}`);
  }
  if (isIP(place.host) === 0) throw new WrongUsage(`--listen: '${place.host}' is no address of this machine`);
  const [boards, ram] = [Number(numbers.boards), Number(numbers.ram)];
  if (!(Number.isInteger(boards) && boards >= 1 && boards <= 64))
    throw new WrongUsage("--boards wants a number from 1 to 64");
  if (!(Number.isInteger(ram) && ram >= 1 && ram <= 4096)) throw new WrongUsage("--ram wants MiB, from 1 to 4096");
  return shelf({ ...place, keyFile, boards, ram, json });
}

type FaultWords = Partial<
  Record<"seconds" | "lose" | "duplicate" | "reorder" | "flip" | "seed" | "rate" | "ahead" | "delay", string>
>;

/** Runs one command line (without node and script); the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  // What cannot be parsed may still say that a program reads the answer.
  const json = words.includes("--json");
  try {
    await program((result) => (code = result)).parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has told the user already.
      if (error.exitCode === 0) return EXIT_OK;
      if (json) printJson(failure("usage", error.message.replace(/^error: /, "")));
      return EXIT_USAGE;
    }
    if (error instanceof WrongUsage) {
      if (json) printJson(failure("usage", error.message));
      else complain(`error: ${error.message}`);
      return EXIT_USAGE;
    }
    if (error instanceof UnreachableError) {
      if (json) printJson(failure("unreachable", error.message));
      else complain(`cardcage: ${error.message}`);
      return EXIT_UNREACHABLE;
    }
    if (error instanceof RefusedError) {
      if (json) printJson(failure(error.code, error.message));
      else complain(`cardcage: ${error.message}`);
      return error.code === "failed" ? EXIT_FAILED : EXIT_USAGE;
    }
    throw error;
  }
}
