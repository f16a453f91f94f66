/** X25519 and ECDH on P-256 through the secure element's key agreement: Wycheproof, NIST, RFC 7748, 8031, 5903. */
import { KE_ECP256, KE_X25519 } from "../../assembly/abi/psa.ts";
import { importShare } from "../../host/secure_element/key_agreement.ts";
import { hex, same, type Suite } from "./suite.ts";

const KEY_OCTETS = 32;

function octets32(text: string): Buffer {
  const value = hex(text.length % 2 === 0 ? text : `0${text}`);
  if (value.length >= KEY_OCTETS) return value.subarray(value.length - KEY_OCTETS);
  return Buffer.concat([Buffer.alloc(KEY_OCTETS - value.length), value]);
}

/** The shared secret, or null when the element refuses the peer's value. */
function agree(method: number, privateKey: Buffer, peer: Buffer): Buffer | null {
  const share = importShare(method, privateKey);
  if (share === undefined) throw new Error("the element does not serve this method");
  const secret = share.agree(peer);
  share.destroy();
  return secret === undefined ? null : Buffer.from(secret);
}

function publicValue(method: number, privateKey: Buffer): Buffer {
  const share = importShare(method, privateKey)!;
  const value = Buffer.from(share.publicValue);
  share.destroy();
  return value;
}

/** Both sides of an exchange: public values and the secret. */
function exchange(method: number, i: Buffer, r: Buffer, pubI: Buffer, pubR: Buffer, secret: Buffer): boolean | string {
  const checks = [
    same(publicValue(method, i), pubI),
    same(publicValue(method, r), pubR),
    same(agree(method, i, pubR), secret),
    same(agree(method, r, pubI), secret),
  ];
  return checks.find((check) => check !== true) ?? true;
}

const NO_X448 = "X448 is not offered";
const NO_GROUP = "the group is not offered";

export const wycheproofX25519: Suite = {
  name: "Wycheproof X25519",
  takes: (path) => path.endsWith("x25519_test.json"),
  async run(content, report) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await report.check(`tcId ${test.tcId}`, () => {
          const secret = agree(KE_X25519, hex(test.private), hex(test.public));
          // RFC 7748, 6.1 with RFC 8031, 4: an all-zero secret is refused; all else is computed.
          if (test.flags.includes("ZeroSharedSecret")) return secret === null || "accepted an all-zero secret";
          return same(secret, hex(test.shared));
        });
      }
    }
  },
};

export const wycheproofP256: Suite = {
  name: "Wycheproof ECDH P-256",
  takes: (path) => path.endsWith("ecdh_secp256r1_ecpoint_test.json"),
  async run(content, report) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        await report.check(`tcId ${test.tcId}`, () => {
          const point = hex(test.public);
          // A KE payload has x | y (RFC 5903, 7): every other encoding is one of the wrong length.
          const peer = point[0] === 4 ? point.subarray(1) : point;
          const secret = agree(KE_ECP256, octets32(test.private), peer);
          if (test.result === "valid") return same(secret, hex(test.shared));
          return secret === null || "accepted an invalid public value";
        });
      }
    }
  },
};

export const acvpXecdh: Suite = {
  name: "ACVP X25519",
  takes: (path) => /acvp_xecdh_(ssc|keyver)\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        if (group.curve !== "Curve25519") {
          report.skip(NO_X448);
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          if (test.z !== undefined) {
            const [i, r] = [hex(test.privateIut), hex(test.privateServer)];
            return exchange(KE_X25519, i, r, hex(test.publicIut), hex(test.publicServer), hex(test.z));
          }
          const accepted = agree(KE_X25519, Buffer.alloc(KEY_OCTETS, 9), hex(test.publicKey)) !== null;
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
      if (test.curve !== "P-256") {
        report.skip(NO_GROUP);
        continue;
      }
      await report.check(`item ${index}`, () => {
        const key = octets32(test.dIUT);
        const own = same(publicValue(KE_ECP256, key), Buffer.concat([octets32(test.QIUTx), octets32(test.QIUTy)]));
        if (own !== true) return own;
        return same(
          agree(KE_ECP256, key, Buffer.concat([octets32(test.QCAVSx), octets32(test.QCAVSy)])),
          octets32(test.Z),
        );
      });
    }
  },
};

export const rfc5903: Suite = {
  name: "RFC 5903 ECP groups",
  takes: (path) => path.endsWith("rfc5903_6932_ecp.json"),
  async run(content, report) {
    for (const test of content.ecp) {
      if (test.group !== KE_ECP256) {
        report.skip(NO_GROUP);
        continue;
      }
      await report.check(`group ${test.group}`, () =>
        exchange(KE_ECP256, hex(test.i), hex(test.r), hex(test.pub_i), hex(test.pub_r), hex(test.shared)),
      );
    }
    report.skip(NO_GROUP, content.brainpool.length);
  },
};

export const rfc7748: Suite = {
  name: "RFC 7748 and 8031 X25519",
  takes: (path) => path.endsWith("rfc7748_8031_x25519_x448.json"),
  async run(content, report) {
    for (const [index, test] of content.function.entries()) {
      if (test.curve !== "x25519") report.skip(NO_X448);
      else
        await report.check(`function ${index}`, () =>
          same(agree(KE_X25519, hex(test.scalar), hex(test.u)), hex(test.out)),
        );
    }
    for (const [index, test] of content.dh.entries()) {
      if (test.curve !== "x25519") {
        report.skip(NO_X448);
        continue;
      }
      await report.check(`exchange ${index}`, () =>
        exchange(KE_X25519, hex(test.a_priv), hex(test.b_priv), hex(test.a_pub), hex(test.b_pub), hex(test.shared)),
      );
    }
    for (const test of content.iterate) {
      if (test.curve !== "x25519") {
        report.skip(NO_X448);
        continue;
      }
      await report.check("1000 iterations", () => {
        let k: Buffer = Buffer.from([9, ...Buffer.alloc(KEY_OCTETS - 1)]);
        let u = k;
        for (let i = 1; i <= 1000; i++) {
          const next = agree(KE_X25519, k, u);
          if (next === null) return `refused at ${i}`;
          [k, u] = [next, k];
          if (i === 1 && !k.equals(hex(test.after_1))) return "after 1";
        }
        return same(k, hex(test.after_1000));
      });
    }
    const ike = content.ike31;
    await report.check("RFC 8031 example", () =>
      exchange(KE_X25519, hex(ike.fixed_i), hex(ike.fixed_r), hex(ike.pub_i), hex(ike.pub_r), hex(ike.shared)),
    );
  },
};
