/**
 * Every cipher suite against strongSwan, one after the other between the same two running gateways: ours is configured with
 * all suites at once, strongSwan is told one suite at a time. So each negotiation is one of many transforms against one,
 * whoever initiates, and a wrong guess of the key exchange is part of it.
 *
 * AES-GMAC is missing: the ESP of kernel-libipsec has none.
 */

import type { Cardcage } from "./cardcage.ts";
import type { Case } from "./cases.ts";
import { freshPsk, renderConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { expect, until } from "./process.ts";
import type { Finished } from "./process.ts";
import type { StrongSwan } from "./strongswan.ts";
import { StreamServer, expectAnswers } from "./traffic.ts";
import { reach } from "./world.ts";
import type { Pair, World } from "./world.ts";

/** strongSwan's keyword, and its name in listings. */
type Named = readonly [keyword: string, name: string];

const SIZES = [128, 192, 256];

const sized = (mode: string, name: string): Named[] => SIZES.map((bits) => [`aes${bits}${mode}`, `${name}-${bits}`]);

const AEADS: Named[] = [
  ...sized("gcm16", "AES_GCM_16"),
  ...sized("gcm12", "AES_GCM_12"),
  ...sized("gcm8", "AES_GCM_8"),
  ...sized("ccm16", "AES_CCM_16"),
  ...sized("ccm12", "AES_CCM_12"),
  ...sized("ccm8", "AES_CCM_8"),
  ["chacha20poly1305", "CHACHA20_POLY1305"],
];
const CLASSICS: Named[] = [...sized("", "AES_CBC"), ...sized("ctr", "AES_CTR")];
const INTEGRITIES: Named[] = [
  ["sha1", "HMAC_SHA1_96"],
  ["sha256", "HMAC_SHA2_256_128"],
  ["sha384", "HMAC_SHA2_384_192"],
  ["sha512", "HMAC_SHA2_512_256"],
  ["aesxcbc", "AES_XCBC_96"],
  ["aescmac", "AES_CMAC_96"],
];
const PRFS: Named[] = [
  ["prfsha1", "PRF_HMAC_SHA1"],
  ["prfsha256", "PRF_HMAC_SHA2_256"],
  ["prfsha384", "PRF_HMAC_SHA2_384"],
  ["prfsha512", "PRF_HMAC_SHA2_512"],
  ["prfaesxcbc", "PRF_AES128_XCBC"],
  ["prfaescmac", "PRF_AES128_CMAC"],
];
const EXCHANGES: Named[] = [
  ["x25519", "CURVE_25519"],
  ["ecp256", "ECP_256"],
  ["modp2048", "MODP_2048"],
  ["ecp384", "ECP_384"],
  ["modp3072", "MODP_3072"],
  ["ecp521", "ECP_521"],
  ["x448", "CURVE_448"],
  ["modp4096", "MODP_4096"],
];

interface Suite {
  ike: Named;
  esp: Named;
}

/** A proposal of algorithms, and its name in listings. */
const joined = (...parts: Named[]): Named => [
  parts.map(([keyword]) => keyword).join("-"),
  parts.map(([, name]) => name).join("/"),
];

/** The element at `index` of a list without end. */
const at = <T>(list: readonly T[], index: number): T => list[index % list.length];

/** Each combined mode and each pair of cipher and integrity, in IKE and in ESP; NULL in ESP. */
function everySuite(): Suite[] {
  const suites: Suite[] = [];
  const add = (ciphers: Named[], esp: Named): void => {
    const n = suites.length;
    suites.push({ ike: joined(...ciphers, at(PRFS, n), at(EXCHANGES, n + Math.floor(n / PRFS.length))), esp });
  };
  for (const aead of AEADS) add([aead], aead);
  for (const cipher of CLASSICS) for (const mac of INTEGRITIES) add([cipher, mac], joined(cipher, mac));
  for (const [i, mac] of INTEGRITIES.entries()) add([at(AEADS, i)], joined(["null", "NULL"], mac));
  return suites;
}

const all = (...lists: Named[][]): string => lists.flatMap((list) => list.map(([keyword]) => keyword)).join("-");

const EVERYTHING = {
  ike: `${all(AEADS, PRFS, EXCHANGES)},${all(CLASSICS, INTEGRITIES, PRFS, EXCHANGES)}`,
  esp: `${all(AEADS)},${all(CLASSICS, [["null", "NULL"]], INTEGRITIES)}`,
};

/** Octets of a checked transfer: some hundred packets of full size, and their acknowledgements. */
const OCTETS = 300_000;

interface Field {
  world: World;
  ours: Cardcage;
  peer: StrongSwan;
  pair: Pair;
  servers: Record<"a" | "b", StreamServer>;
}

/** Both ends have one IKE_SA and one CHILD_SA of the suite; gives the SPIs of both at our end. */
async function expectSuite({ ours, peer }: Field, { ike, esp }: Suite): Promise<string> {
  let spis = "";
  for (const endpoint of [peer, ours]) {
    const { ikeSuite, ikeSpis, children } = await reach(endpoint, 1, 1);
    expect(ikeSuite === ike[1], `${endpoint.kind} has an IKE_SA with ${ikeSuite} instead of ${ike[1]}`);
    const [child] = children;
    expect(child.suite === esp[1], `${endpoint.kind} has a CHILD_SA with ${child.suite} instead of ${esp[1]}`);
    spis = `${ikeSpis} ${child.spiIn} ${child.spiOut}`;
  }
  return spis;
}

/**
 * One suite: negotiated, seen under its name at both ends, an echo and a transfer through it; then the IKE_SA is rekeyed where
 * we initiated, the CHILD_SA where strongSwan did, and both are deleted.
 */
async function prove(field: Field, suite: Suite, weInitiate: boolean): Promise<void> {
  const { ours, peer, servers } = field;
  if (weInitiate) await ours.establish("net");
  else succeeded("strongSwan's initiation", await peer.initiate("net"));
  const before = await expectSuite(field, suite);
  await expectAnswers(field.world.topology, field.pair.side);
  await servers[weInitiate ? "b" : "a"].receive(OCTETS);
  succeeded("rekeying", await (weInitiate ? peer.rekeyIke("gw") : peer.rekey("net")));
  await until("the SA is another one", 15, async () => {
    const { ikeSas, ikeSpis, children } = await ours.status();
    const now = `${ikeSpis} ${children[0]?.spiIn} ${children[0]?.spiOut}`;
    return ikeSas === 1 && children.length === 1 && now !== before;
  });
  await expectSuite(field, suite);
  await expectAnswers(field.world.topology, field.pair.side);
  succeeded("terminate", await peer.terminate("gw"));
  for (const endpoint of [ours, peer]) await reach(endpoint, 0, 0);
}

function succeeded(what: string, { code, output }: Finished): void {
  expect(code === 0, `${what}: ${output.trim().split("\n").slice(-8).join("\n")}`);
}

/** All suites in one of the roles. */
function sweep(weInitiate: boolean): Case {
  return {
    name: `${weInitiate ? "initiator" : "responder"}: every cipher suite, PRF and key exchange`,
    oursOnly: true,
    async story(world) {
      const psk = freshPsk();
      const pair = await world.pair("a", { ...EVERYTHING, psk });
      const [ours, peer] = [pair.ours as Cardcage, pair.peer as StrongSwan];
      const servers = {
        a: new StreamServer(world.topology, "a", world.directory),
        b: new StreamServer(world.topology, "b", world.directory),
      };
      await Promise.all([servers.a.ready(), servers.b.ready()]);
      const field = { world, ours, peer, pair, servers };
      const failures: string[] = [];
      const suites = everySuite();
      for (const suite of suites) {
        const connection: Connection = { ike: suite.ike[0], esp: suite.esp[0], psk };
        try {
          await peer.load(renderConnection(connection, "b"));
          await prove(field, suite, weInitiate);
        } catch (error) {
          failures.push(`${suite.ike[0]} / ${suite.esp[0]}: ${(error as Error).message}`);
          await peer.terminate("gw");
          await reach(ours, 0, 0).catch(() => undefined);
        }
      }
      expect(failures.length === 0, `${failures.length} of ${suites.length} suites:\n${failures.join("\n")}`);
      return `${suites.length} suites`;
    },
  };
}

/**
 * The sides like different PRFs best, and the responder's order decides: whoever rekeys the IKE_SA that it answered would
 * change the PRF. We keep it in both places, since strongSwan makes the new keys with the old PRF, RFC 7296 with the new one.
 */
const samePrf: Case = {
  name: "both roles: a rekeyed IKE_SA keeps its PRF, and works",
  oursOnly: true,
  async story(world) {
    const ike = {
      a: "aes128gcm16-prfaesxcbc-prfsha512-x25519",
      b: "aes128gcm16-prfsha512-prfaesxcbc-x25519",
    };
    const pair = await world.pair("a", { ike, esp: "aes128gcm16", psk: freshPsk() });
    const [ours, peer] = [pair.ours as Cardcage, pair.peer as StrongSwan];
    for (const [initiator, prf] of [
      [ours, "PRF_HMAC_SHA2_512"],
      [peer, "PRF_AES128_XCBC"],
    ] as const) {
      succeeded("initiation", await initiator.initiate("net"));
      const name = `AES_GCM_16-128/${prf}/CURVE_25519`;
      for (const endpoint of [ours, peer]) {
        const { ikeSuite } = await reach(endpoint, 1, 1);
        expect(ikeSuite === name, `${endpoint.kind} has ${ikeSuite} instead of ${name}`);
      }
      const { ikeSpis } = await ours.status();
      // The one that answered rekeys.
      succeeded("rekeying of the IKE_SA", await (initiator === ours ? peer.rekeyIke("gw") : ours.rekey("gw")));
      for (const endpoint of [ours, peer]) {
        await until(`${endpoint.kind} has another IKE_SA with ${name}`, 15, async () => {
          const now = await endpoint.status();
          return now.ikeSas === 1 && now.ikeSuite === name && now.ikeSpis !== ikeSpis;
        });
      }
      // Requests under the new keys, both ways.
      succeeded("rekeying of the CHILD_SA by us", await ours.rekey("net"));
      succeeded("rekeying of the CHILD_SA by strongSwan", await peer.rekey("net"));
      for (const endpoint of [ours, peer]) await reach(endpoint, 1, 1);
      await expectAnswers(world.topology, "a");
      succeeded("terminate", await peer.terminate("gw"));
      for (const endpoint of [ours, peer]) await reach(endpoint, 0, 0);
    }
    return "rekeyed by strongSwan and by us";
  },
};

export const SUITE_CASES: Case[] = [sweep(true), sweep(false), samePrf];
