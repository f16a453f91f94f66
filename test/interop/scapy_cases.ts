/**
 * Our IPsec board against Scapy's IPsec layer, packet by packet: every transform that both have, ESP and AH, either mode, both IP
 * versions. No namespaces, no negotiation: the SAs are installed on a board on its bench. What Scapy has not is counted as outside.
 */

import { randomInt } from "node:crypto";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { TRANSPORTS, TUNNELS, board, installPair, removePair } from "../host/sa_pair.ts";
import type { Setting, Transform } from "../host/sa_pair.ts";
import { AH_TRANSFORMS } from "../reference/ah.ts";
import { TWIN_SUITES, keymatOctets } from "../reference/cipher_suite.ts";
import type { Case } from "./cases.ts";
import { Outside } from "./outside.ts";
import { expect } from "./process.ts";
import { Scapy, missingScapy, namedAh, namedSuite } from "./scapy.ts";
import type { Named, ScapyTransforms } from "./scapy.ts";
import { mark, travel } from "./scapy_headers.ts";
import { meet, noCounts, octetsOf, told } from "./scapy_exchange.ts";

interface Known {
  transform: Transform;
  named: Named;
  aead: boolean;
}

/** Every ESP suite of ours that Scapy has. */
function espSuites(has: ScapyTransforms, random: SeededRandom, outside: Outside): Known[] {
  return TWIN_SUITES.flatMap((suite) => {
    const named = namedSuite(suite, has);
    if (typeof named === "string") {
      outside.add(named);
      return [];
    }
    const { name, encryption, keyBits, integrity } = suite;
    const keymat = octetsOf(random, keymatOctets(suite));
    return [
      { transform: { name, protocol: 50, encryption, keyBits, integrity, keymat }, named, aead: integrity === 0 },
    ];
  });
}

/** The same of AH. */
function ahTransforms(has: ScapyTransforms, outside: Outside): Known[] {
  return AH_TRANSFORMS.flatMap((ah) => {
    const named = namedAh(ah, has);
    if (typeof named === "string") {
      outside.add(named);
      return [];
    }
    const { integrity, keymat } = ah;
    const transform = { name: `AH ${ah.name}`, protocol: 51, encryption: 0, keyBits: 0, integrity, keymat };
    return [{ transform, named, aead: false }];
  });
}

/** Up to the MTU with what an outer header and ESP want. */
const LONGEST = 1300;

/** Short ones, long ones and in between. */
function lengths(random: SeededRandom): number[] {
  return [0, ...Array.from({ length: 4 }, () => random.below(70)), 70 + random.below(LONGEST - 70), LONGEST];
}

interface Tools {
  scapy: Scapy;
  has: ScapyTransforms;
  random: SeededRandom;
  outside: Outside;
}

/** A case with a Scapy of its own. Its seed may be given as CARDCAGE_SEED. */
function scapyCase(name: string, story: (tools: Tools) => Promise<string>): Case {
  return {
    name: `scapy: ${name}`,
    oursOnly: true,
    bench: true,
    missing: missingScapy,
    async story(world) {
      const seed = Number(process.env.CARDCAGE_SEED ?? randomInt(1, 2 ** 31));
      const scapy = new Scapy();
      const outside = new Outside();
      try {
        const has = await scapy.transforms();
        const what = await story({ scapy, has, random: new SeededRandom(seed), outside });
        return `${what}; Scapy ${has.version}, seed ${seed}`;
      } catch (error) {
        (error as Error).message += `\nseed ${seed}`;
        throw error;
      } finally {
        world.tell(outside.lines());
        await scapy.close();
      }
    },
  };
}

/** Each of `known` in each of `settings`. */
async function sweep(
  { scapy, random }: Tools,
  known: readonly Known[],
  settings: readonly Setting[],
  extended: boolean,
  sizes: (random: SeededRandom) => number[] = lengths,
): Promise<string> {
  expect(known.length > 0, "Scapy has none of our transforms");
  const counts = noCounts();
  for (const setting of settings) {
    const bench = board("simd");
    for (const { transform, named } of known) {
      // With extended numbers the low half comes around in the middle.
      const sequence = extended ? 0x6_ffff_fffcn : 0n;
      installPair(bench, setting, transform, { extended, sequence });
      await meet({ scapy, bench, setting, transform, named, extended, sequence }, sizes(random), random, counts);
      removePair(bench);
    }
  }
  return told(counts);
}

/** A story about headers with every transform of AH, and two suites of ESP, which do not cover them. */
async function onHeaders(
  { scapy, has, random, outside }: Tools,
  story: (scapy: Scapy, known: Known, random: SeededRandom) => Promise<[number, number]>,
): Promise<string> {
  const suites = espSuites(has, random, new Outside());
  const known = [...ahTransforms(has, outside), suites[0]!, suites.at(-1)!];
  const sums = [0, 0];
  for (const one of known) {
    const [arrived, refused] = await story(scapy, one, random);
    sums[0] += arrived;
    sums[1] += refused;
  }
  return `${known.map(({ transform }) => transform.name).join(", ")}: ${sums[0]} packets arrived, ${sums[1]} were refused`;
}

const ESN_OUTSIDE = "ESN of ESP with an integrity transform of its own: Scapy authenticates no high half there";

export const SCAPY_CASES: Case[] = [
  scapyCase("ESP, tunnel mode: every suite, IPv4 and IPv6 in either, in UDP too", async (tools) =>
    sweep(tools, espSuites(tools.has, tools.random, tools.outside), TUNNELS, false),
  ),
  scapyCase("ESP, transport mode: every suite, IPv4 and IPv6, in UDP too", async (tools) =>
    sweep(tools, espSuites(tools.has, tools.random, tools.outside), TRANSPORTS, false),
  ),
  scapyCase("ESP: every suite with every length up to two blocks", async (tools) => {
    const all = Array.from({ length: 34 }, (_, i) => i);
    return sweep(tools, espSuites(tools.has, tools.random, tools.outside), [TUNNELS[0]!], false, () => all);
  }),
  scapyCase("ESP with extended sequence numbers, either mode", async (tools) => {
    const known = espSuites(tools.has, tools.random, tools.outside);
    const able = known.filter(({ aead }) => aead);
    tools.outside.add(ESN_OUTSIDE, known.length - able.length);
    return sweep(tools, able, [...TUNNELS, ...TRANSPORTS], true);
  }),
  ...[false, true].map((extended) =>
    scapyCase(`AH${extended ? " with extended sequence numbers" : ""}, either mode: every transform`, async (tools) => {
      const settings = [...TUNNELS, ...TRANSPORTS].filter(({ udp }) => !udp);
      return sweep(tools, ahTransforms(tools.has, tools.outside), settings, extended);
    }),
  ),
  scapyCase("what the way writes on headers, options and extension headers, under AH and ESP", (tools) =>
    onHeaders(tools, travel),
  ),
  scapyCase("ECN and DSCP into tunnels and out of them, AH and ESP", (tools) => onHeaders(tools, mark)),
];
