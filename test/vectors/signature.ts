/**
 * Signatures as the secure element verifies them: Wycheproof and NIST ACVP for ECDSA, EdDSA and RSA, RFC 8032, and the
 * AlgorithmIdentifiers of RFC 7427.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import {
  type Family,
  type Hash,
  OURS,
  parseScheme,
  type Scheme,
  verifySignature,
} from "../../host/secure_element/signature_scheme.ts";
import type { FileReport } from "./report.ts";
import { hex, type Suite } from "./suite.ts";

const NONE = new Uint8Array(0);

const hashOf = (name: string): Hash => name.toLowerCase().replace(/^sha2?-/, "sha") as Hash;

const spki = (der: Buffer): KeyObject => createPublicKey({ key: der, format: "der", type: "spki" });

function scheme(family: Family, hash?: string, saltLength?: number): Scheme {
  return {
    family,
    ...(hash === undefined ? {} : { hash: hashOf(hash) }),
    ...(saltLength === undefined ? {} : { pss: true, saltLength }),
    identifier: NONE,
  };
}

/** True when the element says of the signature what it should. */
function judged(valid: boolean, verified: boolean): boolean | string {
  return verified === valid || (valid ? "a good signature is refused" : "a bad signature is taken");
}

const FAMILIES: Record<string, Family> = {
  EcdsaVerify: "ecdsa",
  EcdsaP1363Verify: "ecdsa",
  RsassaPkcs1Verify: "rsa",
  RsassaPssVerify: "rsa",
  RsassaPssWithParametersVerify: "rsa",
};

export const wycheproofSignature: Suite = {
  name: "Wycheproof signatures",
  takes: (path, { testGroups }) =>
    path.startsWith("wycheproof/") && (testGroups?.[0]?.type in FAMILIES || testGroups?.[0]?.type === "EddsaVerify"),
  async run({ testGroups }, report) {
    for (const group of testGroups) {
      const key = spki(hex(group.publicKeyDer));
      const family = FAMILIES[group.type] ?? (key.asymmetricKeyType as Family);
      const how = scheme(family, group.sha, group.sLen);
      for (const { tcId, comment, msg, sig, result } of group.tests) {
        if (result === "acceptable") {
          report.outside("either answer is right");
          continue;
        }
        await report.check(`${tcId} ${comment}`, () =>
          judged(result === "valid", verifySignature(how, key, hex(msg), hex(sig), group.type === "EcdsaP1363Verify")),
        );
      }
    }
  },
};

/** A big-endian number of `octets`. */
const padded = (text: string, octets: number): Buffer => hex(text.padStart(octets * 2, "0").slice(-octets * 2));

const CURVES: Record<string, { octets: number; crv: string }> = {
  "P-256": { octets: 32, crv: "P-256" },
  "P-384": { octets: 48, crv: "P-384" },
  "P-521": { octets: 66, crv: "P-521" },
};

const url = (octets: Buffer): string => octets.toString("base64url");

/** The key, or undefined when it is none: what a test of keys may want. */
function jwk(key: object): KeyObject | undefined {
  try {
    return createPublicKey({ key: key as never, format: "jwk" });
  } catch {
    return undefined;
  }
}

export const acvpEcdsa: Suite = {
  name: "ACVP ECDSA signatures",
  takes: (_, { algorithm }) => /^ECDSA-SigVer/.test(algorithm ?? ""),
  async run({ testGroups }, report) {
    for (const { curve, hashAlg, tests } of testGroups) {
      const { octets, crv } = CURVES[curve] as { octets: number; crv: string };
      for (const { tcId, reason, message, qx, qy, r, s, testPassed } of tests) {
        await report.check(`${curve} ${tcId} ${reason}`, () => {
          const key = jwk({ kty: "EC", crv, x: url(padded(qx, octets)), y: url(padded(qy, octets)) });
          const signature = Buffer.concat([padded(r, octets), padded(s, octets)]);
          return judged(
            testPassed,
            key !== undefined && verifySignature(scheme("ecdsa", hashAlg), key, hex(message), signature, true),
          );
        });
      }
    }
  },
};

export const acvpEddsa: Suite = {
  name: "ACVP EdDSA signatures",
  takes: (_, { algorithm }) => /^EDDSA-SigVer/.test(algorithm ?? ""),
  async run({ testGroups }, report) {
    for (const { curve, preHash, tests } of testGroups) {
      if (preHash) {
        report.outside("EdDSA of hashes is not defined for IKE", tests.length);
        continue;
      }
      const crv = curve === "ED-25519" ? "Ed25519" : "Ed448";
      for (const { tcId, reason, message, q, signature, testPassed } of tests) {
        await report.check(`${curve} ${tcId} ${reason}`, () => {
          const key = jwk({ kty: "OKP", crv, x: url(hex(q)) });
          const how = scheme(crv.toLowerCase() as Family);
          return judged(testPassed, key !== undefined && verifySignature(how, key, hex(message), hex(signature)));
        });
      }
    }
  },
};

export const acvpRsa: Suite = {
  name: "ACVP RSA signatures",
  takes: (_, { algorithm }) => /^RSA-SigVer/.test(algorithm ?? ""),
  async run({ testGroups }, report) {
    for (const { sigType, modulo, hashAlg, saltLen, maskFunction, n, e, tests } of testGroups) {
      if (sigType === "pss" && maskFunction !== "mgf1") {
        report.outside(`the mask ${maskFunction} of PSS is not done`, tests.length);
        continue;
      }
      const key = jwk({ kty: "RSA", n: url(hex(n)), e: url(hex(e.length % 2 === 0 ? e : `0${e}`)) }) as KeyObject;
      const how = scheme("rsa", hashAlg, sigType === "pss" ? saltLen : undefined);
      for (const { tcId, message, signature, testPassed } of tests) {
        await report.check(`${sigType} ${modulo} ${tcId}`, () =>
          judged(testPassed, verifySignature(how, key, hex(message), hex(signature))),
        );
      }
    }
  },
};

export const rfc8032: Suite = {
  name: "RFC 8032",
  takes: (path) => path.endsWith("rfc8032_eddsa.json"),
  async run({ tests }: { tests: { alg: string; pub: string; msg: string; ctx: string; sig: string }[] }, report) {
    for (const { alg, pub, msg, ctx, sig } of tests) {
      if ((alg !== "ed25519" && alg !== "ed448") || ctx !== "") {
        report.outside("EdDSA with a context, or of hashes, is not defined for IKE");
        continue;
      }
      const key = jwk({ kty: "OKP", crv: alg === "ed25519" ? "Ed25519" : "Ed448", x: url(hex(pub)) }) as KeyObject;
      await report.check(`${alg} ${msg.length / 2} octets`, () =>
        verifySignature(scheme(alg), key, hex(msg), hex(sig)),
      );
      await report.check(`${alg} ${msg.length / 2} octets, another message`, () =>
        judged(false, verifySignature(scheme(alg), key, Buffer.concat([hex(msg), Buffer.of(0)]), hex(sig))),
      );
    }
  },
};

export const rfc7427: Suite = {
  name: "RFC 7427 AlgorithmIdentifiers",
  takes: (path) => path.endsWith("rfc7427_algorithm_identifiers.json"),
  async run(
    {
      identifiers,
      auth_example_after_generic_header: example,
    }: { identifiers: any[]; auth_example_after_generic_header: any },
    report: FileReport,
  ) {
    for (const { name, der } of identifiers) {
      if (/dsa-with|dsaWith/i.test(name) && !/ecdsa/i.test(name)) {
        await report.check(`${name} is none of ours`, () => parseScheme(hex(der)) === undefined);
        continue;
      }
      await report.check(name, () => {
        const read = parseScheme(hex(der));
        if (!read) return "it is not known";
        const sent = OURS.find(
          (ours) => ours.family === read.family && ours.hash === read.hash && ours.pss === read.pss,
        );
        // Fields of their defaults may be written out or not: what is the same otherwise is taken.
        if (sent && read.pss) return sent.saltLength === read.saltLength;
        return sent === undefined || Buffer.from(sent.identifier).equals(hex(der)) || read.hash === "sha1";
      });
    }
    await report.check("the example of an AUTH payload", () => {
      const octets = hex(typeof example === "string" ? example : example.hex);
      // Authentication method, reserved, then the length of the identifier (RFC 7427 section 3).
      const length = octets[4] as number;
      return octets[0] === 14 && parseScheme(octets.subarray(5, 5 + length)) !== undefined;
    });
  },
};
