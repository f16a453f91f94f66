/**
 * `npm run bench -- handshake`: how much processor a responder needs for a whole handshake, IKE_SA_INIT + IKE_AUTH + CHILD_SA.
 * The same load (handshake/load.ts) is put on this gateway and on Debian's strongSwan, turn about, each in a network namespace
 * of its own and started anew for every turn, both with ESP in user space. strongSwan logs nothing, this gateway what `up` logs.
 *
 *   --suite NAME,...    suites of handshake/initiator.ts (default: all)
 *   --count N           1000: handshakes that are measured in a turn; WARM_UP before them, whose SAs are deleted
 *   --gateways NAME,... cardcage,shared,strongSwan: shared is this gateway with all boards in one thread, which reads the NICs as well
 *   --turns N           3: the median counts
 *   --json FILE         {rows: [{suite, gateway, handshakes, cpuMilliseconds, perSecond, ratio}]}
 *
 * Needs root and what the interoperability tests need. Processor time is that of the responder's process tree while handshakes are made. What was lost
 * or refused is told, and makes the exit status 1.
 */
import { createPublicKey } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { Cardcage } from "../interop/cardcage.ts";
import { renderCage } from "../interop/connection.ts";
import { must, stopAll } from "../interop/process.ts";
import { missingStrongSwan, StrongSwan } from "../interop/strongswan.ts";
import { OUTER, removeStale, Topology } from "../interop/topology.ts";
import { type Issued, issue, writeDirectory } from "../pki/authority.ts";
import { SUITES, type Suite } from "./handshake/initiator.ts";
import type { Order, Outcome } from "./handshake/load.ts";
import { median } from "./figures/median.ts";

const LOAD = fileURLToPath(new URL("./handshake/load.ts", import.meta.url));
const PSK = "the key of a bench that protects nothing";
/** Handshakes before those that are measured: an engine compiles what is used in stages. */
const WARM_UP = 2500;
/** Fewer than the half-open IKE_SAs from which on a gateway asks everybody for a cookie: that is a round more, which not all would be measured with. */
const CONCURRENCY = 24;
/** Initiators' certificates, which take turns. */
const CERTIFICATES = 64;
/** Initiators' addresses: one source must not have all half-open IKE_SAs. */
const SOURCES = Array.from({ length: CONCURRENCY }, (_, i) => `192.0.2.${100 + i}`);

const { values } = parseArgs({
  options: {
    suite: { type: "string", default: SUITES.map(({ name }) => name).join() },
    gateways: { type: "string", default: "cardcage,shared,strongSwan" },
    count: { type: "string", default: "1000" },
    turns: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

const GATEWAYS = ["cardcage", "shared", "strongSwan"] as const;
type Name = (typeof GATEWAYS)[number];
interface Responder {
  start(): Promise<void>;
  stop(): Promise<number>;
  readonly pid: number | undefined;
}

interface Pki {
  ca: Issued;
  responder: Issued;
  initiators: { identity: string; issued: Issued }[];
}

function makePki(): Pki {
  const ca = issue({ name: "bench", ca: true });
  return {
    ca,
    responder: issue({ name: "b", san: "b.example.org" }, ca),
    initiators: Array.from({ length: CERTIFICATES }, (_, i) => {
      const identity = `peer-${i}.example.org`;
      return { identity, issued: issue({ name: `peer ${i}`, san: identity }, ca) };
    }),
  };
}

function configuration({ proposal, auth }: Suite): string {
  return `connections {
  gw {
    version = 2
    local_addrs = ${OUTER.b}
    remote_addrs = %any
    proposals = ${proposal}
    send_cert = always
    mobike = no
    unique = never
    rekey_time = 0
    local {
      auth = ${auth}
      id = b.example.org
      ${auth === "pubkey" ? "certs = b.pem" : ""}
    }
    remote {
      auth = ${auth}
      id = %any
      ${auth === "pubkey" ? "cacerts = ca.pem" : ""}
    }
    children {
      net {
        local_ts = 10.2.0.0/24
        remote_ts = 10.128.0.0/9
        esp_proposals = aes128gcm16
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-psk {
    secret = "${PSK}"
  }
}
`;
}

async function load(namespace: string, order: Order): Promise<Outcome> {
  const child = spawn("ip", ["netns", "exec", namespace, process.execPath, "--import", "tsx", LOAD], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(order));
  const told = await text(child.stdout);
  return JSON.parse(told) as Outcome;
}

interface Turn {
  cpu: number;
  milliseconds: number;
  lost: number;
}

function orderOf(suite: Suite, pki: Pki): Pick<Order, "suite" | "psk" | "credentials"> {
  if (suite.auth === "psk") return { suite: suite.name, psk: PSK, credentials: [] };
  const responder = createPublicKey(pki.responder.key).export({ type: "spki", format: "pem" }) as string;
  const credentials = pki.initiators.map(({ identity, issued }) => ({
    identity,
    certificate: Buffer.from(issued.der).toString("base64"),
    key: issued.key.export({ type: "pkcs8", format: "pem" }) as string,
    responder,
  }));
  return { suite: suite.name, credentials };
}

async function turn(topology: Topology, name: Name, suite: Suite, pki: Pki, directory: string): Promise<Turn> {
  const count = Number(values.count);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (suite.auth === "pubkey") {
    const { ca, responder } = pki;
    writeDirectory(directory, { x509: { b: responder }, x509ca: { ca }, private: { b: responder.key } });
  }
  const thread = name === "shared" ? { thread: 0, receive: "ike-board" as const } : {};
  const cage = renderCage({ links: "ethernet", slots: 2, ...thread }).replace(
    "chassis {\n",
    `chassis {\n  sa_capacity = 8192\n  ike_sa_capacity = 16384\n`,
  );
  const namespace = topology.gateway("b");
  const responder: Responder =
    name === "strongSwan"
      ? new StrongSwan(namespace, directory, configuration(suite), { unhindered: true })
      : new Cardcage(namespace, directory, `${cage}${configuration(suite)}`);
  try {
    await responder.start();
    const { pid } = responder;
    if (pid === undefined) throw new Error(`${name} is not running`);
    const from = { local: SOURCES, remote: OUTER.b, concurrency: CONCURRENCY, responder: pid };
    const order = { ...orderOf(suite, pki), ...from };
    const first = await load(topology.gateway("a"), { ...order, count: WARM_UP, first: 0, remove: true });
    const outcome = await load(topology.gateway("a"), { ...order, count, first: WARM_UP, remove: false });
    for (const [reason, times] of [...Object.entries(first.failures), ...Object.entries(outcome.failures)])
      console.error(`${name}, ${suite.name}: ${times} times: ${reason}`);
    const { cookies, cpu, milliseconds } = outcome;
    if (cookies > 0) console.error(`${name}, ${suite.name}: ${cookies} handshakes took a cookie`);
    return { cpu, milliseconds, lost: count + WARM_UP - outcome.done - first.done };
  } finally {
    await responder.stop();
  }
}

async function main(): Promise<number> {
  const suites = values.suite.split(",").map((name) => {
    const found = SUITES.find((suite) => suite.name === name);
    if (!found) throw new RangeError(`${name}: no such suite (${SUITES.map((suite) => suite.name).join(", ")})`);
    return found;
  });
  const gateways = values.gateways.split(",") as Name[];
  if (!gateways.every((name) => GATEWAYS.includes(name)))
    throw new RangeError(`--gateways wants some of ${GATEWAYS.join(", ")}`);
  const lacks = gateways.includes("strongSwan") ? missingStrongSwan() : [];
  if (process.getuid?.() !== 0) lacks.unshift("root: network namespaces need it");
  if (lacks.length > 0) {
    console.error(`the bench cannot run, missing:\n${lacks.map((line) => `  ${line}`).join("\n")}`);
    return 2;
  }
  await removeStale();
  const topology = new Topology();
  const directory = mkdtempSync(join(tmpdir(), "cardcage-bench-"));
  const count = Number(values.count);
  const rows: Record<string, string | number>[] = [];
  let lost = 0;
  try {
    await topology.up();
    for (const address of SOURCES)
      await must("ip", "-n", topology.gateway("a"), "address", "add", `${address}/32`, "dev", "wan0");
    const pki = makePki();
    for (const suite of suites) {
      const turns: Record<Name, Turn[]> = { cardcage: [], shared: [], strongSwan: [] };
      for (let i = 0; i < Number(values.turns); i++) {
        for (const name of gateways)
          turns[name].push(await turn(topology, name, suite, pki, join(directory, `${name}-${suite.name}-${i}`)));
      }
      const cpu = (name: Name): number => median(turns[name].map((one) => one.cpu)) / count;
      for (const name of gateways) {
        const rate = (count * 1000) / median(turns[name].map(({ milliseconds }) => milliseconds));
        lost += turns[name].reduce((sum, one) => sum + one.lost, 0);
        const ratio = turns.strongSwan.length > 0 ? cpu("strongSwan") / cpu(name) : NaN;
        rows.push({
          suite: suite.name,
          gateway: name,
          handshakes: count,
          cpuMilliseconds: cpu(name),
          perSecond: rate,
          ratio,
        });
        console.log(
          `${suite.name.padEnd(20)} ${name.padEnd(11)} ${cpu(name).toFixed(2)} ms of CPU a handshake, ` +
            `${rate.toFixed(0)} a second; ${ratio.toFixed(2)} of strongSwan's handshakes a second of CPU`,
        );
      }
    }
  } finally {
    await stopAll();
    await topology.down();
    rmSync(directory, { recursive: true, force: true });
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ rows }, null, 2));
  if (lost > 0) console.error(`${lost} handshakes were lost`);
  return lost > 0 ? 1 : 0;
}

process.exitCode = await main();
