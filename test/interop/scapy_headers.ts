/**
 * What the way may write on a packet between one of our boards and Scapy, and what it must not: AH's mutable fields (RFC 4302 3.3.3.1
 * and appendix A), IPv4 options, IPv6 extension headers, and ECN in and out of tunnels (RFC 6040).
 */

import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import * as M from "../../assembly/abi/message.ts";
import type { SeededRandom } from "../../host/chassis/entropy.ts";
import { GATEWAYS, TUNNELS, board, clearPacket, datagram, giveAll } from "../host/sa_pair.ts";
import { installPair, packet, settingName, withChecksum } from "../host/sa_pair.ts";
import type { Family, Header, Setting } from "../host/sa_pair.ts";
import { expect } from "./process.ts";
import type { Scapy } from "./scapy.ts";
import { expectRefused, expectSame, octetsOf, request } from "./scapy_exchange.ts";
import type { Meeting } from "./scapy_exchange.ts";

/** A packet with these headers, and what happens to it between the gateways. */
interface Journey {
  name: string;
  family: Family;
  header: Header;
  /** Where it is addressed to, when that is not where it arrives. */
  destination?: Buffer;
  /** What the way writes and may write. */
  way(octets: Buffer): void;
  /** What AH does not stand for. */
  spoil(octets: Buffer): void;
  /** Our boards seal no such packet. */
  arrivesOnly?: boolean;
}

const octets = (...values: number[]): Buffer => Buffer.from(values);

function fields4(ip: Buffer): void {
  ip[1] = 0xb8; // another DSCP
  ip[6]! |= 0x40; // DF
  ip[8] = 7; // TTL
}

function fields6(ip: Buffer): void {
  ip.writeUInt32BE(0x6b8abcde); // traffic class and flow label
  ip[7] = 7; // hop limit
}

const ROUTER_ALERT = [148, 4, 0, 0];
/** An option of IPv6 that the way may write on, and one that it must not. */
const MUTABLE = [0x3e, 4, 1, 2, 3, 4];
const IMMUTABLE = [0x1e, 4, 1, 2, 3, 4];

const VIA = Buffer.concat([GATEWAYS[6].local.subarray(0, 15), octets(0x77)]);

const JOURNEYS: Journey[] = [
  {
    name: "IPv4: DSCP, DF and TTL",
    family: 4,
    header: { class: 0x28, ttl: 64 },
    way: fields4,
    spoil: (ip) => void (ip[5]! ^= 1), // identification
  },
  {
    name: "IPv4: a recorded route, a time stamp and a router alert",
    family: 4,
    header: { extra: octets(1, 7, 7, 4, 0, 0, 0, 0, ...ROUTER_ALERT, 68, 8, 5, 0, 0, 0, 0, 0) },
    way(ip) {
      fields4(ip);
      ip[23] = 8; // the record's pointer
      octets(192, 0, 2, 99).copy(ip, 24);
      ip[34] = 9; // the time stamp's
      ip.writeUInt32BE(0x01020304, 36);
    },
    spoil: (ip) => void (ip[31]! ^= 1), // the alert's value
  },
  {
    name: "IPv4: options of security, and their end",
    family: 4,
    header: { extra: octets(130, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0) },
    way: fields4,
    spoil: (ip) => void (ip[25]! ^= 0x80),
  },
  {
    name: "IPv6: traffic class, flow label and hop limit",
    family: 6,
    header: { class: 0x28, label: 0x12345, ttl: 64 },
    way: fields6,
    spoil: (ip) => void (ip[8 + 12]! ^= 1), // the source
  },
  {
    name: "IPv6: hop-by-hop options",
    family: 6,
    header: { first: 0, extra: octets(17, 1, ...MUTABLE, ...IMMUTABLE, 1, 0) },
    way(ip) {
      fields6(ip);
      ip.writeUInt32BE(0xfefefefe, 44);
    },
    spoil: (ip) => void (ip[53]! ^= 1), // the option that must stay
  },
  {
    name: "IPv6: hop-by-hop and destination options",
    family: 6,
    header: { first: 0, extra: octets(60, 0, ...MUTABLE, 17, 0, ...IMMUTABLE) },
    way(ip) {
      fields6(ip);
      ip.writeUInt32BE(0xfefefefe, 44);
    },
    spoil: (ip) => void (ip[42]! ^= 1), // the type of an option
  },
  {
    name: "IPv6: a routing header with one more stop",
    family: 6,
    header: { first: 43, extra: Buffer.concat([octets(17, 2, 0, 1, 0, 0, 0, 0), GATEWAYS[6].local]) },
    destination: VIA,
    way(ip) {
      fields6(ip);
      // RFC 8200 4.4: the stop has put its own address into the route.
      ip[43] = 0;
      VIA.copy(ip, 48);
      GATEWAYS[6].local.copy(ip, 24);
    },
    spoil: (ip) => void (ip[60]! ^= 1), // an address of the route
    arrivesOnly: true,
  },
];

function after(journey: Journey, octets: Buffer, write: (octets: Buffer) => void): Buffer {
  const arrived = Buffer.from(octets);
  write(arrived);
  return journey.family === 4 ? withChecksum(arrived) : arrived;
}

/** A party for a setting of its own: a board, and what Scapy knows of it. */
export type Party = Omit<Meeting, "bench" | "setting" | "sequence" | "extended" | "scapy">;

function seated(scapy: Scapy, party: Party, setting: Setting, flags = 0): Meeting {
  const bench = board("simd");
  installPair(bench, setting, party.transform, { flags });
  return { ...party, scapy, bench, setting, extended: false, sequence: 0n };
}

/** Every journey of transport mode, both ways. Gives how many packets arrived, and how many were refused. */
export async function travel(scapy: Scapy, party: Party, random: SeededRandom): Promise<[number, number]> {
  const counts: [number, number] = [0, 0];
  for (const journey of JOURNEYS) {
    const { family, header } = journey;
    const m = seated(scapy, party, { mode: M.MODE_TRANSPORT, outer: family, inner: family, udp: false });
    const ah = party.transform.protocol === 51;
    const { local, remote } = GATEWAYS[family];
    const what = `${party.transform.name}, ${journey.name}`;
    const body = octetsOf(random, 60);
    if (journey.arrivesOnly !== true) {
      const clear = packet(local, remote, datagram(local, remote, body), header);
      const [sealed] = giveAll(m.bench, [clear], PORT_UNPROTECTED);
      expect(sealed !== undefined, `${what}: nothing was sealed`);
      const [good, bad] = await scapy.ask([
        request(m, true, 1n, after(journey, sealed, journey.way)),
        request(m, true, 1n, after(journey, sealed, journey.spoil)),
      ]);
      const expected = after(journey, clear, journey.way);
      expect(good?.packet !== undefined, `${what}: Scapy refused ours: ${good?.refused}, ${good?.why}`);
      expectSame(Buffer.from(good.packet, "hex"), expected, `${what}: Scapy opens another packet than we sealed`);
      counts[0]++;
      if (ah) {
        expectRefused(bad!, `${what}: spoiled`);
        counts[1]++;
      }
    }
    const clear = packet(remote, journey.destination ?? local, datagram(remote, local, body), header);
    const [answer] = await scapy.ask([request(m, false, 1n, clear)]);
    expect(answer?.packet !== undefined, `${what}: Scapy seals nothing: ${answer?.refused}, ${answer?.why}`);
    const arrived = after(journey, Buffer.from(answer.packet, "hex"), journey.way);
    if (ah) {
      const spoiled = after(journey, arrived, journey.spoil);
      expect(giveAll(m.bench, [spoiled], PORT_PROTECTED).length === 0, `${what}: we took it spoiled`);
      counts[1]++;
    }
    const [opened] = giveAll(m.bench, [arrived], PORT_PROTECTED);
    expectSame(opened, after(journey, clear, journey.way), `${what}: we open another packet than Scapy sealed`);
    counts[0]++;
  }
  return counts;
}

const NOT_ECT = 0;
const CE = 3;

/** RFC 6040 figure 4: what a packet that came with `inner` in `outer` goes on with; undefined: it does not. */
function decapsulated(inner: number, outer: number): number | undefined {
  if (inner === NOT_ECT) return outer === CE ? undefined : NOT_ECT;
  if (outer === CE) return CE;
  // ECT(1) outside over ECT(0) inside tells of a milder congestion.
  return inner === 2 && outer === 1 ? 1 : inner;
}

/** The TOS or traffic class of a packet. */
const classOf = (ip: Buffer): number => (ip[0]! >> 4 === 4 ? ip[1]! : (ip.readUInt16BE(0) >> 4) & 0xff);

/** Each ECN mark inside under each outside, in each of the four tunnels, and ours on the way out. */
export async function mark(scapy: Scapy, party: Party, random: SeededRandom): Promise<[number, number]> {
  const counts: [number, number] = [0, 0];
  const marks = [0, 1, 2, 3].flatMap((inner) => [0, 1, 2, 3].map((outer) => [inner, outer] as const));
  for (const setting of TUNNELS.filter(({ udp }) => !udp)) {
    const m = seated(scapy, party, setting);
    const what = `${party.transform.name}, ${settingName(setting)}`;
    const classes = [0x00, 0x29, 0x2a, 0xbb];
    const leaving = classes.map((tos) => clearPacket(setting, true, octetsOf(random, 40), { class: tos }));
    const sealed = giveAll(m.bench, leaving, PORT_UNPROTECTED);
    for (const [i, octets] of sealed.entries())
      expect(classOf(octets) === classes[i], `${what}: class ${classes[i]} inside, ${classOf(octets)} outside`);
    const arriving = marks.map(([inner]) => clearPacket(setting, false, octetsOf(random, 40), { class: 0x28 | inner }));
    const answers = await scapy.ask([
      ...sealed.map((octets, i) => request(m, true, BigInt(i + 1), octets)),
      ...arriving.map((octets, i) => request(m, false, BigInt(i + 1), octets, 0xb8 | marks[i]![1])),
    ]);
    for (const octets of leaving) {
      expectSame(Buffer.from(answers.shift()?.packet ?? "", "hex"), octets, `${what}: ours, marked ${classOf(octets)}`);
      counts[0]++;
    }
    for (const [i, octets] of arriving.entries()) {
      const [inner, outer] = marks[i]!;
      const which = `${what}, ${inner} inside and ${outer} outside`;
      const { packet: sealedHex, refused, why } = answers.shift()!;
      expect(sealedHex !== undefined, `${which}: Scapy seals nothing: ${refused}, ${why}`);
      const [opened] = giveAll(m.bench, [Buffer.from(sealedHex, "hex")], PORT_PROTECTED);
      const ecn = decapsulated(inner, outer);
      if (ecn === undefined) {
        expect(opened === undefined, `${which}: it was passed on`);
        counts[1]++;
      } else {
        expect(opened !== undefined && classOf(opened) === (0x28 | ecn), `${which}: ${opened && classOf(opened)}`);
        const rest = setting.inner === 4 ? 20 : 40;
        expectSame(opened.subarray(rest), octets.subarray(rest), which);
        counts[0]++;
      }
    }
  }
  return counts;
}
