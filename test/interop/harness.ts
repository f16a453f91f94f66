/**
 * The scenarios of an external interop harness, with our gateway in place of one of its two strongSwans. Of the harness
 * are used `up.sh`, `ctl.sh`, `down.sh`, its namespaces <prefix>-gwA, -gwB, -hostA, -hostB, the rendered mirror.conf, and
 * the `#check` lines of scenarios/NAME.conf, which say what must hold after the initiation.
 *
 * The list is closed: every scenario of the harness is run, or left out for a reason that is given here; one that is neither is a
 * failure, and so is one that the harness lacks, and a check line that cannot be translated. Those whose peer has its ESP from
 * Scapy (ESN, and no ESP in UDP) want Debian's python3-scapy. nft (nftables) makes the peer deaf for a moment.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { inLanes } from "../lanes.ts";
import { Cardcage } from "./cardcage.ts";
import { freshPsk, renderCage } from "./connection.ts";
import type { Retransmission } from "./connection.ts";
import { AUTHENTICATION_FAILED } from "./endpoint.ts";
import { Failure, expect, must, run, stopAll, until } from "./process.ts";
import type { Finished } from "./process.ts";
import type { Side } from "./topology.ts";
import { echoes, readPing, stream } from "./traffic.ts";

interface Scenario {
  name: string;
  /** The name that is shown, where one scenario stands for several. */
  label?: string;
  /** The roles that we can take. */
  roles: readonly Role[];
  /** PEER_IKE and PEER_ESP for psk-custom. */
  env?: object;
  /**
   * What ours must tell where the initiation has to fail; `ikeSaStays`: only the CHILD_SA is refused.
   */
  refusal?: { told: RegExp; ikeSaStays?: boolean };
  /** It mostly waits for timers: others may run meanwhile. */
  waits?: boolean;
  /** A collision of rekeys is provoked before the logs are looked at: the timers of both ends fire too far apart for one. */
  collides?: boolean;
  /** Checks that look for strongSwan's words in a log that is ours, by role. */
  except?: Partial<Record<Role, string>>;
  /** Half-open IKE_SAs that somebody leaves at our responder before: it asks for a cookie then. */
  halfOpen?: number;
  retransmission?: Retransmission;
  /** Of a ping that goes on and on nothing may be lost where we have this role; otherwise one in a hundred, as the harness has it. */
  lossless?: Role;
}

type Role = "initiator" | "responder";

const BOTH: readonly Role[] = ["initiator", "responder"];

const SCENARIOS: readonly Scenario[] = [
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
  { name: "psk-aes128-aesxcbc", roles: BOTH },
  { name: "psk-aes128-sha1-modp2048", roles: BOTH },
  { name: "psk-aes128ccm16-ecp256", roles: BOTH },
  { name: "psk-aes256-sha256-modp2048", roles: BOTH },
  { name: "psk-aes256ctr-sha384-modp3072", roles: BOTH },
  { name: "psk-aes256gcm16-ecp384", roles: BOTH },
  { name: "psk-aes256gcm16-x448", roles: BOTH },
  { name: "psk-chacha20-x25519", roles: BOTH },
  {
    name: "psk-custom",
    label: "psk-custom aes192-aescmac-prfaescmac-modp4096, null-sha256",
    roles: BOTH,
    env: { PEER_IKE: "aes192-aescmac-prfaescmac-modp4096", PEER_ESP: "null-sha256" },
  },
  { name: "psk-multi-proposal", roles: BOTH },
  { name: "esn", roles: BOTH },
  { name: "esn-cbc-sha256", roles: BOTH },
  { name: "esn-libipsec", roles: BOTH },
  { name: "esp-null", roles: BOTH },
  { name: "esp-native", roles: BOTH },
  { name: "esp-native-ipv6", roles: BOTH },
  { name: "transport", roles: BOTH },
  { name: "ah", roles: BOTH },
  { name: "ah-esn", roles: BOTH },
  { name: "neg-wrong-psk", roles: BOTH, refusal: { told: AUTHENTICATION_FAILED } },
  {
    name: "neg-no-proposal",
    roles: BOTH,
    refusal: { told: /\bNO_PROPOSAL_CHOSEN\b|\bnotify 14\b/ },
  },
  {
    name: "neg-no-child-proposal",
    roles: BOTH,
    refusal: { told: /\bNO_PROPOSAL_CHOSEN\b|\bnotify 14\b/, ikeSaStays: true },
  },
  { name: "neg-ts", roles: BOTH, refusal: { told: /\bTS_UNACCEPTABLE\b|\bnotify 38\b/, ikeSaStays: true } },
  { name: "child-pfs", roles: BOTH },
  { name: "rekey-fast", roles: BOTH, waits: true },
  { name: "rekey-collide", roles: BOTH, waits: true, collides: true },
  // Whoever initiates has no keys before the response to IKE_AUTH, and the responder may send under them before that.
  { name: "reauth-mbb", roles: BOTH, waits: true, lossless: "responder", except: { initiator: "log-a" } },
  { name: "ts-ports", roles: BOTH },
  { name: "multi-ts", roles: BOTH },
  { name: "ipv6-in-ipv4", roles: BOTH },
  { name: "ipv4-in-ipv6", roles: BOTH },
  { name: "ipv6-in-ipv6", roles: BOTH },
  { name: "nat-t", roles: BOTH, except: { responder: "log-b" } },
  { name: "cookie", roles: BOTH, except: { initiator: "log-a", responder: "log-b" }, halfOpen: 4 },
  {
    name: "dpd",
    roles: BOTH,
    waits: true,
    except: { responder: "log-b" },
    // What the scenario sets in strongswan.conf.
    retransmission: { seconds: 1, tries: 3 },
  },
  { name: "rate", roles: BOTH },
  { name: "mobike", roles: BOTH, waits: true },
  { name: "cert-ecp256", roles: BOTH },
  { name: "cert-ecp256-rfc4754", roles: BOTH },
  { name: "cert-ecp384", roles: BOTH },
  { name: "cert-ed25519", roles: BOTH },
  { name: "cert-rsa2048", roles: BOTH },
  { name: "cert-rsa3072", roles: BOTH },
  { name: "frag-cert", roles: BOTH },
  { name: "multi-child", roles: BOTH },
  { name: "ppk", roles: BOTH, except: { responder: "log-b" } },
  { name: "eap-md5", roles: BOTH },
  { name: "eap-mschapv2", roles: BOTH },
  { name: "eap-tls", roles: BOTH },
  { name: "multi-auth", roles: BOTH },
  { name: "childless", roles: BOTH, except: { responder: "log-b" } },
  { name: "vip-pool", roles: BOTH },
];

/** Scenarios that are left out, and why. */
const LEFT_OUT: Record<string, string> = {
  mlkem: "wants strongSwan 6, Debian has 5.9",
  "raw-esp": "wants strongSwan 6, Debian has 5.9",
};

/** Turns that are taken at the same time, those that mostly wait apart. */
const LANES = 3;

/** Octets of the checked TCP transfer through a suite; small enough for a peer that is a script. */
const TRANSFER_OCTETS = 300_000;

class Run {
  private readonly env: object;

  constructor(
    readonly harness: string,
    readonly scenario: string,
    readonly ours: "A" | "B",
    readonly prefix: string,
    readonly directory: string,
    env: object,
  ) {
    this.env = { PEER_PSK: freshPsk(), ...env, PEER_PREFIX: prefix, PEER_RUN: directory, PEER_LOG: "debug" };
  }

  get theirs(): "A" | "B" {
    return this.ours === "A" ? "B" : "A";
  }

  host(side: Side): string {
    return `${this.prefix}-host${side.toUpperCase()}`;
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
    return run("ip", ["netns", "exec", `${this.prefix}-hostA`, "ping", ...words], { seconds: 120 });
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

/**
 * Both ends rekey the CHILD_SA while neither hears the other, and each gets the other's request while it waits for the answer to
 * its own (RFC 7296, 2.8.1): first the peer hears our retransmission (after 2 s) and its answer is lost, then we hear the peer's
 * (after 4 s).
 */
async function collideRekeys(at: Run, gateway: Cardcage): Promise<void> {
  const nft = (words: string): Promise<string> =>
    must("ip", "netns", "exec", `${at.prefix}-gw${at.theirs}`, "nft", words);
  await nft(
    "table inet deaf { chain in { type filter hook input priority -300; iifname wan0 drop; }; }; " +
      "table inet mute { chain out { type filter hook output priority -300; oifname wan0 drop; }; }",
  );
  const both = Promise.all([gateway.renew("net"), at.script("ctl.sh", at.theirs, "--rekey", "--child", "net")]);
  await pause(1000);
  await nft("delete table inet deaf");
  await pause(2000);
  await nft("delete table inet mute");
  const [, { code, output }] = await both;
  expect(code === 0, `rekey: ${output.trim()}`);
  // The peer's own retransmission, the deletion of the redundant SA and that of the old one.
  await pause(4000);
}

/** The virtual IP that gwA has been given, as its devices have it. */
async function virtualIp(at: Run, ipv6: boolean): Promise<string | undefined> {
  const addresses = await must("ip", "-n", `${at.prefix}-gwA`, ipv6 ? "-6" : "-4", "-o", "address");
  return (ipv6 ? /fd00:c:[0-9a-f:]+/ : /10\.3\.0\.\d+/).exec(addresses)?.[0];
}

async function check(at: Run, gateway: Cardcage, line: string, lossless: boolean): Promise<void> {
  const [verb, ...words] = line.trim().split(/\s+/);
  const pings = async (source: string, target: string): Promise<number> => {
    const { output } = await at.ping([...echoes(3, 1), "-I", source === "@" ? "10.1.0.2" : source, target]);
    const { sent, received } = readPing(output);
    return sent === 0 ? -1 : received / sent;
  };
  switch (verb) {
    case "sa": {
      // Written for the responder's list; the suite and the state are the same at the other end, addresses are in ours.
      const { output } = await at.script("ctl.sh", at.theirs, "--list-sas");
      const list = at.ours === "B" ? `${output}\n${(await gateway.status()).text}` : output;
      expect(matches(list.replaceAll("\n", " "), words.join(" ")), `[${line}] not in:\n${list}`);
      return;
    }
    case "vip":
      expect((await virtualIp(at, false)) !== undefined, `[${line}] gwA has none`);
      return;
    case "ping":
      if (words[0] === "vip") {
        const source = await virtualIp(at, words[1].includes(":"));
        expect(source !== undefined, `[${line}] gwA has no virtual IP of that family`);
        const ping = ["netns", "exec", `${at.prefix}-gwA`, "ping", ...echoes(3, 1), "-I", source!];
        const { sent, received } = readPing((await run("ip", [...ping, words[1]], { seconds: 20 })).output);
        expect(sent === 3 && received === 3, `[${line}] ${received} of ${sent} answered from ${source}`);
        return;
      }
      expect((await pings(words[0], words[1])) === 1, `[${line}] not all answered`);
      return;
    case "pingfor": {
      const { output } = await at.ping([
        "-q",
        "-I",
        "10.1.0.2",
        "-w",
        words[0],
        "-i",
        "0.05",
        "-c",
        "100000",
        "10.2.0.2",
      ]);
      const { sent, received } = readPing(output);
      // The last one may be on its way when ping ends.
      const missing = lossless ? 1 : sent / 100;
      expect(sent > 100 && sent - received <= missing, `[${line}] ${received} of ${sent} answered`);
      return;
    }
    case "pathswitch": {
      const [a, b] = [`${at.prefix}-gwA`, `${at.prefix}-gwB`];
      await must("ip", "-n", a, "address", "del", "192.0.2.1/24", "dev", "wan0");
      await must("ip", "-n", a, "route", "replace", "192.0.2.0/24", "via", "198.51.100.2", "dev", "wan1");
      await must("ip", "-n", b, "route", "replace", "198.51.100.1/32", "dev", "wan1");
      return;
    }
    case "blackhole":
      await must("ip", "-n", `${at.prefix}-gwA`, "link", "set", "wan0", "down");
      return;
    case "nosa": {
      const none = async (): Promise<boolean> =>
        words[0] === at.ours
          ? (await gateway.status()).ikeSas === 0
          : !(await at.script("ctl.sh", words[0], "--list-sas")).output.includes("ESTABLISHED");
      expect(await none(), `[${line}] there is one`);
      return;
    }
    case "nochild": {
      const children = (await gateway.status()).children.length;
      const { output } = await at.script("ctl.sh", at.theirs, "--list-sas");
      expect(children === 0 && !output.includes("INSTALLED"), `[${line}] there is one`);
      return;
    }
    case "noping":
      expect((await pings(words[0], words[1])) === 0, `[${line}] answered`);
      return;
    case "fake": {
      // What the peer's key exchange told its kernel, which is another program here.
      const text = readFileSync(join(at.directory, at.theirs, "fakekernel.jsonl"), "utf8");
      expect(matches(text, words.slice(1).join(" ")), `[${line}] not in:\n${text}`);
      return;
    }
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

/** Has first messages sent that are never gone on with, the last of which is answered with a cookie. */
async function leaveHalfOpen(at: Run, count: number): Promise<void> {
  const tool = join(at.harness, "tools/ike-halfopen.py");
  const words = ["netns", "exec", `${at.prefix}-gwA`, tool, "192.0.2.2", String(count), "192.0.2.1"];
  const { output } = await run("ip", words);
  expect(output.trim().split("\n").at(-1) === "COOKIE", `half-open IKE_SAs are answered with: ${output.trim()}`);
}

async function play(at: Run, file: string, scenario: Scenario): Promise<string> {
  const { refusal, except, collides, halfOpen, lossless, retransmission } = scenario;
  const fails = meta(file, "expect").includes("fail");
  expect(fails === (refusal !== undefined), "whether the initiation has to fail is not what this runner knows");
  const { code, output } = await at.up();
  expect(code === 0, `up.sh: ${output.trim()}`);
  const mirror = readFileSync(join(at.directory, at.theirs, "mirror.conf"), "utf8");
  const role: Role = at.ours === "A" ? "initiator" : "responder";
  const links = at.ours === "A" ? "ethernet" : "atm";
  const cage = renderCage({ links, slots: 2, ...(retransmission ? { retransmission } : {}) });
  const own = join(at.directory, `ours-${at.ours}`);
  // What the harness made for this side: keys and certificates, where swanctl looks for them.
  for (const directory of ["x509", "x509ca", "private"]) {
    const made = join(at.directory, at.ours, directory);
    if (existsSync(made)) cpSync(made, join(own, directory), { recursive: true });
  }
  const gateway = new Cardcage(`${at.prefix}-gw${at.ours}`, own, `${cage}${mirror}`);
  try {
    await gateway.start();
    if (halfOpen !== undefined && at.ours === "B") await leaveHalfOpen(at, halfOpen);
    const alone = meta(file, "initiate").includes("--ike gw");
    const theirs = alone ? ["--ike", "gw"] : ["--child", "net"];
    const started =
      at.ours === "B"
        ? await at.script("ctl.sh", "A", "--initiate", ...theirs, "--timeout", "20")
        : await (alone ? gateway.initiateIke("gw") : gateway.initiate("net"));
    if (refusal !== undefined) {
      await until(`ours tells ${refusal.told}`, 20, () => refusal.told.test(gateway.log()));
      const { ikeSas, children, text } = await gateway.status();
      expect(children.length === 0, `ours has a CHILD_SA that must not be:\n${text}`);
      expect(refusal.ikeSaStays === true || ikeSas === 0, `ours has an IKE_SA that must not be:\n${text}`);
      expect(started.code !== 0, "the initiation should have failed");
    } else {
      expect(started.code === 0, `initiate: ${started.output.trim()}`);
      await until("ours has the SAs", 20, async () => {
        const { ikeSas, children } = await gateway.status();
        return ikeSas > 0 && (alone || children.length > 0);
      });
    }
    const unseen = except?.[at.ours === "A" ? "initiator" : "responder"];
    const lines = meta(file, "check").filter((line) => unseen === undefined || !line.startsWith(`${unseen} `));
    let collided = collides !== true;
    for (const line of lines) {
      if (!collided && line.startsWith("log-")) {
        collided = true;
        await collideRekeys(at, gateway);
      }
      await check(at, gateway, line, lossless === role);
    }
    expect(collided, "no place for the collision");
    // The transfer is one of IPv4.
    const carries = refusal === undefined && /^(psk|es[np])/.test(at.scenario) && !at.scenario.endsWith("-ipv6");
    if (carries) await stream(at, at.ours === "A" ? "a" : "b", at.directory, TRANSFER_OCTETS);
    const ended = await gateway.stop();
    expect(ended === 0, `exit code ${ended}`);
    return `${lines.length} checks${carries ? ", a transfer" : ""}`;
  } catch (error) {
    const tail = (text: string): string => text.trimEnd().split("\n").slice(-40).join("\n");
    (error as Error).message += `\n--- cardcage\n${tail(gateway.log())}\n--- strongSwan\n${tail(at.log())}`;
    throw error;
  } finally {
    await gateway.stop();
  }
}

/** One scenario in one role. */
interface Turn {
  scenario: Scenario;
  role: Role;
  title: string;
  file: string;
}

/** Runs the scenarios whose name holds every one of `words`; those that mostly wait run beside the others. */
export async function runHarness(
  harness: string,
  directory: string,
  words: readonly string[],
): Promise<{ passed: number; failed: number }> {
  const tally = { passed: 0, failed: 0 };
  if (!existsSync(join(harness, "up.sh"))) throw new Error(`${harness} has no up.sh: it is no interop harness`);
  const turns: Turn[] = [];
  for (const scenario of SCENARIOS) {
    const { name, roles, label } = scenario;
    const file = join(harness, "scenarios", `${name}.conf`);
    for (const role of roles) {
      const title = `harness ${label ?? name}, ${role}`;
      if (words.every((word) => title.includes(word))) turns.push({ scenario, role, title, file });
    }
  }
  let number = 0;
  const take = async ({ scenario, role, title, file }: Turn): Promise<void> => {
    const began = performance.now();
    const mine = ++number;
    const state = join(directory, `harness-${mine}`);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const ours = role === "initiator" ? "A" : "B";
    const prefix = `cardcage-${process.pid}-h${mine}`;
    const at = new Run(harness, scenario.name, ours, prefix, state, scenario.env ?? {});
    try {
      expect(existsSync(file), `the harness has no scenario ${scenario.name}`);
      const told = await play(at, file, scenario);
      tally.passed++;
      console.log(`ok    ${title}  (${told}; ${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      tally.failed++;
      console.log(`FAIL  ${title}\n      ${(error as Error).message.split("\n").join("\n      ")}`);
    } finally {
      await at.script("down.sh", "-k");
    }
  };
  try {
    const beside = turns.filter(({ scenario }) => scenario.waits === true).map(take);
    const queue = turns.filter(({ scenario }) => scenario.waits !== true);
    await inLanes(queue, LANES, take);
    await Promise.all(beside);
  } finally {
    await stopAll();
  }
  if (words.length === 0) tally.failed += tellOthers(harness);
  return tally;
}

/** Names the scenarios of the harness that are not in the list; how many of them for no reason. */
function tellOthers(harness: string): number {
  let unknown = 0;
  for (const file of readdirSync(join(harness, "scenarios"))) {
    const name = file.endsWith(".conf") ? file.slice(0, -5) : undefined;
    if (name === undefined || SCENARIOS.some((scenario) => scenario.name === name)) continue;
    const reason = LEFT_OUT[name];
    if (reason === undefined) unknown++;
    console.log(
      reason === undefined ? `FAIL  harness ${name}: neither run nor left out` : `not run  harness ${name}: ${reason}`,
    );
  }
  return unknown;
}
