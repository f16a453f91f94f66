/**
 * Hostile and foreign input into the real boards: fuzz messages, captures, OpenIKED's byte mutations, Android's payloads.
 *
 * What each message does is the protocol tests' business; here a board that traps, loses count of a frame or never comes to
 * rest has failed. Every image that was built takes part, on both kinds of link.
 */
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { buildAll } from "../../host/build/build.ts";
import type { Build } from "../../host/chassis/image.ts";
import { BoardBench, type BoardName, datagram, ipv4, LOCAL, PEER, redirected } from "./board_bench.ts";
import type { FileReport } from "./report.ts";
import { hex, type Suite } from "./suite.ts";

const PORT_IKE = 500;
const PORT_NATT = 4500;
const NON_ESP_MARKER = Buffer.alloc(4);
const PAYLOAD_TYPES = [33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 53];
const BUILDS: readonly Build[] = ["simd", "base"];

let benches: Promise<BoardBench[]> | undefined;

/** Every board, its simd image on Ethernet, its base image on ATM; built first when they are not up to date. */
function powered(): Promise<BoardBench[]> {
  return (benches ??= (async () => {
    await buildAll({ boards: ["ike", "ipsec"], builds: BUILDS });
    const all: BoardBench[] = [];
    for (const name of ["ike", "ipsec"] as BoardName[]) {
      for (const build of BUILDS) {
        const bench = new BoardBench(name, build, build === "simd" ? "ethernet" : "atm");
        await bench.power();
        all.push(bench);
      }
    }
    return all;
  })());
}

/** Feeds packets to every board, one item: no trap, books balanced, every packet counted in. */
async function feed(packets: () => Iterable<Buffer>, everywhere: boolean): Promise<boolean | string> {
  for (const bench of await powered()) {
    const before = bench.counts.in;
    let given = 0;
    try {
      for (const packet of packets()) {
        if (everywhere) await bench.pushEverywhere(packet);
        else await bench.push(PORT_UNPROTECTED, packet);
        given += everywhere ? 4 : 1;
      }
      await bench.settle();
    } catch (error) {
      await bench.power();
      return `${bench.name}.${bench.build} on ${bench.link}: ${(error as Error).stack ?? error}`;
    }
    const taken = bench.counts.in - before;
    if (taken < given) return `${bench.name}.${bench.build}: ${given} packets delivered, ${taken} counted in`;
  }
  return true;
}

/** A message in UDP to both ports. */
function both(message: Buffer): Buffer[] {
  return [datagram(PORT_IKE, message), datagram(PORT_NATT, Buffer.concat([NON_ESP_MARKER, message]))];
}

async function checkAll(report: FileReport, items: Iterable<[string, () => Iterable<Buffer>, boolean]>): Promise<void> {
  for (const [name, packets, everywhere] of items) {
    await report.check(`${name} into the boards`, () => feed(packets, everywhere));
  }
}

export const fuzzMessages: Suite = {
  name: "fuzz messages into the boards",
  takes: (path, content) => /(^|\/)ike_(derived|messages)\.json$/.test(path) && Array.isArray(content.messages),
  async run(content, report) {
    await checkAll(
      report,
      content.messages.map((message: any): [string, () => Buffer[], boolean] => {
        const octets = hex(message.hex);
        const packets = (): Buffer[] => {
          if (message.transport === "raw ip packet") return [octets, redirected(octets)];
          if (message.transport === "udp4500 esp-in-udp") return [datagram(PORT_NATT, octets)];
          return both(octets);
        };
        return [`message ${message.id} (${message.op ?? message.name})`, packets, true];
      }),
    );
  },
};

/** Octets of the link-layer header before the IP packet, by pcap LINKTYPE; -1: not an IP packet. */
function ipAt(frame: Buffer, linktype: number): number {
  if (linktype === 0) return 4;
  if (linktype !== 1) return -1;
  const type = frame.readUInt16BE(12);
  return type === 0x0800 || type === 0x86dd ? 14 : -1;
}

export const capturedFrames: Suite = {
  name: "captured frames into the boards",
  takes: (_path, content) => Array.isArray(content.frames) && content.linktype !== undefined,
  async run(content, report) {
    for (const frame of content.frames) {
      const octets = hex(frame.frame);
      const at = ipAt(octets, content.linktype);
      if (at < 0) {
        report.outside("no IP packet: a board's ports carry IP");
        continue;
      }
      await report.check(`frame ${frame.n} into the boards`, () => {
        const packet = octets.subarray(at);
        const packets = [packet, redirected(packet)];
        if (frame.ike !== undefined) packets.push(...both(hex(frame.ike)));
        if (frame.esp !== undefined) {
          packets.push(ipv4(PEER, LOCAL, 50, hex(frame.esp)), datagram(PORT_NATT, hex(frame.esp)));
        }
        return feed(() => packets, true);
      });
    }
  },
};

/** A message with one payload of `type`, its header as `head` (cookies and generic header) has it. */
function withPayload(head: Buffer, type: number, payload: Buffer): Buffer {
  const message = Buffer.concat([head, payload]);
  message[16] = type;
  message.writeUInt32BE(message.length, 24);
  return message;
}

/** OpenIKED's fuzzing: every octet at every other value, and every truncation. */
function* mutations(message: Buffer, from: number): Generator<Buffer> {
  for (let at = from; at < message.length; at++) {
    for (let change = 1; change < 256; change++) {
      const copy = Buffer.from(message);
      copy[at]! ^= change;
      yield copy;
    }
  }
  for (let length = 0; length < message.length; length++) yield message.subarray(0, length);
}

export const openikedPayloads: Suite = {
  name: "OpenIKED payloads and their mutations into the boards",
  takes: (path, content) => path.endsWith("openiked_payloads.json") && content.arrays !== undefined,
  async run(content, report) {
    const head = Buffer.concat([hex(content.arrays.cookies), hex(content.arrays.genhdr)]);
    await checkAll(
      report,
      Object.entries<string>(content.arrays).map(([name, text]): [string, () => Iterable<Buffer>, boolean] => {
        const type = content.payload_type[name];
        if (type !== undefined) {
          const message = withPayload(head, type, hex(text));
          return [
            `${name} and its mutations`,
            function* () {
              yield* both(message);
              for (const mutation of mutations(message, head.length)) yield datagram(PORT_IKE, mutation);
            },
            false,
          ];
        }
        const message = name === "valid_packet" ? hex(text) : name === "genhdr" ? head : hex(text);
        return [
          `${name} and its mutations`,
          function* () {
            yield* both(message);
            for (const mutation of mutations(message, 0)) yield datagram(PORT_IKE, mutation);
          },
          false,
        ];
      }),
    );
  },
};

export const androidStrings: Suite = {
  name: "Android payloads into the boards",
  takes: (path, content) => path.endsWith("android_strings.json") && content.classes !== undefined,
  async run(content, report) {
    const head = Buffer.alloc(28);
    head.writeBigUInt64BE(0x5f54bf6d8b48e6e1n, 0);
    head.set([33, 0x20, 34, 8], 16);
    for (const [name, strings] of Object.entries<Record<string, string>>(content.classes)) {
      for (const [constant, text] of Object.entries(strings)) {
        if (!/^([0-9a-f]{2})*$/i.test(text)) {
          report.outside("not octets");
          continue;
        }
        await report.check(`${name}.${constant} into the boards`, () => {
          const octets = hex(text);
          const packets = both(octets);
          for (const type of PAYLOAD_TYPES) {
            // As a payload with its generic header, and as the body of one.
            packets.push(datagram(PORT_IKE, withPayload(head, type, octets)));
            const generic = Buffer.alloc(4);
            generic.writeUInt16BE(4 + octets.length, 2);
            packets.push(datagram(PORT_IKE, withPayload(head, type, Buffer.concat([generic, octets]))));
          }
          return feed(() => packets, false);
        });
      }
    }
  },
};
