/**
 * tshark opens what our IPsec board sealed, with the keys of its SAs in Wireshark's own format: every suite that Wireshark has, either
 * mode, both IP versions, in UDP or not. It shows the packet inside and says whether the ICV is right.
 */

import { randomInt } from "node:crypto";
import { join } from "node:path";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { addressText } from "../../host/operator/identity.ts";
import { OUT_SPI } from "../host/ipsec_bench.ts";
import type { Bench } from "../host/ipsec_bench.ts";
import { GATEWAYS, TRANSPORTS, TUNNELS, board, clearPacket, endsOf, giveAll } from "../host/sa_pair.ts";
import { installPair, removePair, sealedAt, settingName } from "../host/sa_pair.ts";
import type { Setting } from "../host/sa_pair.ts";
import { TWIN_SUITES, keymatOctets } from "../reference/cipher_suite.ts";
import type { TwinSuite } from "../reference/cipher_suite.ts";
import type { Case } from "./cases.ts";
import { Outside } from "./outside.ts";
import { expect } from "./process.ts";
import { octetsOf } from "./scapy_exchange.ts";
import { dissect, missingTshark, wiresharkNames } from "./tshark.ts";
import type { EspSa } from "./tshark.ts";

/** A frame of the capture, and what tshark should find in it. */
interface Frame {
  what: string;
  packet: Buffer;
  spi: number;
  sequence: number;
  /** Of all its IP headers, in hexadecimal, sorted. */
  addresses: string[];
  payload: string;
  /** Where a bit of it was turned over. */
  changed?: "text" | "icv";
}

const hexadecimal = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

const LENGTHS = [1, 13, 14, 15, 16, 1000];

/** Some packets of one suite in one setting, the last of them twice more with a changed bit; and their SA. */
function capture(
  bench: Bench,
  setting: Setting,
  suite: TwinSuite,
  spi: number,
  random: SeededRandom,
): { frames: Frame[]; sa: EspSa } {
  const { name, encryption, keyBits, integrity } = suite;
  const keymat = octetsOf(random, keymatOctets(suite));
  const transform = { name, protocol: 50, encryption, keyBits, integrity, keymat };
  installPair(bench, setting, transform, { spi });
  const what = `${name}, ${settingName(setting)}`;
  const bodies = LENGTHS.map((length) => octetsOf(random, length));
  const sealed = giveAll(
    bench,
    bodies.map((body) => clearPacket(setting, true, body)),
    PORT_UNPROTECTED,
  );
  removePair(bench, spi);
  expect(sealed.length === bodies.length, `${what}: ${sealed.length} packets were sealed`);
  const outer = GATEWAYS[setting.outer];
  const inner = endsOf(setting);
  const ends = setting.mode === TUNNELS[0]!.mode ? [outer, inner] : [outer];
  const frames: Frame[] = sealed.map((packet, i) => ({
    what: `${what}, ${LENGTHS[i]} octets`,
    packet,
    spi: OUT_SPI + spi,
    sequence: i + 1,
    addresses: ends
      .flatMap(({ local, remote }) => [local, remote])
      .map(hexadecimal)
      .sort(),
    payload: bodies[i]!.toString("hex"),
  }));
  const last = frames.at(-1)!;
  // The ICV, and what lies between the IV and it; SPI and number stay, so that it is clear whose packet it is.
  const [from, icv] = [sealedAt(setting) + 8 + suite.ivOctets, last.packet.length - suite.icvOctets];
  const turned = (changed: "text" | "icv", start: number, end: number): Frame => {
    const packet = Buffer.from(last.packet);
    packet[start + random.below(end - start)]! ^= 1 << random.below(8);
    return { ...last, what: `${last.what}, ${changed} changed`, packet, changed };
  };
  frames.push(turned("icv", icv, last.packet.length), turned("text", from, icv));
  const keys = suite.keyOctets + suite.saltOctets;
  const names = wiresharkNames(suite) as { encryption: string; authentication: string };
  const sa: EspSa = {
    source: addressText(outer.local),
    destination: addressText(outer.remote),
    spi: OUT_SPI + spi,
    ...names,
    encryptionKey: keymat.subarray(0, keys).toString("hex"),
    authenticationKey: keymat.subarray(keys).toString("hex"),
  };
  return { frames, sa };
}

export const TSHARK_CASES: Case[] = [
  {
    name: "tshark: opens our ESP with the keys of its SAs: every suite that it has, either mode, both IP versions, in UDP too",
    oursOnly: true,
    bench: true,
    missing: missingTshark,
    async story(world) {
      const seed = Number(process.env.CARDCAGE_SEED ?? randomInt(1, 2 ** 31));
      const random = new SeededRandom(seed);
      const outside = new Outside();
      const suites = TWIN_SUITES.filter((suite) => {
        const names = wiresharkNames(suite);
        if (typeof names === "string") outside.add(names);
        return typeof names !== "string";
      });
      outside.add("ESN: the SAs of Wireshark 4.0 have none");
      outside.add("AH: Wireshark checks no ICV of it");
      world.tell(outside.lines());
      const settings = [...TUNNELS, ...TRANSPORTS];
      let spi = 0;
      const captures = settings.flatMap((setting) => {
        const bench = board("simd");
        return suites.map((suite) => capture(bench, setting, suite, ++spi, random));
      });
      const frames = captures.flatMap((one) => one.frames);
      const seen = await dissect(
        join(world.directory, "wireshark"),
        frames.map(({ packet }) => packet),
        captures.map(({ sa }) => sa),
      );
      for (const [i, frame] of frames.entries()) {
        const found = seen[i]!;
        const what = `${frame.what}, seed ${seed}: ${JSON.stringify(found)}`;
        expect(found.spi === frame.spi && found.sequence === frame.sequence, what);
        if (frame.changed !== undefined) {
          // What a changed text says inside may be malformed: then tshark gives up before it says that the ICV is wrong.
          const wrong = !found.icvGood && (found.icvBad || frame.changed === "text");
          expect(wrong, `${what}: its ICV is not found to be wrong`);
          continue;
        }
        expect(found.icvGood && !found.icvBad, `${what}: its ICV is not found to be right`);
        const addresses = found.addresses.map((address) => hexadecimal(addressOctets(address))).sort();
        expect(addresses.join() === frame.addresses.join(), `${what}: not the addresses`);
        expect(found.udpPayloads.at(-1) === frame.payload, `${what}: inside should be ${frame.payload}`);
      }
      const changed = frames.filter((frame) => frame.changed !== undefined).length;
      return `${suites.length} suites in ${settings.length} settings: ${frames.length - changed} packets shown with a right ICV, ${changed} changed ones without; seed ${seed}`;
    },
  },
];
