/**
 * The `cardcage` command: runs a gateway, checks what it would run on, asks one that runs.
 *
 * Exit codes are those of exit.ts. Every command that shows something shows it as JSON with --json. What peers say of themselves
 * arrives here escaped already; keys and secrets do not arrive at all.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import type { BoardsStatus } from "../operator/gateway.ts";
import { type PacketExplanation, renderExplanation, renderVerdict } from "../operator/explain.ts";
import { renderError } from "../operator/configuration/configuration.ts";
import { follow, RefusedError, request, UnreachableError } from "../operator/control_client.ts";
import type { DropsStatus } from "../operator/drops.ts";
import type { GatewayEvent } from "../operator/gateway.ts";
import type { ConnectionStatus } from "../operator/management.ts";
import type { PolicyStatus } from "../operator/policies.ts";
import { type PoolStatus, renderPools } from "../operator/pools.ts";
import { type ConnectionSas, renderSas } from "../operator/sas.ts";
import type { TracedPacket } from "../operator/trace.ts";
import { readConfiguration, tellProblems } from "./configuration_file.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE } from "./exit.ts";
import { addImageCommands } from "./image.ts";
import { PacketError, packetOfWords, type PacketWords } from "./packet.ts";
import { renderBoards, renderInjected, renderConnections, renderDrops, renderEvent, renderPolicies } from "./render.ts";
import { socketPath } from "./socket_path.ts";

interface Options {
  json?: boolean;
  socket?: string;
  timeout?: string;
  ike?: boolean;
  force?: boolean;
}

const print = (text: string): void => void process.stdout.write(text);
const printJson = (value: unknown): void => print(`${JSON.stringify(value, null, 2)}\n`);

const version = (): string =>
  (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;

/** A command that asks the gateway and shows its answer. */
async function show(
  command: string,
  options: Options,
  render: (result: never) => string,
  args: object = {},
): Promise<number> {
  const result = await request(socketPath(options.socket), command, args);
  if (options.json) printJson(result);
  else print(render(result as never));
  return EXIT_OK;
}

function check(file: string, options: Options): number {
  const checked = readConfiguration(file);
  const { configuration, errors, warnings } = checked;
  if (options.json) {
    const plain = [...errors, ...warnings].map((problem) => ({ ...problem, text: renderError(problem) }));
    printJson({ ok: configuration !== undefined, problems: plain });
  } else {
    tellProblems(checked);
    if (configuration) {
      const { connections, chassis } = configuration;
      const boards = chassis.slots.map(({ slot, board }) => `${slot} ${board}`).join(", ");
      print(`${file}: ok: ${connections.length} connections, slots ${boards}, ${chassis.link} links\n`);
    }
  }
  return configuration ? EXIT_OK : EXIT_USAGE;
}

async function lint(file: string, options: Options): Promise<number> {
  // binaryen is a second's load: only who lints needs it.
  const { lintModule } = await import("../image/lint.ts");
  let octets: Uint8Array;
  try {
    octets = readFileSync(file);
  } catch (error) {
    process.stderr.write(`${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}\n`);
    return EXIT_USAGE;
  }
  const { errors, warnings, manifest, features, ram } = lintModule(octets);
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
    process.stderr.write(`error: ${error.message}\n`);
    return EXIT_USAGE;
  }
  const args = {
    packet: Buffer.from(packet).toString("hex"),
    ...(options.from === undefined ? {} : { from: options.from }),
  };
  const explanation = (await request(socketPath(options.socket), "explain", args)) as PacketExplanation;
  if (options.json) printJson(explanation);
  else print(renderExplanation(explanation));
  return explanation.verdict === "dropped" ? EXIT_FAILED : EXIT_OK;
}

async function events(options: Options): Promise<number> {
  await follow(socketPath(options.socket), (event) =>
    print(`${options.json ? JSON.stringify(event) : renderEvent(event as GatewayEvent)}\n`),
  );
  return EXIT_OK;
}

/** Until it is stopped, or --count packets were shown. */
async function trace(words: readonly string[], options: Options & { walk?: boolean; count?: string }): Promise<number> {
  const count = options.count === undefined ? Infinity : Number(options.count);
  if (!(count >= 1)) throw new CommanderError(EXIT_USAGE, "timeout", "--count wants a number of packets");
  const enough = new AbortController();
  let shown = 0;
  const tell = (told: unknown): void => {
    if (shown === count) return;
    const { time, missed, explanation } = told as TracedPacket;
    if (options.json) print(`${JSON.stringify(told)}\n`);
    else {
      if (missed > 0) print(`${missed} packets were not looked at\n`);
      const at = new Date(time * 1000).toISOString();
      print(`${at}  ${renderVerdict(explanation)}\n${options.walk ? `${renderExplanation(explanation)}\n` : ""}`);
    }
    if (++shown === count) enough.abort();
  };
  await follow(socketPath(options.socket), tell, { command: "trace", args: { filter: words }, signal: enough.signal });
  return EXIT_OK;
}

const CONTROL_OPTION = ["--socket <path>", "the gateway's control socket"] as const;

/** Builds the command line; `done` is told the exit code of what ran. */
function program(done: (code: number) => void): Command {
  const root = new Command("cardcage")
    .description("an IPsec security gateway as a card cage of WebAssembly boards")
    .version(version())
    .exitOverride()
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
        if (!(timeout > 0)) throw new CommanderError(EXIT_USAGE, "timeout", "--timeout wants seconds");
        done(await show(name, options, render, { name: target, timeout, ...(options.ike ? { ike: true } : {}) }));
      });

  root
    .command("up")
    .description("run a gateway in the foreground until SIGTERM")
    .argument("<file>", "configuration in swanctl.conf's syntax")
    .option(...CONTROL_OPTION)
    .action(async (file: string, options: Options) => {
      // The NICs load native code: only who runs a gateway needs it.
      const { up } = await import("./up.ts");
      done(await up(file, socketPath(options.socket)));
    });
  json(root.command("check").description("check a configuration without touching anything").argument("<file>")).action(
    (file: string, options: Options) => done(check(file, options)),
  );
  json(root.command("lint").description("check that a WebAssembly module is a board").argument("<file>")).action(
    async (file: string, options: Options) => done(await lint(file, options)),
  );
  status("sas", "IKE_SAs and CHILD_SAs, and the boards that they are on", ({ sas, link }: SasResult) =>
    renderSas(sas, link),
  );
  status<BoardsStatus>("boards", "slots, boards, their state and counters", renderBoards);
  json(root.command("chassis").description("slots, boards, lamps, links and alarms"))
    .argument("<action>", "show")
    .option(...CONTROL_OPTION)
    .action(async (action: string, options: Options) => {
      if (action !== "show") throw new CommanderError(EXIT_USAGE, "chassis", `chassis show, not ${action}`);
      done(await show("boards", options, renderBoards));
    });
  json(
    root.command("slot").description("what is done with a board: its SAs go to the others first, and nothing is lost"),
  )
    .argument("<number>", "the slot")
    .argument("<action>", "offline, online, restart, eject or insert; online and restart end a crash loop")
    .argument("[image]", "of insert: a board's name, or the file of an image")
    .option("--force", "though some of its CHILD_SAs have no other board")
    .option(...CONTROL_OPTION)
    .action(async (slot: string, action: string, image: string | undefined, options: Options) => {
      const render = ({ state, reason }: { state: string; reason: string }): string =>
        `slot ${slot}: ${state}${reason === "" ? "" : ` (${reason})`}\n`;
      done(await show("slot", options, render, { slot: Number(slot), action, image, force: options.force }));
    });
  json(root.command("fault").description("let something go wrong, where the configuration allows it (faults = yes)"))
    .argument(
      "[kind]",
      "trap, hang, link, stall, clock, descriptors (of a slot); bus; element; clear; without: what stands",
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
        if (word === "" || !Number.isFinite(Number(word)))
          throw new CommanderError(EXIT_USAGE, "fault", `${name}: a number`);
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
    .option("--from <side>", "protected or unprotected (default: by what the packet is)")
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
  json(root.command("events").description("follow what happens, a line each"))
    .option(...CONTROL_OPTION)
    .action(async (options: Options) => done(await events(options)));
  addImageCommands(root, done);
  return root;
}

type FaultWords = Partial<
  Record<"seconds" | "lose" | "duplicate" | "reorder" | "flip" | "seed" | "rate" | "ahead" | "delay", string>
>;

interface SasResult {
  sas: ConnectionSas[];
  link: string;
}

/** Runs one command line (without node and script); the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  try {
    await program((result) => (code = result)).parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has told the user already, but for our own.
      if (["timeout", "chassis", "fault"].includes(error.code)) process.stderr.write(`error: ${error.message}\n`);
      return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    }
    if (error instanceof UnreachableError) {
      process.stderr.write(`cardcage: ${error.message}\n`);
      return EXIT_UNREACHABLE;
    }
    if (error instanceof RefusedError) {
      process.stderr.write(`cardcage: ${error.message}\n`);
      return error.code === "failed" ? EXIT_FAILED : EXIT_USAGE;
    }
    throw error;
  }
}
