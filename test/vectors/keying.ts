/**
 * IKEv2 key derivation (RFC 7296, 2.14, 2.17, 2.18): NIST CAVP and ACVP, and the exchange of the Android test suite. HKDF vectors
 * (RFC 5869, Wycheproof) as well: its extraction is prf (salt, ikm), its expansion prf+ (prk, info).
 */
import { HASH_OCTETS, hashId, hex, PRF_OF_HASH, same, type Suite } from "./suite.ts";
import { ENCR, INTEG_OF_HASH, suiteOpen, suiteSeal, type SuiteKeys } from "./cipher_suite.ts";
import type { Kernels } from "./kernels.ts";

interface Derivation {
  hash: string;
  ni: Buffer;
  nr: Buffer;
  spiI: Buffer;
  spiR: Buffer;
  secret: Buffer;
  newSecret: Buffer;
  skeyseed: Buffer;
  keys: Buffer;
  child: Buffer;
  childDh: Buffer;
  rekey: Buffer;
}

function derive(kernels: Kernels, item: Derivation): boolean | string {
  const hash = hashId(item.hash);
  const prf = PRF_OF_HASH[hash]!;
  const nonces = Buffer.concat([item.ni, item.nr]);
  const steps: [string, Buffer, Buffer][] = [];
  const skeyseed = kernels.prf(prf, nonces, item.secret);
  steps.push(["SKEYSEED", skeyseed, item.skeyseed]);
  const keys = kernels.prfPlus(prf, skeyseed, Buffer.concat([nonces, item.spiI, item.spiR]), item.keys.length);
  steps.push(["SK_*", keys, item.keys]);
  const skD = keys.subarray(0, HASH_OCTETS[hash]!);
  steps.push(["KEYMAT", kernels.prfPlus(prf, skD, nonces, item.child.length), item.child]);
  const withSecret = Buffer.concat([item.newSecret, nonces]);
  steps.push(["KEYMAT with DH", kernels.prfPlus(prf, skD, withSecret, item.childDh.length), item.childDh]);
  steps.push(["SKEYSEED of the rekeyed IKE SA", kernels.prf(prf, skD, withSecret), item.rekey]);
  for (const [name, actual, expected] of steps) {
    const verdict = same(actual, expected);
    if (verdict !== true) return `${name}: ${verdict}`;
  }
  return true;
}

export const cavpKdf: Suite = {
  name: "CAVP IKEv2 KDF",
  takes: (path) => path.endsWith("cavp_ikev2_kdf.json"),
  async run(content, report, kernels) {
    for (const [index, group] of content.groups.entries()) {
      for (const test of group.tests) {
        if (/224/.test(group.hash)) {
          report.outside("SHA-224 is no PRF of IKEv2");
          continue;
        }
        await report.check(`group ${index} count ${test.count}`, () =>
          derive(kernels, {
            hash: group.hash,
            ni: hex(test.Ni),
            nr: hex(test.Nr),
            spiI: hex(test.SPIi),
            spiR: hex(test.SPIr),
            secret: hex(test.g_ir),
            newSecret: hex(test.g_ir_new),
            skeyseed: hex(test.SKEYSEED),
            keys: hex(test.DKM),
            child: hex(test.DKM_child),
            childDh: hex(test.DKM_child_dh),
            rekey: hex(test.SKEYSEED_rekey),
          }),
        );
      }
    }
  },
};

export const acvpKdf: Suite = {
  name: "ACVP IKEv2 KDF",
  takes: (path) => path.endsWith("acvp_ikev2_kdf.json"),
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await report.check(`tcId ${test.tcId}`, () =>
          derive(kernels, {
            hash: group.hashAlg,
            ni: hex(test.nInit),
            nr: hex(test.nResp),
            spiI: hex(test.spiInit),
            spiR: hex(test.spiResp),
            secret: hex(test.gir),
            newSecret: hex(test.girNew),
            skeyseed: hex(test.sKeySeed),
            keys: hex(test.derivedKeyingMaterial),
            child: hex(test.derivedKeyingMaterialChild),
            childDh: hex(test.derivedKeyingMaterialDh),
            rekey: hex(test.sKeySeedReKey),
          }),
        );
      }
    }
  },
};

/** The output key, or null for more than prf+ gives: asking for that is a bug of the caller, so the kernel traps. */
function hkdf(kernels: Kernels, hash: number, salt: Buffer, ikm: Buffer, info: Buffer, length: number): Buffer | null {
  const prf = PRF_OF_HASH[hash]!;
  const prk = kernels.prf(prf, salt, ikm);
  if (length > 255 * HASH_OCTETS[hash]!) {
    try {
      kernels.prfPlus(prf, prk, info, length);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return null;
      throw error;
    }
    throw new Error("prf+ went on behind its 255th block");
  }
  return kernels.prfPlus(prf, prk, info, length);
}

export const rfc5869: Suite = {
  name: "RFC 5869 by prf and prf+",
  takes: (path) => path.endsWith("rfc5869_hkdf.json"),
  async run(content, report, kernels) {
    for (const [index, test] of content.tests.entries()) {
      await report.check(`test case ${index + 1}`, () => {
        const hash = hashId(test.hash);
        const [salt, ikm] = [hex(test.salt), hex(test.ikm)];
        const prk = same(kernels.prf(PRF_OF_HASH[hash]!, salt, ikm), hex(test.prk));
        return prk === true ? same(hkdf(kernels, hash, salt, ikm, hex(test.info), test.L), hex(test.okm)) : prk;
      });
    }
  },
};

export const wycheproofHkdf: Suite = {
  name: "Wycheproof HKDF by prf and prf+",
  takes: (_path, content) => /^HKDF-SHA-(1|256|384|512)$/.test(content.algorithm ?? ""),
  async run(content, report, kernels) {
    const hash = hashId(content.algorithm.slice("HKDF-".length));
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await report.check(`tcId ${test.tcId}`, () => {
          const okm = hkdf(kernels, hash, hex(test.salt), hex(test.ikm), hex(test.info), test.size);
          return test.result === "invalid" ? okm === null || "gave an output" : same(okm, hex(test.okm));
        });
      }
    }
  },
};

const PRF_HMAC_SHA1 = 2;
const HASH_SHA1 = 1;
const IKE_HEADER_OCTETS = 28;

export const androidExchange: Suite = {
  name: "Android PSK exchange",
  takes: (path) => path.endsWith("android_psk_exchange.json"),
  async run(content, report, kernels) {
    const prf = (key: Buffer, message: Buffer): Buffer => kernels.prf(PRF_HMAC_SHA1, key, message);
    const [ni, nr] = [hex(content.Ni), hex(content.Nr)];
    const nonces = Buffer.concat([ni, nr]);
    await report.check("SKEYSEED", () => same(prf(nonces, hex(content.dh_shared)), hex(content.skeyseed)));
    await report.check("SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr", () => {
      const names = ["SK_d", "SK_ai", "SK_ar", "SK_ei", "SK_er", "SK_pi", "SK_pr"];
      const expected = Buffer.concat(names.map((name) => hex(content[name])));
      const seed = Buffer.concat([nonces, hex(content.spi_i), hex(content.spi_r)]);
      return same(kernels.prfPlus(PRF_HMAC_SHA1, hex(content.skeyseed), seed, expected.length), expected);
    });
    await report.check("AUTH by PSK", () => {
      const signed = Buffer.concat([hex(content.sa_init_request), nr, prf(hex(content.SK_pi), hex(content.idi_body))]);
      return same(prf(prf(hex(content.psk), Buffer.from("Key Pad for IKEv2")), signed), hex(content.auth_i));
    });
    const message = hex(content.ike_auth_request);
    await report.check("ICV of the IKE_AUTH request", () => {
      const mac = kernels.hmac(HASH_SHA1, hex(content.SK_ai), message.subarray(0, -12)).subarray(0, 12);
      return same(mac, message.subarray(-12));
    });
    await report.check("IKE_AUTH request in the clear", () => {
      const body = message.subarray(IKE_HEADER_OCTETS + 4, -12);
      const iv = body.subarray(0, 16);
      if (!iv.equals(hex(content.ike_auth_iv))) return "the IV is elsewhere";
      const clear = kernels.cbc(false, hex(content.SK_ei), iv, body.subarray(16));
      if (clear === null) return "refused";
      const keymat = Buffer.concat([hex(content.SK_ei), hex(content.SK_ai)]);
      const keys: SuiteKeys = {
        encryption: ENCR.cbc,
        keyBits: hex(content.SK_ei).length * 8,
        integrity: INTEG_OF_HASH[HASH_SHA1]!,
        keymat,
      };
      const header = message.subarray(0, IKE_HEADER_OCTETS + 4);
      const opened = same(suiteOpen(kernels, keys, message, header.length, 16, 12), clear);
      if (opened !== true) return `suite: ${opened}`;
      const sealed = same(suiteSeal(kernels, keys, header, iv, clear, 12), message);
      if (sealed !== true) return `suite: ${sealed}`;
      return same(clear.subarray(0, clear.length - 1 - clear.at(-1)!), hex(content.ike_auth_plaintext));
    });
    await report.check("KEYMAT of the CHILD SA", () => {
      const expected = Buffer.concat(["encr_i", "auth_i", "encr_r", "auth_r"].map((name) => hex(content.child[name])));
      return same(kernels.prfPlus(PRF_HMAC_SHA1, hex(content.SK_d), nonces, expected.length), expected);
    });
  },
};
