/**
 * OpenDataPlane's inbound IPsec tests: ESP and AH packets in tunnel and transport mode, and its calls in order through the
 * anti-replay window.
 */
import { ahPacket } from "./ah_packet.ts";
import { ENCR, INTEG_OF_HASH, suiteOpen, suiteSeal, type SuiteKeys } from "./cipher_suite.ts";
import { refused, roundTrip } from "./esp.ts";
import { CIPHERS, espTrailer, HASHES, ipPayload, type EspSuite } from "./esp_packet.ts";
import type { Kernels } from "./kernels.ts";
import { hex, same, type Suite } from "./suite.ts";

const PROTOCOL_IPV4 = 4;
const PROTOCOL_UDP = 17;
const PROTOCOL_IPV6 = 41;
const PROTOCOL_ESP = 50;
const PROTOCOL_NONE = 59;

export function espSuite(sa: any): EspSuite {
  const none = Buffer.alloc(0);
  if (sa.encr_algo === "AES_GCM") return { cipher: "gcm", key: hex(sa.key), salt: hex(sa.salt), icvOctets: 16 };
  if (sa.encr_algo === "CHACHA20_POLY1305") {
    return { cipher: "chacha", key: hex(sa.key), salt: hex(sa.salt), icvOctets: 16 };
  }
  if (sa.integ_algo === "AES_GMAC") {
    return { cipher: "gmac", key: hex(sa.integ_key), salt: hex(sa.integ_salt), icvOctets: 16 };
  }
  const cipher = CIPHERS[sa.encr_algo];
  if (cipher === undefined) throw new Error(`unknown cipher ${sa.encr_algo}`);
  const suite: EspSuite = { cipher, key: hex(sa.key), salt: cipher === "ctr" ? hex(sa.salt) : none, icvOctets: 0 };
  if (sa.integ_algo === "NULL") return suite;
  const [hash, icvOctets] = HASHES[sa.integ_algo]!;
  return { ...suite, hash, icvOctets, integrityKey: hex(sa.integ_key) };
}

/** What a test does with one of its packets: the sequence number when it is accepted, or what is wrong. */
type Verdict = { sequence: number } | "auth" | "proto" | Error;

/** The clear payload is what the test says: a whole packet behind a tunnel, a packet's payload otherwise. */
function clear(test: any, nextHeader: number, payload: Buffer): boolean | string {
  const result = hex(test.result);
  const whole = test.sas[0].mode === "tunnel" || nextHeader === PROTOCOL_IPV6;
  if (whole || (nextHeader === PROTOCOL_IPV4 && payload.equals(result))) return same(payload, result);
  if (nextHeader === PROTOCOL_NONE) return true; // dummy packet (RFC 4303, 2.6): its data have no meaning
  return same(payload, result.subarray(ipPayload(result).at));
}

function espPacket(kernels: Kernels, test: any, packet: Buffer): Verdict {
  const { at: payload, protocol } = ipPayload(packet);
  if (protocol !== (test.udp_encap ? PROTOCOL_UDP : PROTOCOL_ESP)) return "proto";
  const esp = packet.subarray(payload + (test.udp_encap ? 8 : 0));
  const suite = espSuite(test.sas[0]);
  if (test.expect === "error:auth") {
    const outcome = refused(kernels, suite, esp);
    return outcome === true ? "auth" : new Error(String(outcome));
  }
  const outcome = roundTrip(kernels, suite, esp, (plaintext) => {
    const trailer = espTrailer(plaintext);
    return trailer === null ? "no trailer" : clear(test, trailer.nextHeader, trailer.data);
  });
  return outcome === true ? { sequence: esp.readUInt32BE(4) } : new Error(String(outcome));
}

export function ahSuite(sa: any): [SuiteKeys, number, number] {
  const key = hex(sa.integ_key);
  if (sa.integ_algo === "AES_GMAC") {
    const keymat = Buffer.concat([key, hex(sa.integ_salt)]);
    return [{ encryption: ENCR.gmac, keyBits: key.length * 8, integrity: 0, keymat }, 8, 16];
  }
  const [hash, icvOctets] = HASHES[sa.integ_algo]!;
  return [{ encryption: ENCR.null, keyBits: 0, integrity: INTEG_OF_HASH[hash]!, keymat: key }, 0, icvOctets];
}

function ahVerdict(kernels: Kernels, test: any, packet: Buffer): Verdict {
  const [keys, ivOctets, icvOctets] = ahSuite(test.sas[0]);
  const ah = ahPacket(packet, ivOctets, icvOctets);
  if (ah === null) return "proto";
  const { header, iv, data, icv } = ah;
  const laid = Buffer.concat([header, iv, data, icv]);
  if (suiteOpen(kernels, keys, laid, header.length, ivOctets, icvOctets) === null) return "auth";
  const sealed = suiteSeal(kernels, keys, header, iv, data, icvOctets);
  if (sealed === null || !sealed.equals(laid)) return new Error("the suite seals it otherwise");
  const right = clear(test, ah.nextHeader, ah.payload);
  return right === true ? { sequence: ah.sequence } : new Error(String(right));
}

/** Which packet a call feeds, by the end of its name; and whether the window is to refuse it. */
export function called(test: any, call: string): { packet: Buffer; replayed: boolean } {
  const replayed = call.endsWith("_repl");
  const number = /_(\d+)$/.exec(call)?.[1];
  const index = number === undefined ? 0 : test.packet_names.findIndex((name: string) => name.endsWith(`_${number}`));
  if (index < 0) throw new Error(`no packet for ${call}`);
  return { packet: hex(test.packets[index]), replayed };
}

export const odpEsp: Suite = {
  name: "ESP and AH of OpenDataPlane",
  takes: (path) => path.endsWith("odp_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      await report.check(test.name, () => {
        const window: number | null = test.antireplay_window;
        if (window !== null) kernels.replayBegin(window);
        for (const call of test.calls as string[]) {
          const { packet, replayed } = called(test, call);
          const verdict = (test.sas[0].proto === "ah" ? ahVerdict : espPacket)(kernels, test, packet);
          if (verdict instanceof Error) return verdict.message;
          if (typeof verdict === "string") return test.expect === `error:${verdict}` || `${call}: error:${verdict}`;
          if (window === null) continue;
          const passes = kernels.replayPass(verdict.sequence);
          if (passes === replayed) return `${call}: number ${verdict.sequence} ${passes ? "passes" : "is refused"}`;
        }
        return test.expect === "ok" || test.expect === "error:antireplay" || `accepted, expected ${test.expect}`;
      });
    }
  },
};
