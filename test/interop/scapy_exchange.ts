/**
 * Packets between one of our IPsec boards and Scapy, both ways: what either seals the other opens to the same octets; what was changed
 * on the way neither takes, and the board takes nothing twice.
 */

import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import type { SeededRandom } from "../../host/chassis/entropy.ts";
import { addressText } from "../../host/operator/identity.ts";
import { IN_SPI, OUT_SPI } from "../host/ipsec_bench.ts";
import type { Bench } from "../host/ipsec_bench.ts";
import { GATEWAYS, clearPacket, giveAll, sealedAt, settingName } from "../host/sa_pair.ts";
import type { Setting, Transform } from "../host/sa_pair.ts";
import { expect } from "./process.ts";
import type { Answer, Named, Request, Scapy } from "./scapy.ts";

export interface Counts {
  pairs: number;
  /** Packets of ours that Scapy opened, and of Scapy's that we opened. */
  opened: number;
  accepted: number;
  /** Changed packets that were refused, by either. */
  refused: number;
  replays: number;
}

export const noCounts = (): Counts => ({ pairs: 0, opened: 0, accepted: 0, refused: 0, replays: 0 });

export const told = ({ pairs, opened, accepted, refused, replays }: Counts): string =>
  `${pairs} pairs of SAs; Scapy opened ${opened} of ours, we ${accepted} of Scapy's; ${refused} changed ones and ${replays} replays refused`;

export function octetsOf(random: SeededRandom, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random.below(256)));
}

/** One pair of SAs, installed on the board and known to Scapy. */
export interface Meeting {
  scapy: Scapy;
  bench: Bench;
  setting: Setting;
  transform: Transform;
  named: Named;
  extended: boolean;
  /** Number of the last packet, of both directions. */
  sequence: bigint;
}

/** What Scapy is to do with a packet of this pair. `outbound`: of ours. */
export function request(m: Meeting, outbound: boolean, number: bigint, octets: Buffer, outerClass = 0): Request {
  const { keymat, protocol } = m.transform;
  const { encryption, encryptionOctets, icvOctets, integrity } = m.named;
  const { local, remote } = GATEWAYS[m.setting.outer];
  const [source, destination] = outbound ? [local, remote] : [remote, local];
  return {
    do: outbound ? "open" : "seal",
    protocol,
    spi: outbound ? OUT_SPI : IN_SPI,
    number: number.toString(),
    extended: m.extended,
    encryption,
    encryptionKey: keymat.subarray(0, encryptionOctets).toString("hex"),
    icvOctets,
    integrity,
    integrityKey: keymat.subarray(encryptionOctets).toString("hex"),
    tunnel:
      m.setting.mode === M.MODE_TUNNEL
        ? {
            source: addressText(source),
            destination: addressText(destination),
            class: outerClass,
            label: 0x54321,
            hops: 55,
          }
        : undefined,
    udp: m.setting.udp,
    packet: octets.toString("hex"),
  };
}

const describe = ({ transform, setting, extended }: Meeting): string =>
  `${transform.name}, ${settingName(setting)}${extended ? ", ESN" : ""}`;

function packetOf(answer: Answer, what: string): Buffer {
  expect(answer.packet !== undefined, `${what}: Scapy refused it: ${answer.refused}, ${answer.why}`);
  return Buffer.from(answer.packet, "hex");
}

export function expectSame(found: Buffer | undefined, expected: Buffer, what: string): void {
  const same = found?.equals(expected) === true;
  expect(same, `${what}\nfound    ${found?.toString("hex")}\nexpected ${expected.toString("hex")}`);
}

/** Scapy finds that a packet is not what was sealed; another exception would be about something else. */
export function expectRefused(answer: Answer, what: string): void {
  const found = answer.packet === undefined ? `${answer.refused}: ${answer.why}` : "it was opened";
  expect(answer.refused === "IPSecIntegrityError", `${what} at Scapy: ${found}`);
}

/** A bit of a packet turned over, at or behind `from`. */
function forgery(random: SeededRandom, packet: Buffer, from: number): Buffer {
  const forged = Buffer.from(packet);
  forged[from + random.below(packet.length - from)]! ^= 1 << random.below(8);
  return forged;
}

/** A packet of each length each way. */
export async function meet(
  m: Meeting,
  lengths: readonly number[],
  random: SeededRandom,
  counts: Counts,
): Promise<void> {
  const { scapy, bench, setting, sequence } = m;
  const what = describe(m);
  const numbers = lengths.map((_, i) => sequence + BigInt(i) + 1n);
  const clear = lengths.map((octets) => clearPacket(setting, true, octetsOf(random, octets)));
  const sealed = giveAll(bench, clear, PORT_UNPROTECTED);
  expect(sealed.length === clear.length, `${what}: ${sealed.length} of ${clear.length} packets were sealed`);
  // Behind the SPI: who has another is not asked whether it is genuine.
  const from = sealedAt(setting) + (m.transform.protocol === 51 ? 8 : 4);
  const last = sealed.length - 1;
  const changed = Array.from({ length: 3 }, () => forgery(random, sealed[last]!, from));
  const arriving = lengths.map((octets) => clearPacket(setting, false, octetsOf(random, octets)));
  const otherHigh = m.extended ? [numbers[last]! + (1n << 32n)] : [];
  const answers = await scapy.ask([
    ...sealed.map((octets, i) => request(m, true, numbers[i]!, octets)),
    ...changed.map((octets) => request(m, true, numbers[last]!, octets)),
    ...otherHigh.map((number) => request(m, true, number, sealed[last]!)),
    ...arriving.map((octets, i) => request(m, false, numbers[i]!, octets)),
    ...otherHigh.map((number) => request(m, false, number, arriving[last]!)),
  ]);
  for (const [i, octets] of clear.entries()) {
    const which = `${what}, ${lengths[i]} octets`;
    expectSame(packetOf(answers.shift()!, which), octets, `${which}: Scapy opens another packet than we sealed`);
  }
  for (const octets of changed) expectRefused(answers.shift()!, `${what}: ${octets.toString("hex")}, changed`);
  for (const _ of otherHigh) expectRefused(answers.shift()!, `${what}: another high half`);
  const theirs = lengths.map((octets) => packetOf(answers.shift()!, `${what}, ${octets} octets`));
  const strange = otherHigh.map(() => packetOf(answers.shift()!, what));
  const forged = [...Array.from({ length: 3 }, () => forgery(random, theirs[last]!, from)), ...strange];
  const before = refusals(bench);
  const passed = giveAll(bench, forged, PORT_PROTECTED);
  expect(passed.length === 0, `${what}: we took a changed packet`);
  const dropped = refusals(bench) - before;
  expect(dropped === forged.length, `${what}: ${dropped} of ${forged.length} changed packets were dropped as such`);
  const out = giveAll(bench, theirs, PORT_PROTECTED);
  for (const [i, octets] of arriving.entries())
    expectSame(out[i], octets, `${what}, ${lengths[i]} octets: we open another packet than Scapy sealed`);
  const replays = bench.drops(DROP.DROP_REPLAY);
  expect(giveAll(bench, theirs, PORT_PROTECTED).length === 0, `${what}: we took a packet twice`);
  expect(bench.drops(DROP.DROP_REPLAY) - replays === theirs.length, `${what}: replays were dropped for another reason`);
  m.sequence += BigInt(lengths.length);
  counts.pairs++;
  counts.opened += clear.length;
  counts.accepted += theirs.length;
  counts.refused += changed.length + forged.length + otherHigh.length;
  counts.replays += theirs.length;
}

/** Packets that were refused as not genuine, or as of a number that cannot be. */
const refusals = (bench: Bench): number =>
  [DROP.DROP_ICV, DROP.DROP_REPLAY, DROP.DROP_AH_MALFORMED].reduce((sum, reason) => sum + bench.drops(reason), 0);
