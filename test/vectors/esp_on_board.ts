/**
 * Whole ESP and AH packets opened by the IPsec board itself, which is given the SA that they belong to: what esp.ts and odp.ts show of the
 * ciphers, shown of the way through the board.
 */
import { be, checksum, sealedPacket } from "../host/ipsec_bench.ts";
import { withChecksum } from "../host/sa_pair.ts";
import { ahPacket } from "./ah_packet.ts";
import { suiteOpen, suiteSeal } from "./cipher_suite.ts";
import { linuxSuite } from "./esp.ts";
import { CIPHERS, HASHES, espOpen, espSeal, espTrailer, ipPayload, suiteKeys, type EspSuite } from "./esp_packet.ts";
import type { Kernels } from "./kernels.ts";
import { ahSuite, called, espSuite } from "./odp.ts";
import type { FileReport } from "./report.ts";
import { CONSUMED, fates, type BoardSa } from "./sa_board.ts";
import { hex, same, type Suite } from "./suite.ts";

const PROTOCOL_ICMPV6 = 58;

/** KEYMAT and transforms of an ESP suite; undefined without integrity, which the board does not offer. */
export function espSa(suite: EspSuite, spi: number): BoardSa | undefined {
  if (suite.icvOctets === 0) return undefined;
  const { encryption, keyBits, integrity, keymat } = suiteKeys(suite);
  return { protocol: 50, transport: false, spi, encryption, keyBits, integrity, keymat };
}

/**
 * SPIs below 256 are reserved (RFC 4303 2.1), the board takes no SA with them, and some vectors have nothing else. Such a packet gets
 * another SPI, and with it another ICV, of the kernels that have made and opened the packet as it was; one that is not genuine stays so.
 */
const MOVED = 0x1000;
const movedSpi = (spi: number): number => (spi < 256 ? spi + MOVED : spi);

function movedEsp(kernels: Kernels, suite: EspSuite, packet: Buffer, udp = false): Buffer {
  const at = ipPayload(packet).at + (udp ? 8 : 0);
  const esp = packet.subarray(at);
  const head = Buffer.from(esp);
  head.writeUInt32BE(movedSpi(esp.readUInt32BE(0)), 0);
  const plaintext = espOpen(kernels, suite, esp);
  const sealed = plaintext === null ? head : espSeal(kernels, suite, head, plaintext);
  return Buffer.concat([packet.subarray(0, at), sealed!]);
}

function movedAh(kernels: Kernels, one: any, packet: Buffer): Buffer {
  const [keys, ivOctets, icvOctets] = ahSuite(one);
  const ah = ahPacket(packet, ivOctets, icvOctets);
  if (ah === null) return packet;
  const { at } = ipPayload(packet);
  const moved = Buffer.from(packet);
  moved.writeUInt32BE(movedSpi(packet.readUInt32BE(at + 4)), at + 4);
  const laid = Buffer.concat([ah.header, ah.iv, ah.data, ah.icv]);
  if (suiteOpen(kernels, keys, laid, ah.header.length, ivOctets, icvOctets) === null) return moved;
  const { header, iv, data } = ahPacket(moved, ivOctets, icvOctets)!;
  const sealed = suiteSeal(kernels, keys, header, iv, data, icvOctets)!;
  sealed.copy(moved, at + 12 + ivOctets, sealed.length - icvOctets);
  return moved;
}

const NO_INTEGRITY = "ESP without integrity: the board does not offer it (its cipher is checked by itself)";

/** An item of a tunnel: its packet comes out as it was. `sequenceHigh` is told with extended sequence numbers. */
async function tunnel(
  report: FileReport,
  kernels: Kernels,
  name: string,
  suite: EspSuite,
  packet: Buffer,
  inner: Buffer,
  sequenceHigh?: number,
): Promise<void> {
  const esp = packet.subarray(ipPayload(packet).at);
  const sa = espSa(suite, movedSpi(esp.readUInt32BE(0)));
  if (sa === undefined) return report.outside(NO_INTEGRITY);
  if (sequenceHigh !== undefined) sa.extended = ((BigInt(sequenceHigh) << 32n) | BigInt(esp.readUInt32BE(4))) - 1n;
  await report.check(`${name}, on the board`, async () => {
    const moved = sa.spi === esp.readUInt32BE(0) ? packet : movedEsp(kernels, suite, packet);
    const [fate] = await fates(sa, [moved], inner[0]! >> 4);
    return typeof fate === "string" ? fate : same(fate!, inner);
  });
}

export const dpdkOnBoard: Suite = {
  name: "ESP of DPDK on the board",
  takes: (path) => path.endsWith("dpdk_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      const cipher = CIPHERS[test.encr_algo];
      if (cipher === undefined) continue;
      const suite: EspSuite = { cipher, key: hex(test.key), salt: hex(test.salt), icvOctets: test.icv_len };
      if (cipher === "cbc") [suite.hash, suite.integrityKey] = [HASHES[test.integ_algo]![0], hex(test.integ_key)];
      await tunnel(report, kernels, test.name, suite, hex(test.packet), hex(test.inner));
    }
  },
};

export const linuxOnBoard: Suite = {
  name: "ESP of the Linux kernel on the board",
  takes: (path) => path.endsWith("linux_esp_via_scapy.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      const suite = linuxSuite(test);
      if (typeof suite === "string") throw new Error(suite);
      // As the kernel sent them, in transport mode around an IP packet (IP in IP): the same octets as tunnel mode's.
      const high = test.esn ? test.seq_hi : undefined;
      await tunnel(report, kernels, test.name, suite, sealedPacket(hex(test.esp)), hex(test.inner), high);
    }
  },
};

/** The draft's next header is ICMP, whatever the packets hold: that is transport mode's business, not a tunnel's. */
export const mcgrewOnBoard: Suite = {
  name: "draft-mcgrew-gcm-test on the board",
  takes: (path) => path.endsWith("draft_mcgrew_gcm_esp.json"),
  async run(content, report) {
    for (const test of content.tests) {
      const suite: EspSuite = { cipher: "gcm", key: hex(test.key), salt: hex(test.salt), icvOctets: 16 };
      const sa = espSa(suite, parseInt(test.spi, 16))!;
      sa.transport = true;
      if (test.esn) sa.extended = BigInt(`0x${test.seq}`) - 1n;
      await report.check(`case ${test.case}, on the board`, async () => {
        const { data, nextHeader } = espTrailer(hex(test.esp_plaintext))!;
        const [fate] = await fates(sa, [sealedPacket(hex(test.esp))], 4);
        if (typeof fate === "string") return fate;
        return same(fate!, sealedPacket(data, { protocol: nextHeader }));
      });
    }
  },
};

export const rfc7634OnBoard: Suite = {
  name: "RFC 7634 on the board",
  takes: (path) => path.endsWith("rfc7634_chacha20_esp_ike.json"),
  async run({ esp }, report, kernels) {
    const keymat = hex(esp.keymat);
    const suite: EspSuite = { cipher: "chacha", key: keymat.subarray(0, 32), salt: keymat.subarray(32), icvOctets: 16 };
    await tunnel(report, kernels, "ESP packet", suite, hex(esp.packet), hex(esp.inner));
  },
};

/** What OpenDataPlane expects of its packets, in our words. */
const EXPECTED: Record<string, string> = {
  "error:auth": "auth",
  "error:antireplay": "antireplay",
  "error:proto": "no SA",
};

/**
 * A clear packet is the one that is named. In UDP over IPv6 the packets have the checksum of ICMP in ICMPv6, and the board, which reckons it
 * anew (RFC 3948 3.1.2), gives the right one.
 */
function arrived(sa: BoardSa, fate: Buffer, result: Buffer): boolean | string {
  const { at, protocol } = ipPayload(result);
  if (sa.udp !== true || protocol !== PROTOCOL_ICMPV6 || fate.length < at + 4) return same(fate, result);
  const pseudo = Buffer.concat([fate.subarray(8, 40), be(fate.length - at, 4), be(protocol, 4)]);
  if (checksum(Buffer.concat([pseudo, fate.subarray(at)])) !== 0) return "the checksum of ICMPv6 is wrong";
  return same(withoutChecksum(fate, at), withoutChecksum(result, at));
}

function withoutChecksum(packet: Buffer, at: number): Buffer {
  const octets = Buffer.from(packet);
  octets.writeUInt16BE(0, at + 2);
  return octets;
}

/** One of the packets has an IPv4 checksum that is off by one; the board would not look further. */
function mended(packet: Buffer): Buffer {
  return packet[0]! >> 4 === 4 && checksum(packet.subarray(0, (packet[0]! & 15) * 4)) !== 0
    ? withChecksum(Buffer.from(packet))
    : packet;
}

export const odpOnBoard: Suite = {
  name: "ESP and AH of OpenDataPlane on the board",
  takes: (path) => path.endsWith("odp_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      const [one] = test.sas;
      const spi = movedSpi(parseInt(one.spi, 16));
      const ah = one.proto === "ah";
      const sa: BoardSa | undefined = ah ? ahSa(one, spi) : espSa(espSuite(one), spi);
      if (sa === undefined) {
        report.outside(NO_INTEGRITY);
        continue;
      }
      sa.transport = one.mode === "transport";
      sa.udp = test.udp_encap;
      sa.window = test.antireplay_window ?? 64;
      await report.check(`${test.name}, on the board`, async () => {
        const calls = (test.calls as string[]).map((call) => called(test, call));
        const result = hex(test.result);
        const family = result.length === 0 ? 4 : result[0]! >> 4;
        const seen = await fates(
          sa,
          calls.map(({ packet }) =>
            mended(ah ? movedAh(kernels, one, packet) : movedEsp(kernels, espSuite(one), packet, test.udp_encap)),
          ),
          family,
        );
        for (const [i, { replayed }] of calls.entries()) {
          const fate = seen[i]!;
          const wanted = replayed ? "antireplay" : test.expect === "error:antireplay" ? "ok" : test.expect;
          // A dummy packet (RFC 4303 2.6) goes no further.
          const dummy = wanted === "ok" && ipPayload(result).protocol === 59;
          const expected = dummy ? CONSUMED : (EXPECTED[wanted] ?? wanted);
          if (typeof fate === "string" ? fate !== expected : expected !== "ok") return `${test.calls[i]}: ${fate}`;
          if (typeof fate === "string") continue;
          const right = arrived(sa, fate, result);
          if (right !== true) return right;
        }
        return true;
      });
    }
  },
};

function ahSa(one: any, spi: number): BoardSa {
  const [keys] = ahSuite(one);
  // IANA's AUTH_AES_*_GMAC by its key's octets.
  const gmac = { 16: 9, 24: 10, 32: 11 }[hex(one.integ_key).length as 16];
  const integrity = one.integ_algo === "AES_GMAC" ? gmac : keys.integrity;
  return { protocol: 51, transport: false, spi, encryption: 0, keyBits: 0, integrity, keymat: keys.keymat };
}
