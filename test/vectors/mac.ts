/** SHA, HMAC, CMAC and XCBC with their PRFs: NIST CAVP and ACVP, Wycheproof, RFCs 2202, 4231, 4868, 3566, 4493, 4434, 4615. */
import { hashId, hex, PRF_OF_HASH, same, type Suite } from "./suite.ts";
import type { Kernels } from "./kernels.ts";

const PRF_AES128_XCBC = 4;
const PRF_AES128_CMAC = 8;

export const cavpSha: Suite = {
  name: "CAVP SHA",
  takes: (path) => path.endsWith("cavp_sha.json"),
  async run(content, report, kernels) {
    for (const [name, tests] of Object.entries<any[]>(content.files)) {
      const id = hashId(/^SHA\d+/.exec(name)![0]);
      for (const [index, test] of tests.entries()) {
        const message = hex(test.msg).subarray(0, test.len_bits / 8);
        await report.check(`${name} ${index}`, () => same(kernels.hash(id, message), hex(test.md)));
      }
    }
  },
};

/** HMAC, and the PRF of the same hash when the MAC is whole. */
function hmac(kernels: Kernels, id: number, key: Buffer, message: Buffer, expected: Buffer): boolean | string {
  const mac = same(kernels.hmac(id, key, message).subarray(0, expected.length), expected);
  if (mac !== true) return mac;
  return same(kernels.prf(PRF_OF_HASH[id]!, key, message).subarray(0, expected.length), expected);
}

export const hmacLists: Suite = {
  name: "HMAC of CAVP and the RFCs",
  takes: (path) => /(cavp_hmac|rfc2202_hmac_sha1|rfc4231_hmac_sha2|rfc4868_hmac_ipsec)\.json$/.test(path),
  async run(content, report, kernels) {
    for (const [index, test] of content.tests.entries()) {
      if (/sha-?2?-?224/i.test(test.hash)) {
        report.outside("SHA-224 is no hash of IKE or ESP");
        continue;
      }
      await report.check(`item ${index} (${test.hash})`, () => {
        const mac = hex(test.mac);
        return hmac(kernels, hashId(test.hash), hex(test.key), hex(test.msg), mac);
      });
    }
  },
};

export const acvpHmac: Suite = {
  name: "ACVP HMAC",
  takes: (path) => /acvp_hmac_\w+\.json$/.test(path),
  async run(content, report, kernels, path) {
    const id = hashId(/acvp_hmac_(sha\w+)\.json$/.exec(path)![1]!.replaceAll("_", "-"));
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        if (test.keyLen % 8 !== 0 || test.msgLen % 8 !== 0 || test.macLen % 8 !== 0) {
          report.outside("keys and messages are whole octets");
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => hmac(kernels, id, hex(test.key), hex(test.msg), hex(test.mac)));
      }
    }
  },
};

export const wycheproofMac: Suite = {
  name: "Wycheproof HMAC and CMAC",
  takes: (_path, content) => /^(HMACSHA(1|256|384|512)|AES-CMAC)$/.test(content.algorithm ?? ""),
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        const key = hex(test.key);
        const tag = hex(test.tag);
        if (content.algorithm === "AES-CMAC" && ![16, 24, 32].includes(key.length)) {
          report.outside("a key size that AES does not have: no transform names it");
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          const whole =
            content.algorithm === "AES-CMAC"
              ? kernels.cmac(key, hex(test.msg))
              : kernels.hmac(hashId(content.algorithm.slice(4)), key, hex(test.msg));
          const equal = whole.subarray(0, group.tagSize / 8).equals(tag);
          return equal === (test.result !== "invalid") || `tag ${equal ? "equals" : "differs"}, vector ${test.result}`;
        });
      }
    }
  },
};

export const rfcBlockCipherMac: Suite = {
  name: "AES-XCBC and AES-CMAC of the RFCs",
  takes: (path) => path.endsWith("rfc_aes_xcbc_cmac.json"),
  async run(content, report, kernels) {
    for (const [index, test] of content.tests.entries()) {
      const key = hex(test.key);
      const message = hex(test.msg);
      await report.check(`item ${index} (${test.alg})`, () => {
        const mac = {
          "aes-xcbc": () => kernels.xcbc(key, message),
          "aes-cmac": () => kernels.cmac(key, message),
          "prf-aes-xcbc": () => kernels.prf(PRF_AES128_XCBC, key, message),
          "prf-aes128-xcbc": () => kernels.prf(PRF_AES128_XCBC, key, message),
          "prf-aes-cmac": () => kernels.prf(PRF_AES128_CMAC, key, message),
          "prf-aes128-cmac": () => kernels.prf(PRF_AES128_CMAC, key, message),
        }[test.alg as string];
        if (mac === undefined) return `unknown algorithm ${test.alg}`;
        const truncated = test.mac96 === undefined || mac().subarray(0, 12).equals(hex(test.mac96));
        return truncated ? same(mac(), hex(test.mac)) : "the truncated MAC differs";
      });
    }
  },
};
