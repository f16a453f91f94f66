/**
 * Key exchange through the secure element's key agreement: Wycheproof, NIST CAVP and ACVP, RFC 3526, 5903, 7748, 8031, strongSwan's
 * MODP secrets. Whether a method is run or lies outside, the element itself says.
 */
import { importShare, isSupported } from "../../host/secure_element/key_agreement.ts";
import type { FileReport } from "./report.ts";
import { hex, same, type Suite } from "./suite.ts";

/** IANA key exchange methods by the names of vector files, with the octets of a coordinate or value. */
interface Method {
  id: number;
  name: string;
  octets: number;
}
const X25519: Method = { id: 31, name: "X25519", octets: 32 };
const X448: Method = { id: 32, name: "X448", octets: 56 };
const MONTGOMERY: Record<string, Method> = { x25519: X25519, curve25519: X25519, x448: X448, curve448: X448 };
const P256: Method = { id: 19, name: "P-256", octets: 32 };
const P384: Method = { id: 20, name: "P-384", octets: 48 };
const P521: Method = { id: 21, name: "P-521", octets: 66 };
const PRIME: Record<string, Method> = {
  "P-256": P256,
  "P-384": P384,
  "P-521": P521,
  secp256r1: P256,
  secp384r1: P384,
  secp521r1: P521,
};
const MODP_BITS: Record<number, number> = { 5: 1536, 14: 2048, 15: 3072, 16: 4096, 17: 6144, 18: 8192 };

function modp(group: number): Method {
  return { id: group, name: `MODP-${MODP_BITS[group]}`, octets: MODP_BITS[group]! / 8 };
}

/** Checks one item when the element serves its method; counts it as outside otherwise. */
async function check(
  report: FileReport,
  method: Method,
  name: string,
  run: () => boolean | string,
  items = 1,
): Promise<void> {
  if (isSupported(method.id)) await report.check(name, run);
  else report.outside(`key exchange method ${method.id} (${method.name}) is not offered`, items);
}

/** A number as big-endian octets of the method's size; longer when the number is. */
function number(method: Method, text: string): Buffer {
  const value = hex(text.length % 2 === 0 ? text : `0${text}`);
  const from = Math.max(0, value.length - method.octets);
  if (value.subarray(0, from).some((octet) => octet !== 0)) return value;
  return Buffer.concat([Buffer.alloc(method.octets - (value.length - from)), value.subarray(from)]);
}

/** The shared secret, or null when the element refuses the peer's value. */
function agree(method: Method, privateKey: Buffer, peer: Buffer): Buffer | null {
  const share = importShare(method.id, privateKey);
  if (share === undefined) throw new Error("the element does not serve this method");
  const secret = share.agree(peer);
  share.destroy();
  return secret === undefined ? null : Buffer.from(secret);
}

function publicValue(method: Method, privateKey: Buffer): Buffer {
  const share = importShare(method.id, privateKey)!;
  const value = Buffer.from(share.publicValue);
  share.destroy();
  return value;
}

/** Both sides of an exchange: public values and the secret. */
function exchange(method: Method, i: Buffer, r: Buffer, pubI: Buffer, pubR: Buffer, secret: Buffer): boolean | string {
  const checks = [
    same(publicValue(method, i), pubI),
    same(publicValue(method, r), pubR),
    same(agree(method, i, pubR), secret),
    same(agree(method, r, pubI), secret),
  ];
  return checks.find((outcome) => outcome !== true) ?? true;
}

export const wycheproofMontgomery: Suite = {
  name: "Wycheproof X25519 and X448",
  takes: (path) => /\/x(25519|448)_test\.json$/.test(path),
  async run(content, report, _kernels, path) {
    const method = path.includes("x448") ? X448 : X25519;
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await check(report, method, `tcId ${test.tcId}`, () => {
          const peer = hex(test.public);
          const secret = agree(method, hex(test.private), peer);
          // RFC 7748, 6 with RFC 8031, 4: an all-zero secret is refused, as is a value of another length; all else is computed.
          const refused = peer.length !== method.octets || hex(test.shared).every((octet) => octet === 0);
          if (refused) return secret === null || "accepted a value that gives nothing";
          return same(secret, hex(test.shared));
        });
      }
    }
  },
};

export const wycheproofPrime: Suite = {
  name: "Wycheproof ECDH",
  takes: (path) => /ecdh_secp\d+r1_ecpoint_test\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      const method = PRIME[group.curve];
      if (method === undefined) throw new Error(`unknown curve ${group.curve}`);
      for (const test of group.tests) {
        await check(report, method, `tcId ${test.tcId}`, () => {
          const point = hex(test.public);
          // A KE payload has x | y (RFC 5903, 7): every other encoding is one of the wrong length.
          const peer = point[0] === 4 ? point.subarray(1) : point;
          const secret = agree(method, number(method, test.private), peer);
          if (test.result === "valid") return same(secret, hex(test.shared));
          return secret === null || "accepted an invalid public value";
        });
      }
    }
  },
};

export const acvpXecdh: Suite = {
  name: "ACVP X25519 and X448",
  takes: (path) => /acvp_xecdh_(ssc|keyver)\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      const method = MONTGOMERY[group.curve.toLowerCase()];
      if (method === undefined) throw new Error(`unknown curve ${group.curve}`);
      for (const test of group.tests) {
        await check(report, method, `tcId ${test.tcId}`, () => {
          if (test.z !== undefined) {
            const [i, r] = [hex(test.privateIut), hex(test.privateServer)];
            return exchange(method, i, r, hex(test.publicIut), hex(test.publicServer), hex(test.z));
          }
          const accepted = agree(method, Buffer.alloc(method.octets, 9), hex(test.publicKey)) !== null;
          return accepted === test.testPassed || `public value ${accepted ? "accepted" : "refused"}`;
        });
      }
    }
  },
};

export const cavpEcdh: Suite = {
  name: "CAVP ECDH",
  takes: (path) => path.endsWith("cavp_kas_ecc_cdh.json"),
  async run(content, report) {
    for (const [index, test] of content.tests.entries()) {
      const method = PRIME[test.curve];
      if (method === undefined) throw new Error(`unknown curve ${test.curve}`);
      const point = (x: string, y: string): Buffer => Buffer.concat([number(method, x), number(method, y)]);
      await check(report, method, `item ${index}`, () => {
        const key = number(method, test.dIUT);
        const own = same(publicValue(method, key), point(test.QIUTx, test.QIUTy));
        if (own !== true) return own;
        return same(agree(method, key, point(test.QCAVSx, test.QCAVSy)), number(method, test.Z));
      });
    }
  },
};

export const rfc5903: Suite = {
  name: "RFC 5903 and 6932 ECP groups",
  takes: (path) => path.endsWith("rfc5903_6932_ecp.json"),
  async run(content, report) {
    for (const test of [...content.ecp, ...content.brainpool]) {
      const method = { id: test.group, name: test.curve ?? `ECP group ${test.group}`, octets: test.i.length / 2 };
      await check(report, method, `group ${test.group}`, () =>
        exchange(method, hex(test.i), hex(test.r), hex(test.pub_i), hex(test.pub_r), hex(test.shared)),
      );
    }
  },
};

const ITERATIONS_RUN = 1000;

export const rfc7748: Suite = {
  name: "RFC 7748 and 8031",
  takes: (path) => path.endsWith("rfc7748_8031_x25519_x448.json"),
  async run(content, report) {
    const of = (curve: string): Method => MONTGOMERY[curve]!;
    for (const [index, test] of content.function.entries()) {
      const method = of(test.curve);
      await check(report, method, `function ${index}`, () =>
        same(agree(method, hex(test.scalar), hex(test.u)), hex(test.out)),
      );
    }
    for (const [index, test] of content.dh.entries()) {
      const method = of(test.curve);
      await check(report, method, `exchange ${index}`, () =>
        exchange(method, hex(test.a_priv), hex(test.b_priv), hex(test.a_pub), hex(test.b_pub), hex(test.shared)),
      );
    }
    for (const test of content.iterate) {
      const method = of(test.curve);
      await check(report, method, `${test.curve}, ${ITERATIONS_RUN} iterations`, () => {
        let k: Buffer = Buffer.alloc(method.octets);
        k[0] = method === X448 ? 5 : 9;
        let u = k;
        for (let i = 1; i <= ITERATIONS_RUN; i++) {
          const next = agree(method, k, u);
          if (next === null) return `refused at ${i}`;
          [k, u] = [next, k];
          if (i === 1 && !k.equals(hex(test.after_1))) return "after 1";
        }
        return same(k, hex(test.after_1000));
      });
      report.outside("a million iterations take OpenSSL minutes and prove nothing that a thousand do not");
    }
    const ike = content.ike31;
    await check(report, X25519, "RFC 8031 example", () =>
      exchange(X25519, hex(ike.fixed_i), hex(ike.fixed_r), hex(ike.pub_i), hex(ike.pub_r), hex(ike.shared)),
    );
  },
};

export const rfc3526: Suite = {
  name: "RFC 3526 primes",
  takes: (path) => path.endsWith("rfc3526_modp.json"),
  async run(content, report) {
    for (const test of content.groups) {
      const method = modp(test.group);
      await check(report, method, `group ${test.group}`, () => {
        // The share of the key 1 is the generator; p - 1 lies outside of what may be agreed with, p - 2 within.
        const p = hex(test.p);
        const one = number(method, "01");
        const at = (below: number): Buffer => number(method, (BigInt(`0x${test.p}`) - BigInt(below)).toString(16));
        const generator = same(publicValue(method, one), number(method, test.g));
        if (generator !== true) return generator;
        for (const peer of [p, at(1), one, number(method, "00")]) {
          if (agree(method, number(method, "03"), peer) !== null) return "accepted a value outside of 2 .. p - 2";
        }
        if (p.length !== method.octets) return "the prime has another length";
        // (p - 2)^3 = -8
        return same(agree(method, number(method, "03"), at(2)), at(8));
      });
    }
  },
};

export const modpSecrets: Suite = {
  name: "MODP secrets of strongSwan",
  takes: (path) => path.endsWith("modp_dh.json"),
  async run(content, report) {
    for (const test of content.tests) {
      const method = modp(test.group);
      await check(report, method, `group ${test.group}`, () =>
        exchange(method, hex(test.x_i), hex(test.x_r), hex(test.pub_i), hex(test.pub_r), hex(test.shared)),
      );
    }
  },
};

export const acvpSafePrimes: Suite = {
  name: "ACVP safe primes",
  takes: (path) => /acvp_safeprimes_key(gen|ver)\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      if (group.safePrimeGroup !== "MODP-2048") {
        report.outside(`${group.safePrimeGroup} is no group of IKEv2`, group.tests.length);
        continue;
      }
      const method = modp(14);
      for (const test of group.tests) {
        await check(report, method, `tcId ${test.tcId}`, () => {
          const y = hex(test.y);
          const own = publicValue(method, hex(test.x));
          if (test.testPassed === undefined) return same(own, y);
          // A pair is right when y is a value that may be agreed with and belongs to x.
          const right = agree(method, number(method, "02"), y) !== null && own.equals(y);
          return right === test.testPassed || `the pair is ${right ? "accepted" : "refused"}`;
        });
      }
    }
  },
};
