/** AES-GCM, AES-GMAC and AES-CCM: Wycheproof, NIST CAVP and ACVP. Seals must equal, opens must accept or refuse. */
import { hex, same, type Suite } from "./suite.ts";
import type { Kernels } from "./kernels.ts";

interface AeadCase {
  key: Buffer;
  iv: Buffer;
  aad: Buffer;
  plaintext: Buffer;
  ciphertext: Buffer;
  tag: Buffer;
  valid: boolean;
}

const NONCE = "ESP and IKE use 96-bit nonces";
const TAG = "ESP and IKE use tags of 64, 96 or 128 bits";

function gcmReason(ivOctets: number, tagOctets: number): string | undefined {
  if (ivOctets !== 12) return NONCE;
  return [8, 12, 16].includes(tagOctets) ? undefined : TAG;
}

function gcm(kernels: Kernels, item: AeadCase): boolean | string {
  const opened = kernels.gcmOpen(item.key, item.iv, item.aad, item.ciphertext, item.tag);
  if (!item.valid) return opened === null || "accepted a forgery";
  const sealed = kernels.gcmSeal(item.key, item.iv, item.aad, item.plaintext);
  const whole = Buffer.concat([item.ciphertext, item.tag]);
  const seal = same(sealed.subarray(0, whole.length), whole);
  return seal === true ? same(opened, item.plaintext) : seal;
}

function ccm(kernels: Kernels, item: AeadCase): boolean | string {
  const opened = kernels.ccmOpen(item.key, item.iv, item.aad, item.ciphertext, item.tag);
  if (!item.valid) return opened === null || "accepted a forgery";
  const sealed = kernels.ccmSeal(item.key, item.iv, item.aad, item.plaintext, item.tag.length);
  const seal = same(sealed, Buffer.concat([item.ciphertext, item.tag]));
  return seal === true ? same(opened, item.plaintext) : seal;
}

function wycheproofCase(test: any): AeadCase {
  return {
    key: hex(test.key),
    iv: hex(test.iv),
    aad: hex(test.aad),
    plaintext: hex(test.msg),
    ciphertext: hex(test.ct),
    tag: hex(test.tag),
    valid: test.result !== "invalid",
  };
}

export const wycheproofAead: Suite = {
  name: "Wycheproof AES-GCM and AES-CCM",
  takes: (_path, content) => content.algorithm === "AES-GCM" || content.algorithm === "AES-CCM",
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        const item = wycheproofCase(test);
        const name = `tcId ${test.tcId}`;
        if (content.algorithm === "AES-CCM") {
          await report.check(name, () => ccm(kernels, item));
          continue;
        }
        const reason = gcmReason(item.iv.length, group.tagSize / 8);
        if (reason !== undefined) report.outside(reason);
        else await report.check(name, () => gcm(kernels, item));
      }
    }
  },
};

export const wycheproofGmac: Suite = {
  name: "Wycheproof AES-GMAC",
  takes: (_path, content) => content.algorithm === "AES-GMAC",
  async run(content, report, kernels) {
    const none = Buffer.alloc(0);
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        const reason = gcmReason(group.ivSize / 8, group.tagSize / 8);
        if (reason !== undefined) {
          report.outside(reason);
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () =>
          gcm(kernels, {
            key: hex(test.key),
            iv: hex(test.iv),
            aad: hex(test.msg),
            plaintext: none,
            ciphertext: none,
            tag: hex(test.tag),
            valid: test.result !== "invalid",
          }),
        );
      }
    }
  },
};

export const acvpGcm: Suite = {
  name: "ACVP AES-GCM and AES-GMAC",
  takes: (path) => /acvp_aes_g(cm|mac)\.json$/.test(path),
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        const reason = gcmReason(group.ivLen / 8, group.tagLen / 8);
        if (reason !== undefined) {
          report.outside(reason);
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () =>
          gcm(kernels, {
            key: hex(test.key),
            iv: hex(test.iv),
            aad: hex(test.aad),
            plaintext: hex(test.pt),
            ciphertext: hex(test.ct),
            tag: hex(test.tag),
            valid: test.testPassed !== false,
          }),
        );
      }
    }
  },
};

export const cavpGcm: Suite = {
  name: "CAVP AES-GCM",
  takes: (path) => /cavp_aes_gcm\w+\.json$/.test(path),
  async run(content, report, kernels) {
    for (const [index, test] of content.tests.entries()) {
      const item: AeadCase = {
        key: hex(test.key),
        iv: hex(test.iv),
        aad: hex(test.aad),
        plaintext: hex(test.pt),
        ciphertext: hex(test.ct),
        tag: hex(test.tag),
        valid: test.ok !== false,
      };
      const reason = gcmReason(item.iv.length, item.tag.length);
      if (reason !== undefined) report.outside(reason);
      else await report.check(`item ${index}`, () => gcm(kernels, item));
    }
  },
};
