/** The cases against strongSwan, and one between two gateways of ours. Each is a name and a story; side a initiates. */

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { makeKey } from "../pki/authority.ts";
import { freshPsk } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { AUTHENTICATION_FAILED, STRONGSWAN_AUTHENTICATION_FAILED } from "./endpoint.ts";
import { EAP_CASES } from "./eap.ts";
import { FAILOVER_CASES } from "./failover_cases.ts";
import { OWN_HOST_CASES } from "./own_hosts.ts";
import { POLICY_CASES } from "./policy_cases.ts";
import { expect, must, until } from "./process.ts";
import { captureWan, countMarks, countOuter } from "./capture.ts";
import { CERTIFICATE_CASES } from "./certificate_cases.ts";
import { NARROW_PATH_CASES } from "./narrow_path_cases.ts";
import { SCAPY_CASES } from "./scapy_cases.ts";
import { SHELF_CASES } from "./shelf_cases.ts";
import { SUITE_CASES } from "./suites.ts";
import { NETWORK, OUTER } from "./topology.ts";
import type { Side } from "./topology.ts";
import { TSHARK_CASES } from "./tshark_cases.ts";
import { APART, Flood, expectPing, ping, stream } from "./traffic.ts";
import { TRANSFER_OCTETS, establish, staysEmpty } from "./world.ts";
import type { World } from "./world.ts";

export interface Case {
  name: string;
  /** Without strongSwan: not part of a self check of the peer. */
  oursOnly?: boolean;
  /** With another peer than strongSwan, which wants packages of its own. */
  foreign?: boolean;
  /** Sends at a pace and counts what is lost: none runs beside it that takes all that the machine has. */
  paced?: boolean;
  /** With boards on a bench: wants neither namespaces nor strongSwan, and no root. */
  bench?: boolean;
  /** What is missing for it alone, one line each. */
  missing?: () => Promise<string[]>;
  /** Gives what is worth telling. */
  story(world: World): Promise<string>;
}

const X25519 = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" };
const ECP256 = { ike: "aes256gcm16-prfsha384-ecp256", esp: "aes256gcm16" };

function withPsk(suite: { ike: string; esp: string }): Connection {
  return { ...suite, psk: freshPsk() };
}

const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };

function megabits(result: { sent: number; seconds: number }): string {
  return `${((result.sent * 8) / result.seconds / 1e6).toFixed(0)} Mbit/s`;
}

/** Negotiate, ping both ways, 10 MB each way. */
function tunnel(side: Side, suite: { ike: string; esp: string }, links: "ethernet" | "atm"): Case {
  return {
    name: `${ROLE[side]}: ${suite.ike}, ${links}: ping and 10 MB by TCP both ways`,
    async story(world) {
      const pair = await world.pair(side, withPsk(suite), { links, slots: 2 });
      await establish(pair);
      await expectPing(world.topology);
      const there = await stream(world.topology, "a", world.directory, TRANSFER_OCTETS);
      const back = await stream(world.topology, "b", world.directory, TRANSFER_OCTETS);
      return `SHA-256 equal; a to b ${megabits(there)}, b to a ${megabits(back)}`;
    },
  };
}

/** Three rekeys of the CHILD_SA by one side while a ping flood and a TCP connection run. */
function rekey(side: Side, by: "ours" | "peer"): Case {
  return {
    name: `${ROLE[side]}: CHILD_SA rekeyed by ${by === "ours" ? "us" : "strongSwan"} under traffic`,
    paced: true,
    async story(world) {
      const pair = await world.pair(side, withPsk(X25519));
      await establish(pair);
      const flood = new Flood(world.topology, "a", world.directory);
      const transfer = stream(world.topology, "b", world.directory, 6_000_000, 500_000);
      // Awaited below; a failure in between must not go unobserved.
      transfer.catch(() => undefined);
      const actor = pair[by];
      let rekeys = 0;
      for (; rekeys < 3; rekeys++) {
        await pause(1500);
        const before = (await pair.ours.status()).children[0];
        const { code, output } = await actor.rekey("net");
        expect(code === 0, `rekey ${rekeys + 1}: ${output.trim()}`);
        for (const endpoint of [pair.ours, pair.peer]) {
          await until(`${endpoint.kind} has the new CHILD_SA alone after rekey ${rekeys + 1}`, 15, async () => {
            const { children } = await endpoint.status();
            const spis = children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]);
            return children.length === 1 && !spis.includes(before.spiIn) && !spis.includes(before.spiOut);
          });
        }
      }
      const { sent } = await transfer;
      const { sent: asked, received } = await flood.finish();
      const lost = asked - received;
      // The request that is under way when the flood is ended has no answer.
      expect(asked > 300 && lost - 1 <= asked / 100, `${received} of ${asked} echo requests answered`);
      return `${rekeys} rekeys, ${sent} octets with equal SHA-256, ${lost} of ${asked} echo requests unanswered`;
    },
  };
}

function deleteByUs(side: Side): Case {
  return {
    name: `${ROLE[side]}: SIGTERM deletes our SAs at strongSwan, exit 0`,
    async story(world) {
      const pair = await world.pair(side, withPsk(X25519));
      await establish(pair);
      const code = await pair.ours.stop();
      expect(code === 0, `exit code ${code}`);
      await staysEmpty(pair.peer, 0);
      return "the peer has no SA left";
    },
  };
}

function deleteByPeer(side: Side): Case {
  return {
    name: `${ROLE[side]}: strongSwan deletes the IKE_SA, ours goes with its children`,
    async story(world) {
      const pair = await world.pair(side, withPsk(X25519));
      await establish(pair);
      const { code, output } = await pair.peer.terminate("gw");
      expect(code === 0, `terminate: ${output.trim()}`);
      await staysEmpty(pair.ours);
      const { received } = await ping(world.topology, "a", 2);
      expect(received === 0, "an echo request passed without an SA");
      return "no SA left, nothing passes";
    },
  };
}

function wrongPsk(side: Side): Case {
  return {
    name: `${ROLE[side]}: a wrong PSK is refused, no SA left`,
    async story(world) {
      const psk = { a: freshPsk(), b: freshPsk() };
      const pair = await world.pair(side, { ...X25519, psk });
      await pair.a.initiate("net");
      await until("AUTHENTICATION_FAILED is told on both sides", 20, async () => {
        const told = pair.ours.kind === "cardcage" ? AUTHENTICATION_FAILED : STRONGSWAN_AUTHENTICATION_FAILED;
        return told.test(pair.ours.log()) && STRONGSWAN_AUTHENTICATION_FAILED.test(pair.peer.log());
      });
      await Promise.all([staysEmpty(pair.ours), staysEmpty(pair.peer)]);
      return "AUTHENTICATION_FAILED on both sides";
    },
  };
}

/** IKE_AUTH in fragments both ways (RFC 7383): identities and selectors make it longer than one may be. */
function fragmented(side: Side): Case {
  return {
    name: `${ROLE[side]}: IKE_AUTH in fragments of 576 octets`,
    async story(world) {
      const long = { identityTail: `.${"x".repeat(200)}`, subnets: 8, fragmentSize: 576 };
      // Routes of strongSwan's want an address of ours in every subnet.
      for (const at of ["a", "b"] as const) {
        const gateway = world.topology.gateway(at);
        for (let i = 2; i < long.subnets; i++)
          await must(
            "ip",
            "-n",
            gateway,
            "address",
            "replace",
            NETWORK[at].replace(".0.0/", `.${i}.1/`),
            "dev",
            "lan0",
          );
      }
      const pair = await world.pair(side, { ...withPsk(X25519), ...long });
      await establish(pair);
      await expectPing(world.topology);
      if (pair.peer.kind !== "strongSwan") return "";
      const log = pair.peer.log();
      for (const [told, what] of [
        [/splitting IKE message \(\d+ bytes\) into \d+ fragments/, "the peer sent fragments"],
        [/received fragment #\d+ of \d+, reassembled fragmented IKE message/, "the peer put ours together"],
      ] as const)
        expect(told.test(log), `not in the log that ${what}`);
      return "both ways";
    },
  };
}

/** The initiator guesses x25519, the responder takes ecp256 alone; the shared key is octets, with capitals in front. */
function invalidKe(side: Side): Case {
  return {
    name: `${ROLE[side]}: INVALID_KE_PAYLOAD and a second IKE_SA_INIT`,
    async story(world) {
      const ike = { a: "aes128gcm16-prfsha256-x25519-ecp256", b: "aes128gcm16-prfsha256-ecp256" };
      const octets = randomBytes(24);
      const psk = side === "a" ? `0X${octets.toString("hex")}` : `0S${octets.toString("base64")}`;
      const pair = await world.pair(side, { esp: X25519.esp, psk, ike });
      await establish(pair);
      expect(/N\(INVAL_KE\)/.test(pair.peer.log()), "strongSwan has seen no INVALID_KE_PAYLOAD");
      await expectPing(world.topology);
      return "negotiated with ecp256";
    },
  };
}

/** Echo requests with marks of their own: what is inside shows outside (RFC 4301 8, RFC 6040), and strongSwan answers each. */
const marks: Case = {
  name: "initiator: DSCP, ECN and DF on the wire",
  oursOnly: true,
  async story(world) {
    await establish(await world.pair("a", withPsk(X25519)));
    const { file, end } = await captureWan(world);
    const asked = [
      { tos: 0xba, df: true }, // EF, ECT(0)
      { tos: 0x49, df: false }, // AF21, ECT(1)
      { tos: 0x2b, df: true }, // AF11, CE
    ];
    for (const { tos, df } of asked) {
      const { sent, received } = await ping(world.topology, "a", 3, [
        ...APART,
        "-Q",
        String(tos),
        "-M",
        df ? "do" : "dont",
      ]);
      expect(sent === 3 && received === 3, `ping with TOS ${tos}: ${received} of ${sent} answered`);
    }
    await end();
    const seen = countMarks(file, OUTER.a);
    for (const { tos, df } of asked) {
      const mark = `0x${tos.toString(16)}${df ? " DF" : ""}`;
      expect(seen[mark] === 3, `${seen[mark] ?? 0} sealed packets with ${mark} instead of 3: ${JSON.stringify(seen)}`);
    }
    const { clear } = countOuter(file);
    expect(clear === 0, `${clear} packets in clear`);
    return Object.entries(seen)
      .map(([mark, count]) => `${count} with ${mark}`)
      .join(", ");
  },
};

const protocol50: Case = {
  name: "two of ours: ESP as IP protocol 50, ethernet against atm",
  oursOnly: true,
  async story(world) {
    const connection = withPsk(X25519);
    const a = world.endpoint("a", connection, { links: "ethernet", slots: 2 });
    const b = world.endpoint("b", connection, { links: "atm", slots: 2 });
    await Promise.all([world.start(a), world.start(b)]);
    const { file, end } = await captureWan(world);
    await establish({ a, b, ours: a, peer: b, side: "a" });
    await expectPing(world.topology);
    const there = await stream(world.topology, "a", world.directory, TRANSFER_OCTETS);
    const back = await stream(world.topology, "b", world.directory, TRANSFER_OCTETS);
    await end();
    const seen = countOuter(file);
    for (const [from, to] of [
      [OUTER.a, OUTER.b],
      [OUTER.b, OUTER.a],
    ]) {
      const packets = seen.esp[`${from} ${to}`] ?? 0;
      expect(packets > 1000, `${packets} ESP packets from ${from} to ${to} on the wire`);
    }
    expect(seen.espInUdp === 0, `${seen.espInUdp} packets of ESP in UDP`);
    expect(seen.clear === 0, `${seen.clear} inner packets in clear on the wire`);
    const packets = Object.values(seen.esp).reduce((sum, count) => sum + count, 0);
    for (const endpoint of [a, b]) {
      const code = await endpoint.stop();
      expect(code === 0, `exit code ${code}`);
    }
    return `${packets} ESP packets on the wire, none in UDP, none in clear; ${megabits(there)}, ${megabits(back)}`;
  },
};

/** Bare public keys (RFC 7670), and a shared one in a second round (RFC 4739). */
function twoRounds(side: Side): Case {
  return {
    name: `${ROLE[side]}: two rounds of authentication, bare Ed25519 and P-256 keys, then a shared key`,
    async story(world) {
      const keys = { a: makeKey("ed25519"), b: makeKey("ecp256") };
      const pair = await world.pair(side, { ...withPsk(X25519), keys });
      await establish(pair);
      await expectPing(world.topology);
      return "ping both ways";
    },
  };
}

/** The responder, which has two addresses, sends the initiator from one to the other (RFC 5685). */
function redirected(side: Side): Case {
  return {
    name: `${ROLE[side]}: redirected to another gateway`,
    async story(world) {
      const secondAddress = "192.0.2.3";
      await must("ip", "-n", world.topology.gateway("b"), "address", "replace", `${secondAddress}/24`, "dev", "wan0");
      const pair = await world.pair(side, { ...withPsk(X25519), secondAddress });
      await establish(pair);
      const told = await pair.b.redirect?.("gw", secondAddress);
      expect(told?.code === 0, `redirect: ${told?.output.trim()}`);
      for (const endpoint of [pair.a, pair.b]) {
        await until(`${endpoint.kind} has the SAs at ${secondAddress} alone`, 20, async () => {
          const { ikeSas, children, text } = await endpoint.status();
          return ikeSas === 1 && children.length === 1 && text.includes(secondAddress);
        });
      }
      await expectPing(world.topology);
      return `the SAs are at ${secondAddress}, ping both ways`;
    },
  };
}

/** An attempt that nobody answers must neither count as an SA nor keep the gateway from ending. */
const noPeer: Case = {
  name: "initiator: a peer that does not answer; SIGTERM still ends with 0",
  oursOnly: true,
  async story(world) {
    const ours = world.endpoint("a", withPsk(X25519), { links: "ethernet", slots: 2 });
    await world.start(ours);
    const attempt = ours.initiate("net");
    await until("the attempt is under way", 30, async () => /"CONNECTING"/.test((await ours.status()).text));
    const { ikeSas, children } = await ours.status();
    expect(ikeSas === 0 && children.length === 0, "an SA without a peer");
    const code = await ours.stop();
    expect(code === 0, `exit code ${code} (-1: it had to be killed)`);
    await attempt;
    await reachNothing(world);
    return "exit 0";
  },
};

/** The TUN device and its routes go with the gateway. */
async function reachNothing(world: World): Promise<void> {
  const { received } = await ping(world.topology, "a", 1);
  expect(received === 0, "an echo request passed without a gateway");
}

export const CASES: Case[] = [
  tunnel("a", X25519, "ethernet"),
  tunnel("b", X25519, "atm"),
  tunnel("a", ECP256, "atm"),
  tunnel("b", ECP256, "ethernet"),
  twoRounds("a"),
  twoRounds("b"),
  rekey("a", "ours"),
  rekey("a", "peer"),
  rekey("b", "ours"),
  rekey("b", "peer"),
  deleteByUs("a"),
  deleteByUs("b"),
  deleteByPeer("a"),
  deleteByPeer("b"),
  wrongPsk("a"),
  wrongPsk("b"),
  fragmented("a"),
  fragmented("b"),
  redirected("a"),
  redirected("b"),
  invalidKe("a"),
  invalidKe("b"),
  ...CERTIFICATE_CASES,
  ...SUITE_CASES,
  ...NARROW_PATH_CASES,
  ...EAP_CASES,
  marks,
  protocol50,
  ...OWN_HOST_CASES,
  ...FAILOVER_CASES,
  ...SHELF_CASES,
  ...POLICY_CASES,
  noPeer,
  ...SCAPY_CASES,
  ...TSHARK_CASES,
];
