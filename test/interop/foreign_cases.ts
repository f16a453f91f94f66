/**
 * libreswan and OpenIKED as the second and third peer, in both roles: suites, rekeys and deletes by either end, certificates,
 * refusals. Their ESP is Scapy's, on the fake kernel of an interop harness (fake_kernel.ts).
 *
 * What they cannot do is left out: OpenIKED rekeys a CHILD_SA only when its kernel asks for it, and neither has Ed25519.
 */

import { join } from "node:path";
import { issue } from "../pki/authority.ts";
import type { Issued, Kind } from "../pki/authority.ts";
import type { Cardcage } from "./cardcage.ts";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import type { Certified, Connection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Credential, Foreign } from "./foreign.ts";
import { Libreswan, missingLibreswan } from "./libreswan.ts";
import { OpenIked, missingOpenIked } from "./openiked.ts";
import { expect, until } from "./process.ts";
import type { Finished } from "./process.ts";
import { IDENTITY, other } from "./topology.ts";
import type { Side } from "./topology.ts";
import { expectAnswers } from "./traffic.ts";
import { CAGE, reach, staysEmpty } from "./world.ts";
import type { World } from "./world.ts";

/** One suite: the peer's words for it, ours, and the names that our listing has for both SAs. */
interface Suite {
  theirs: { ike: string; esp: string };
  ours: { ike: string; esp: string };
  names: { ike: string; esp: string };
}

const suite = (theirs: [string, string], ours: [string, string], names: [string, string]): Suite => {
  const [a, b, c] = [theirs, ours, names].map(([ike, esp]) => ({ ike, esp }));
  return { theirs: a, ours: b, names: c };
};

const LIBRESWAN: Suite[] = [
  suite(
    ["aes_gcm128-sha2_256;dh31", "aes_gcm128"],
    ["aes128gcm16-prfsha256-x25519", "aes128gcm16"],
    ["AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519", "AES_GCM_16-128"],
  ),
  suite(
    ["aes_gcm256-sha2_512;dh20", "aes_gcm256"],
    ["aes256gcm16-prfsha512-ecp384", "aes256gcm16"],
    ["AES_GCM_16-256/PRF_HMAC_SHA2_512/ECP_384", "AES_GCM_16-256"],
  ),
  suite(
    ["aes256-sha2_256;dh14", "aes256-sha2_256"],
    ["aes256-sha256-modp2048", "aes256-sha256"],
    ["AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048", "AES_CBC-256/HMAC_SHA2_256_128"],
  ),
  suite(
    ["aes128-sha1;dh19", "aes128-sha1"],
    ["aes128-sha1-ecp256", "aes128-sha1"],
    ["AES_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_256", "AES_CBC-128/HMAC_SHA1_96"],
  ),
  suite(
    ["chacha20_poly1305-sha2_256;dh21", "chacha20_poly1305"],
    ["chacha20poly1305-prfsha256-ecp521", "chacha20poly1305"],
    ["CHACHA20_POLY1305/PRF_HMAC_SHA2_256/ECP_521", "CHACHA20_POLY1305"],
  ),
  suite(
    ["aes_ctr256-sha2_512;dh15", "aes_ctr128-sha2_512"],
    ["aes256ctr-sha512-modp3072", "aes128ctr-sha512"],
    ["AES_CTR-256/HMAC_SHA2_512_256/PRF_HMAC_SHA2_512/MODP_3072", "AES_CTR-128/HMAC_SHA2_512_256"],
  ),
];

const OPENIKED: Suite[] = [
  suite(
    ["enc aes-128-gcm prf hmac-sha2-256 group curve25519", "enc aes-256 auth hmac-sha2-512 group none"],
    ["aes128gcm16-prfsha256-x25519", "aes256-sha512"],
    ["AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519", "AES_CBC-256/HMAC_SHA2_512_256"],
  ),
  suite(
    ["enc aes-256-gcm prf hmac-sha2-384 group ecp384", "enc aes-128 auth hmac-sha1 group none"],
    ["aes256gcm16-prfsha384-ecp384", "aes128-sha1"],
    ["AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384", "AES_CBC-128/HMAC_SHA1_96"],
  ),
  suite(
    ["enc aes-256 auth hmac-sha2-256 prf hmac-sha2-256 group modp2048", "enc aes-192 auth hmac-sha2-384 group none"],
    ["aes256-sha256-modp2048", "aes192-sha384"],
    ["AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048", "AES_CBC-192/HMAC_SHA2_384_192"],
  ),
  suite(
    ["enc aes-128 auth hmac-sha1 prf hmac-sha1 group ecp256", "enc aes-256 auth hmac-sha2-512 group curve25519"],
    ["aes128-sha1-ecp256", "aes256-sha512-x25519"],
    ["AES_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_256", "AES_CBC-256/HMAC_SHA2_512_256"],
  ),
];

interface Kindred {
  name: "libreswan" | "OpenIKED";
  suites: Suite[];
  kinds: readonly Kind[];
  missing(): Promise<string[]>;
  make(harness: string, world: World, side: Side, settings: Settings): Foreign;
}

interface Settings {
  suite: Suite;
  psk?: string;
  credential?: Credential;
  /** Seconds after which OpenIKED rekeys an IKE_SA. */
  ikeLifetime?: number;
}

const PEERS: readonly Kindred[] = [
  {
    name: "libreswan",
    suites: LIBRESWAN,
    kinds: ["ecp256", "ecp384", "rsa3072"],
    missing: missingLibreswan,
    make: (harness, world, side, { suite: { theirs }, psk, credential }) =>
      new Libreswan(harness, world.topology.gateway(side), side, join(world.directory, side), {
        ...theirs,
        ...(psk === undefined ? {} : { psk }),
        ...(credential ? { credential } : {}),
        // Without it a CHILD_SA is rekeyed with the key exchange of the IKE_SA.
        lines: theirs.esp.includes(";") ? [] : ["pfs=no"],
      }),
  },
  {
    name: "OpenIKED",
    suites: OPENIKED,
    kinds: ["ecp256", "rsa2048"],
    missing: () => Promise.resolve(missingOpenIked()),
    make: (harness, world, side, { suite: { theirs }, ...rest }) =>
      new OpenIked(harness, world.topology.gateway(side), side, join(world.directory, side), { ...theirs, ...rest }),
  },
];

interface Pair {
  ours: Cardcage;
  peer: Foreign;
  /** The one that initiates. */
  first: Endpoint;
  side: Side;
  world: World;
}

function succeeded(what: string, { code, output }: Finished): void {
  expect(code === 0, `${what}: ${output.trim().split("\n").slice(-8).join("\n")}`);
}

async function begin(world: World, side: Side, connection: Connection, peer: Foreign): Promise<Pair> {
  const ours = world.endpoint(side, connection, CAGE) as Cardcage;
  await Promise.all([world.start(ours), world.start(peer)]);
  return { ours, peer, first: side === "a" ? ours : peer, side, world };
}

/** Side a initiates: both ends have an IKE_SA and a CHILD_SA, and echoes are answered both ways. */
async function establish({ ours, peer, first, world }: Pair): Promise<void> {
  if (first === ours) await ours.establish("net");
  else succeeded("its initiation", await peer.initiate("net"));
  for (const endpoint of [ours, peer]) await reach(endpoint, 1, 1);
  for (const side of ["a", "b"] as const) await expectAnswers(world.topology, side);
}

/** Which SAs ours has: SPIs of the IKE_SA, and of the CHILD_SA. */
async function spis({ ours }: Pair): Promise<{ ike: string; child: string }> {
  const { ikeSpis, children } = await ours.status();
  return { ike: ikeSpis, child: children.map(({ spiIn, spiOut }) => `${spiIn} ${spiOut}`).join(" ") };
}

/** One end rekeys; then both have one other SA in the place of the old one, and it carries. */
async function rekeyed(pair: Pair, what: "ike" | "child", by: string, act?: () => Promise<unknown>): Promise<void> {
  const before = await spis(pair);
  await act?.();
  await until(
    `ours has another ${what} SA after ${by} rekeyed`,
    20,
    async () => (await spis(pair))[what] !== before[what],
  );
  for (const endpoint of [pair.ours, pair.peer]) await reach(endpoint, 1, 1);
  await expectAnswers(pair.world.topology, "a");
}

const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };
const SIDES = ["a", "b"] as const;

/** Each suite: negotiated, rekeyed by either end, deleted by one of them. */
function suites(kin: Kindred, side: Side, harness: string): Case {
  return {
    name: `${ROLE[side]}, ${kin.name}: suites, rekeys and deletes by either end`,
    async story(world) {
      const psk = freshPsk();
      const list = (part: "ike" | "esp"): string => [...new Set(kin.suites.map(({ ours }) => ours[part]))].join(",");
      const peer = kin.make(harness, world, other(side), { suite: kin.suites[0], psk });
      const pair = await begin(world, side, { ike: list("ike"), esp: list("esp"), psk }, peer);
      for (const [i, { theirs, names }] of kin.suites.entries()) {
        await peer.load(theirs.ike, theirs.esp);
        await establish(pair);
        await prove(pair, kin, names);
        // A peer that has initiated would do so again after our Delete.
        if (side === "a" && i % 2 === 0) await pair.ours.end("gw");
        else succeeded("its deletion", await peer.terminate("gw"));
        for (const endpoint of [pair.ours, peer]) await reach(endpoint, 0, 0);
      }
      return `${kin.suites.length} suites`;
    },
  };
}

async function prove(pair: Pair, kin: Kindred, names: Suite["names"]): Promise<void> {
  const { ours, peer } = pair;
  const { ikeSuite, children } = await ours.status();
  expect(ikeSuite === names.ike, `an IKE_SA with ${ikeSuite} instead of ${names.ike}`);
  expect(children[0].suite === names.esp, `a CHILD_SA with ${children[0].suite} instead of ${names.esp}`);
  await rekeyed(pair, "child", "us", () => ours.renew("net"));
  await rekeyed(pair, "ike", "us", () => ours.renew("gw"));
  if (kin.name === "OpenIKED") return;
  await rekeyed(pair, "child", kin.name, async () => succeeded("its rekey", await peer.rekey("gw")));
  await rekeyed(pair, "ike", kin.name, async () => succeeded("its rekey of the IKE_SA", await peer.rekeyIke()));
}

/** OpenIKED rekeys the IKE_SA when its time is over, again and again. */
function ikeLifetime(kin: Kindred, side: Side, harness: string): Case {
  return {
    name: `${ROLE[side]}, ${kin.name}: IKE_SA rekeyed by the peer after its lifetime`,
    async story(world) {
      const psk = freshPsk();
      const [first] = kin.suites;
      const peer = kin.make(harness, world, other(side), { suite: first, psk, ikeLifetime: 6 });
      const pair = await begin(world, side, { ...first.ours, psk }, peer);
      await establish(pair);
      for (let i = 0; i < 2; i++) await rekeyed(pair, "ike", kin.name);
      return "twice";
    },
  };
}

/** A certificate for each end, of one authority. */
function certificates(kind: Kind): { authority: Issued; own: Record<Side, Issued> } {
  const authority = issue({ name: "authority", kind, ca: true });
  const one = (side: Side): Issued => issue({ name: IDENTITY[side], kind, san: IDENTITY[side] }, authority);
  return { authority, own: { a: one("a"), b: one("b") } };
}

function certified(kin: Kindred, side: Side, kind: Kind, harness: string): Case {
  return {
    name: `${ROLE[side]}, ${kin.name}: certificates, ${kind}`,
    async story(world) {
      const { authority, own } = certificates(kind);
      const [first] = kin.suites;
      const end = (at: Side): Certified => ({
        directory: { x509: { own: own[at] }, x509ca: { authority }, private: { own: own[at].key } },
        // With SHA-2, libreswan takes RSA-PSS alone.
        ...(kin.name === "libreswan" && kind.startsWith("rsa") ? { auth: "rsa-ike:rsa/pss-sha256" } : {}),
      });
      const peer = kin.make(harness, world, other(side), {
        suite: first,
        credential: { own: own[other(side)], authority },
      });
      // pluto asks for none as initiator.
      const ends = { certified: { a: end("a"), b: end("b") }, sendCert: "always" as const };
      const pair = await begin(world, side, { ...first.ours, ...ends }, peer);
      await establish(pair);
      return "ping both ways";
    },
  };
}

function wrongPsk(kin: Kindred, side: Side, harness: string): Case {
  return {
    name: `${ROLE[side]}, ${kin.name}: a wrong PSK is refused, no SA left`,
    async story(world) {
      const [first] = kin.suites;
      const peer = kin.make(harness, world, other(side), { suite: first, psk: "one that is wrong" });
      const pair = await begin(world, side, { ...first.ours, psk: freshPsk() }, peer);
      await Promise.race([pair.first.initiate("net"), until("it is told", 20, () => told(pair))]);
      await until("our log tells AUTHENTICATION_FAILED", 20, () => told(pair));
      succeeded("the end of the peer's attempts", await peer.terminate("gw"));
      await Promise.all([pair.ours, peer].map((endpoint) => staysEmpty(endpoint)));
      return "AUTHENTICATION_FAILED";
    },
  };
}

const told = ({ ours }: Pair): boolean => /AUTHENTICATION_FAILED|notify 24/.test(ours.log());

/** What keeps these from running; empty: nothing. */
export async function missingForeign(): Promise<string[]> {
  return (await Promise.all(PEERS.map(({ missing }) => missing()))).flat();
}

export function foreignCases(harness: string): Case[] {
  const cases = PEERS.flatMap((kin) =>
    SIDES.flatMap((side) => [
      suites(kin, side, harness),
      ...(kin.name === "OpenIKED" ? [ikeLifetime(kin, side, harness)] : []),
      ...kin.kinds.map((kind) => certified(kin, side, kind, harness)),
      wrongPsk(kin, side, harness),
    ]),
  );
  return cases.map((one) => ({ ...one, oursOnly: true, foreign: true }));
}
