/**
 * The PSK scenarios of an external interop harness, with our gateway in place of one of its two strongSwans. Of the harness
 * are used `up.sh`, `ctl.sh`, `down.sh`, its namespaces <prefix>-gwA, -gwB, -hostA, -hostB, the rendered mirror.conf, and
 * the `#check` lines of scenarios/NAME.conf, which say what must hold after the initiation.
 *
 * Only scenarios within our suites are in the list; one that the harness lacks is a failure, not a pass. A check line that
 * cannot be translated fails the scenario.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Cardcage } from "./cardcage.ts";
import { renderCage } from "./connection.ts";
import { AUTHENTICATION_FAILED } from "./endpoint.ts";
import { Failure, expect, run, stopAll, until } from "./process.ts";
import type { Finished } from "./process.ts";
import { readPing } from "./traffic.ts";

interface Scenario {
  name: string;
  /** The roles that we can take. */
  roles: readonly ("initiator" | "responder")[];
}

const BOTH = ["initiator", "responder"] as const;

/** PEER_IKE and PEER_ESP of the psk-custom scenario come with the suite. */
const SCENARIOS: (Scenario & { env?: object; label?: string })[] = [
  { name: "psk-aes128gcm16-x25519", roles: BOTH },
  {
    name: "psk-custom",
    label: "psk-custom aes256gcm16-prfsha384-ecp256",
    roles: BOTH,
    env: { PEER_IKE: "aes256gcm16-prfsha384-ecp256", PEER_ESP: "aes256gcm16" },
  },
  {
    name: "psk-custom",
    label: "psk-custom aes128gcm16-prfsha256-ecp256",
    roles: BOTH,
    env: { PEER_IKE: "aes128gcm16-prfsha256-ecp256", PEER_ESP: "aes256gcm16" },
  },
  { name: "neg-wrong-psk", roles: BOTH },
  { name: "child-pfs", roles: BOTH },
];

class Run {
  private readonly env: object;

  constructor(
    private readonly harness: string,
    private readonly scenario: string,
    readonly ours: "A" | "B",
    readonly prefix: string,
    readonly directory: string,
    env: object,
  ) {
    this.env = { ...env, PEER_PREFIX: prefix, PEER_RUN: directory, PEER_LOG: "debug" };
  }

  get theirs(): "A" | "B" {
    return this.ours === "A" ? "B" : "A";
  }

  script(name: string, ...words: string[]): Promise<Finished> {
    return run(join(this.harness, name), words, { env: this.env, seconds: 60 });
  }

  up(): Promise<Finished> {
    return this.ours === "A" ? this.script("up.sh", this.scenario) : this.script("up.sh", "-r", this.scenario);
  }

  log(): string {
    const path = join(this.directory, this.theirs, "charon.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  ping(words: readonly string[]): Promise<Finished> {
    return run("ip", ["netns", "exec", `${this.prefix}-hostA`, "ping", "-q", "-W", "1", ...words], { seconds: 120 });
  }
}

/** The values of a `#key value` line, in the order of the file. */
function meta(file: string, key: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`#${key} `))
    .map((line) => line.slice(key.length + 2));
}

/** A pattern of grep -E or -P as a regular expression of ours. */
function matches(text: string, pattern: string): boolean {
  return new RegExp(pattern).test(text);
}

async function control(at: Run, gateway: Cardcage, side: string, words: readonly string[]): Promise<Finished> {
  if (side === at.theirs) return at.script("ctl.sh", side, ...words);
  const name = words.at(-1) ?? "";
  switch (words[0]) {
    case "--initiate":
      return gateway.initiate(name);
    case "--rekey":
      return gateway.rekey(name);
    case "--terminate":
      return gateway.terminate(name);
    default:
      throw new Failure(`ctl ${side} ${words.join(" ")}: no such command of ours`);
  }
}

async function check(at: Run, gateway: Cardcage, line: string): Promise<void> {
  const [verb, ...words] = line.trim().split(/\s+/);
  const pings = async (source: string, target: string): Promise<number> => {
    const { output } = await at.ping(["-I", source === "@" ? "10.1.0.2" : source, "-c", "3", "-i", "0.2", target]);
    const { sent, received } = readPing(output);
    return sent === 0 ? -1 : received / sent;
  };
  switch (verb) {
    case "sa": {
      // Written for the responder's list; the suite and the state are the same at the other end.
      const { output } = await at.script("ctl.sh", at.theirs, "--list-sas");
      expect(matches(output.replaceAll("\n", " "), words.join(" ")), `[${line}] not in:\n${output}`);
      return;
    }
    case "ping":
      expect((await pings(words[0], words[1])) === 1, `[${line}] not all answered`);
      return;
    case "noping":
      expect((await pings(words[0], words[1])) === 0, `[${line}] answered`);
      return;
    case "wait":
      await pause(Number(words[0]) * 1000);
      return;
    case "ctl": {
      const { code, output } = await control(at, gateway, words[0], words.slice(1));
      expect(code === 0, `[${line}] ${output.trim()}`);
      return;
    }
    case "log-a":
    case "log-b":
    case "log-any": {
      const side = verb.slice(4).toUpperCase();
      // Our log has words of its own: what it must show of such a line is seen at the peer.
      const text = side === at.ours ? `${at.log()}${gateway.log()}` : at.log();
      expect(matches(text, words.join(" ")), `[${line}] not in the log`);
      return;
    }
    default:
      throw new Failure(`[${line}] is not a check that this runner knows`);
  }
}

async function play(at: Run, file: string): Promise<string> {
  const fails = meta(file, "expect").includes("fail");
  const { code, output } = await at.up();
  expect(code === 0, `up.sh: ${output.trim()}`);
  const mirror = readFileSync(join(at.directory, at.theirs, "mirror.conf"), "utf8");
  const cage = renderCage({ links: at.ours === "A" ? "ethernet" : "atm", slots: 2 });
  const gateway = new Cardcage(`${at.prefix}-gw${at.ours}`, join(at.directory, `ours-${at.ours}`), `${cage}${mirror}`);
  try {
    await gateway.start();
    const started =
      at.ours === "A"
        ? await gateway.initiate("net")
        : await at.script("ctl.sh", "A", "--initiate", "--child", "net", "--timeout", "20");
    if (fails) {
      await until("ours tells AUTHENTICATION_FAILED", 20, () => AUTHENTICATION_FAILED.test(gateway.log()));
      const { ikeSas, children, text } = await gateway.status();
      expect(ikeSas === 0 && children.length === 0, `ours has an SA that must not be:\n${text}`);
      expect(at.ours === "A" || started.code !== 0, "the initiation should have failed");
    } else {
      expect(started.code === 0, `initiate: ${started.output.trim()}`);
      await until("ours has a CHILD_SA", 20, async () => (await gateway.status()).children.length > 0);
    }
    const lines = meta(file, "check");
    for (const line of lines) await check(at, gateway, line);
    const ended = await gateway.stop();
    expect(ended === 0, `exit code ${ended}`);
    return `${lines.length} checks`;
  } catch (error) {
    const tail = (text: string): string => text.trimEnd().split("\n").slice(-40).join("\n");
    (error as Error).message += `\n--- cardcage\n${tail(gateway.log())}\n--- strongSwan\n${tail(at.log())}`;
    throw error;
  } finally {
    await gateway.stop();
  }
}

/** Runs the scenarios whose name holds every one of `words`. */
export async function runHarness(
  harness: string,
  directory: string,
  words: readonly string[],
): Promise<{ passed: number; failed: number }> {
  const tally = { passed: 0, failed: 0 };
  if (!existsSync(join(harness, "up.sh"))) throw new Error(`${harness} has no up.sh: it is no interop harness`);
  for (const { name, roles, env, label } of SCENARIOS) {
    for (const role of roles) {
      const title = `harness ${label ?? name}, ${role}`;
      if (!words.every((word) => title.includes(word))) continue;
      const began = performance.now();
      const number = tally.passed + tally.failed + 1;
      const state = join(directory, `harness-${number}`);
      mkdirSync(state, { recursive: true, mode: 0o700 });
      const at = new Run(
        harness,
        name,
        role === "initiator" ? "A" : "B",
        `cardcage-${process.pid}-h`,
        state,
        env ?? {},
      );
      try {
        const file = join(harness, "scenarios", `${name}.conf`);
        expect(existsSync(file), `the harness has no scenario ${name}`);
        const told = await play(at, file);
        tally.passed++;
        console.log(`ok    ${title}  (${told}; ${((performance.now() - began) / 1000).toFixed(1)} s)`);
      } catch (error) {
        tally.failed++;
        console.log(`FAIL  ${title}\n      ${(error as Error).message.split("\n").join("\n      ")}`);
      } finally {
        await stopAll();
        await at.script("down.sh", "-k");
      }
    }
  }
  const unknown = readdirSync(join(harness, "scenarios"))
    .filter((file) => file.endsWith(".conf") && !SCENARIOS.some(({ name }) => `${name}.conf` === file))
    .map((file) => file.slice(0, -5));
  if (unknown.length > 0) console.log(`not run, beyond what this gateway does: ${unknown.join(" ")}`);
  return tally;
}
