/** AES-CBC and AES-CTR: NIST known answers and Monte Carlo, ACVP, RFC 3686, RFC 3602, Wycheproof. */
import { hex, same, type Suite } from "./suite.ts";

export const cavpCbc: Suite = {
  name: "CAVP AES-CBC",
  takes: (path) => path.endsWith("cavp_aes_cbc.json"),
  async run(content, report, kernels) {
    for (const [name, tests] of Object.entries<any[]>(content.files)) {
      for (const test of tests) {
        const encrypt = test.op === "encrypt";
        const input = hex(encrypt ? test.pt : test.ct);
        const output = hex(encrypt ? test.ct : test.pt);
        await report.check(`${name} ${test.op} ${test.count}`, () =>
          name.startsWith("CBCMCT")
            ? same(kernels.cbcMonteCarlo(encrypt, hex(test.key), hex(test.iv), input), output)
            : same(kernels.cbc(encrypt, hex(test.key), hex(test.iv), input), output),
        );
      }
    }
  },
};

/** The plaintext without PKCS #5 padding, or null. The kernels know no padding: this is the vectors' own. */
function unpad(text: Buffer): Buffer | null {
  const octets = text.at(-1) ?? 0;
  if (octets < 1 || octets > 16 || text.length < octets) return null;
  const padding = text.subarray(text.length - octets);
  return padding.every((octet) => octet === octets) ? text.subarray(0, text.length - octets) : null;
}

export const wycheproofCbc: Suite = {
  name: "Wycheproof AES-CBC",
  takes: (_path, content) => content.algorithm === "AES-CBC-PKCS5",
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await report.check(`tcId ${test.tcId}`, () => {
          const key = hex(test.key);
          const iv = hex(test.iv);
          const ciphertext = hex(test.ct);
          const padded = kernels.cbc(false, key, iv, ciphertext);
          if (padded === null) return test.result === "invalid";
          const again = same(kernels.cbc(true, key, iv, padded), ciphertext);
          if (again !== true) return again;
          const clear = unpad(padded);
          if (test.result === "invalid") return clear === null || "padding that is not there";
          return same(clear, hex(test.msg));
        });
      }
    }
  },
};

export const acvpCtr: Suite = {
  name: "ACVP AES-CTR",
  takes: (path) => path.endsWith("acvp_aes_ctr.json"),
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        if (test.payloadLen % 8 !== 0) {
          report.outside("packets are whole octets");
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          const forth = same(kernels.ctrFrom(hex(test.key), hex(test.iv), hex(test.pt)), hex(test.ct));
          if (forth !== true) return forth;
          return same(kernels.ctrFrom(hex(test.key), hex(test.iv), hex(test.ct)), hex(test.pt));
        });
      }
    }
  },
};

export const rfc3686: Suite = {
  name: "RFC 3686 AES-CTR",
  takes: (path) => path.endsWith("rfc3686_aes_ctr.json"),
  async run(content, report, kernels) {
    for (const test of content.tests) {
      await report.check(`test vector ${test.n}`, () =>
        same(kernels.ctr(hex(test.key), hex(test.nonce), hex(test.iv), hex(test.pt)), hex(test.ct)),
      );
    }
  },
};
