/** Whole ESP packets at kernel level: draft-mcgrew-gcm-test, RFC 3602, DPDK, OpenDataPlane, Linux, captures with keys. */
import { hex, same, type Suite } from "./suite.ts";
import { espOpen, espSeal, espTrailer, ipPayload, type EspCipher, type EspSuite } from "./esp_packet.ts";
import type { Kernels } from "./kernels.ts";

const HASHES: Record<string, [number, number]> = { SHA256_HMAC: [2, 16], SHA384_HMAC: [3, 24], SHA512_HMAC: [4, 32] };
const CIPHERS: Record<string, EspCipher | undefined> = {
  AES_GCM: "gcm",
  AES_CCM: "ccm",
  AES_CBC: "cbc",
  AES_CTR: "ctr",
  NULL: "null",
};
const PROTOCOL_UDP = 17;
const PROTOCOL_ESP = 50;

/** Opens a packet, compares, seals the same again and compares. */
function roundTrip(
  kernels: Kernels,
  suite: EspSuite,
  esp: Buffer,
  expected: (plaintext: Buffer) => boolean | string,
  sequenceHigh?: number,
): boolean | string {
  const plaintext = espOpen(kernels, suite, esp, sequenceHigh);
  if (plaintext === null) return "refused";
  const clear = expected(plaintext);
  if (clear !== true) return clear;
  const sealed = same(espSeal(kernels, suite, esp, plaintext, sequenceHigh), esp);
  if (sealed !== true || suite.icvOctets === 0) return sealed;
  const forged = Buffer.from(esp);
  forged[esp.length - 1]! ^= 1;
  return espOpen(kernels, suite, forged, sequenceHigh) === null || "accepted a forgery";
}

export const mcgrewEsp: Suite = {
  name: "draft-mcgrew-gcm-test",
  takes: (path) => path.endsWith("draft_mcgrew_gcm_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      await report.check(`case ${test.case}`, () => {
        const esp = hex(test.esp);
        const suite: EspSuite = { cipher: "gcm", key: hex(test.key), salt: hex(test.salt), icvOctets: 16 };
        const high = test.esn ? parseInt(test.seq.slice(0, 8), 16) : undefined;
        return roundTrip(kernels, suite, esp, (plaintext) => same(plaintext, hex(test.esp_plaintext)), high);
      });
    }
  },
};

export const rfc3602: Suite = {
  name: "RFC 3602 AES-CBC",
  takes: (path) => path.endsWith("rfc3602_aes_cbc_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.blocks) {
      await report.check(`case ${test.case}`, () => {
        const sealed = same(kernels.cbc(true, hex(test.key), hex(test.iv), hex(test.pt)), hex(test.ct));
        return sealed === true
          ? same(kernels.cbc(false, hex(test.key), hex(test.iv), hex(test.ct)), hex(test.pt))
          : sealed;
      });
    }
    for (const test of content.esp_packets) {
      await report.check(`case ${test.case}, ESP packet`, () => {
        const packet = hex(test.packet);
        const suite: EspSuite = { cipher: "cbc", key: hex(test.key), salt: Buffer.alloc(0), icvOctets: 0 };
        const esp = packet.subarray(ipPayload(packet).at);
        return roundTrip(kernels, suite, esp, (plaintext) => same(plaintext, hex(test.esp_plaintext)));
      });
    }
  },
};

export const linuxEsp: Suite = {
  name: "ESP of the Linux kernel",
  takes: (path) => path.endsWith("linux_esp_via_scapy.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      await report.check(test.name, () => {
        const keymat = hex(test.keymat);
        const cipher = (
          { "AES-CBC": "cbc", "AES-CTR": "ctr", "AES-GCM": "gcm", "AES-NULL-GMAC": "gmac", "AES-CCM": "ccm" } as const
        )[test.encr_algo as "AES-CBC"];
        if (cipher === undefined) return `unknown cipher ${test.encr_algo}`;
        const saltOctets = { cbc: 0, ctr: 4, gcm: 4, gmac: 4, ccm: 3 }[cipher];
        const end = keymat.length - saltOctets;
        const suite: EspSuite = {
          cipher,
          key: keymat.subarray(0, end),
          salt: keymat.subarray(end),
          icvOctets: test.icv_len,
        };
        const high = test.esn ? test.seq_hi : undefined;
        return roundTrip(
          kernels,
          suite,
          hex(test.esp),
          (plaintext) => {
            const trailer = espTrailer(plaintext);
            if (trailer === null || trailer.nextHeader !== test.next_header) return "the trailer is wrong";
            return same(trailer.data, hex(test.inner));
          },
          high,
        );
      });
    }
  },
};

export const dpdkEsp: Suite = {
  name: "ESP of DPDK",
  takes: (path) => path.endsWith("dpdk_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      if (test.encr_algo === "3DES_CBC") {
        report.skip("3DES is not offered");
        continue;
      }
      await report.check(test.name, () => {
        const cipher = CIPHERS[test.encr_algo];
        if (cipher === undefined) return `unknown cipher ${test.encr_algo}`;
        const suite: EspSuite = { cipher, key: hex(test.key), salt: hex(test.salt), icvOctets: test.icv_len };
        if (cipher === "cbc") {
          suite.hash = HASHES[test.integ_algo]![0];
          suite.integrityKey = hex(test.integ_key);
        }
        const packet = hex(test.packet);
        const esp = packet.subarray(ipPayload(packet).at);
        return roundTrip(kernels, suite, esp, (plaintext) => {
          const trailer = espTrailer(plaintext);
          return trailer === null ? "no trailer" : same(trailer.data, hex(test.inner));
        });
      });
    }
  },
};

/** Why an OpenDataPlane test is not one of the kernels. */
function odpReason(test: any): string | undefined {
  if (test.sas.some((sa: any) => sa.proto === "ah")) return "AH is not built";
  if (test.antireplay_window) return "the replay window is the board's, and this cipher is not installed on boards";
  return undefined;
}

function odpSuite(sa: any): EspSuite {
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

export const odpEsp: Suite = {
  name: "ESP of OpenDataPlane",
  takes: (path) => path.endsWith("odp_esp.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      const reason = odpReason(test);
      if (reason !== undefined) {
        report.skip(reason);
        continue;
      }
      await report.check(test.name, () => {
        for (const text of test.packets as string[]) {
          const packet = hex(text);
          const { at: payload, protocol } = ipPayload(packet);
          let at = payload;
          if (protocol === PROTOCOL_UDP) {
            if (!test.udp_encap) return "UDP where plain ESP was agreed";
            at += 8;
          } else if (protocol !== PROTOCOL_ESP) return `protocol ${protocol} is not ESP`;
          const suite = odpSuite(test.sas[0]);
          const esp = packet.subarray(at);
          if (test.expect === "error:auth") {
            return espOpen(kernels, suite, esp) === null || "accepted a forgery";
          }
          const verdict = roundTrip(kernels, suite, esp, (plaintext) => {
            const trailer = espTrailer(plaintext);
            if (trailer === null) return "no trailer";
            const result = hex(test.result);
            if (test.sas[0].mode === "tunnel" || trailer.nextHeader === 4 || trailer.nextHeader === 41) {
              return same(trailer.data, result);
            }
            if (trailer.nextHeader === 59) return true; // dummy packet (RFC 4303, 2.6): its data have no meaning
            return same(trailer.data, result.subarray(ipPayload(result).at));
          });
          if (verdict !== true) return verdict;
        }
        return test.expect === "ok" || `expected ${test.expect}`;
      });
    }
  },
};

export const capturedEsp: Suite = {
  name: "captured ESP with keys",
  takes: (_path, content) => content.sa_keys !== undefined && Array.isArray(content.frames),
  async run(content, report, kernels) {
    for (const frame of content.frames) {
      if (frame.esp === undefined) continue;
      const sa = content.sa_keys[frame.esp.slice(0, 8)];
      if (sa?.alg !== "aes256-cbc-hmac96" || frame.clear === undefined) {
        report.skip(sa === undefined ? "no key published" : "3DES is not offered");
        continue;
      }
      await report.check(`frame ${frame.n}, decryption`, () => {
        const esp = hex(frame.esp);
        const suite: EspSuite = { cipher: "cbc", key: hex(sa.key), salt: Buffer.alloc(0), icvOctets: 0 };
        // 12 octets of ICV whose key was not published.
        const plaintext = espOpen(kernels, suite, esp.subarray(0, esp.length - 12));
        const trailer = plaintext && espTrailer(plaintext);
        if (!trailer) return "refused";
        return trailer.nextHeader === frame.clear.next_header
          ? same(trailer.data, hex(frame.clear.data))
          : "next header";
      });
    }
  },
};
