/** Whole ESP packets at kernel level: draft-mcgrew-gcm-test, RFC 3602, DPDK, Linux, captures with keys. */
import { hex, same, type Suite } from "./suite.ts";
import { CIPHERS, espBySuite, espOpen, espSeal, espTrailer, HASHES, ipPayload, type EspSuite } from "./esp_packet.ts";
import type { Kernels } from "./kernels.ts";

/** Opens a packet, compares, seals the same again and compares. */
export function roundTrip(
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
  if (sealed !== true) return sealed;
  const whole = espBySuite(kernels, suite, esp, plaintext, sequenceHigh);
  if (whole !== true || suite.icvOctets === 0) return whole;
  return refused(kernels, suite, forge(esp), sequenceHigh);
}

function forge(esp: Buffer): Buffer {
  const forged = Buffer.from(esp);
  forged[esp.length - 1]! ^= 1;
  return forged;
}

export function refused(kernels: Kernels, suite: EspSuite, esp: Buffer, sequenceHigh?: number): boolean | string {
  if (espOpen(kernels, suite, esp, sequenceHigh) !== null) return "accepted a forgery";
  return espBySuite(kernels, suite, esp, null, sequenceHigh);
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

/** Transforms and keys of a packet that the Linux kernel made; a sentence when it has no such thing. */
export function linuxSuite(test: any): EspSuite | string {
  const keymat = hex(test.keymat);
  const cipher = (
    { "AES-CBC": "cbc", "AES-CTR": "ctr", "AES-GCM": "gcm", "AES-NULL-GMAC": "gmac", "AES-CCM": "ccm" } as const
  )[test.encr_algo as "AES-CBC"];
  if (cipher === undefined) return `unknown cipher ${test.encr_algo}`;
  const saltOctets = { cbc: 0, ctr: 4, gcm: 4, gmac: 4, ccm: 3 }[cipher];
  const end = keymat.length - saltOctets;
  return { cipher, key: keymat.subarray(0, end), salt: keymat.subarray(end), icvOctets: test.icv_len };
}

export const linuxEsp: Suite = {
  name: "ESP of the Linux kernel",
  takes: (path) => path.endsWith("linux_esp_via_scapy.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      await report.check(test.name, () => {
        const suite = linuxSuite(test);
        if (typeof suite === "string") return suite;
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
        report.outside("3DES is not offered");
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

export const capturedEsp: Suite = {
  name: "captured ESP with keys",
  takes: (_path, content) => content.sa_keys !== undefined && Array.isArray(content.frames),
  async run(content, report, kernels) {
    for (const frame of content.frames) {
      if (frame.esp === undefined) continue;
      const sa = content.sa_keys[frame.esp.slice(0, 8)];
      if (sa?.alg !== "aes256-cbc-hmac96" || frame.clear === undefined) {
        report.outside(sa === undefined ? "no key published" : "3DES is not offered");
        continue;
      }
      await report.check(`frame ${frame.n}, decryption`, () => {
        const esp = hex(frame.esp);
        const suite: EspSuite = { cipher: "cbc", key: hex(sa.key), salt: Buffer.alloc(0), icvOctets: 0 };
        // 12 octets of ICV whose key was not published.
        const unsealed = esp.subarray(0, esp.length - 12);
        const plaintext = espOpen(kernels, suite, unsealed);
        const whole = espBySuite(kernels, suite, unsealed, plaintext);
        if (whole !== true) return whole;
        const trailer = plaintext && espTrailer(plaintext);
        if (!trailer) return "refused";
        return trailer.nextHeader === frame.clear.next_header
          ? same(trailer.data, hex(frame.clear.data))
          : "next header";
      });
    }
  },
};
