/**
 * ML-KEM through the secure element (FIPS 203): Wycheproof and ACVP. The element makes its keys of seeds and keeps them: vectors of
 * decapsulation keys that come from elsewhere lie outside.
 */
import { importShare } from "../../host/secure_element/key_agreement.ts";
import { encapsulate } from "../../host/secure_element/ml_kem.ts";
import { hex, same, type Suite } from "./suite.ts";

const METHOD: Record<string, number> = { "ML-KEM-512": 35, "ML-KEM-768": 36, "ML-KEM-1024": 37 };
const FOREIGN = "decapsulation keys come of the element's own seeds, none from elsewhere";

function methodOf({ parameterSet }: { parameterSet: string }): number {
  const method = METHOD[parameterSet];
  if (method === undefined) throw new Error(`unknown parameter set ${parameterSet}`);
  return method;
}

/** A share of a seed, or undefined when the seed is none. */
function shareOf(method: number, seed: Buffer) {
  try {
    return importShare(method, seed);
  } catch {
    return undefined;
  }
}

/** The secret of a ciphertext, of a seed's key that has to be `ek`; null: refused. */
function decapsulated(method: number, seed: Buffer, ek: string | undefined, c: Buffer): Buffer | null | string {
  const share = shareOf(method, seed);
  if (share === undefined) return null;
  if (ek !== undefined && !hex(ek).equals(share.publicValue)) return "another encapsulation key";
  const secret = share.agree(c);
  share.destroy();
  return secret === undefined ? null : Buffer.from(secret);
}

function encapsulated(method: number, ek: Buffer, m: Buffer, c: Buffer, k: Buffer): boolean | string {
  const made = encapsulate(method, ek, m);
  if (made === undefined) return "refused";
  const value = same(Buffer.from(made.publicValue), c);
  return value === true ? same(Buffer.from(made.secret), k) : value;
}

export const wycheproofMlKem: Suite = {
  name: "Wycheproof ML-KEM",
  takes: (path) => /wycheproof\/mlkem_\d+_.*test\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      const method = methodOf(group);
      for (const test of group.tests) {
        const valid = test.result === "valid";
        if (group.type === "MLKEMDecapsValidationTest") {
          report.outside(FOREIGN);
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          if (group.type === "MLKEMKeyGen") {
            return same(Buffer.from(shareOf(method, hex(test.seed))!.publicValue), hex(test.ek));
          }
          if (group.type === "MLKEMEncapsTest") {
            if (valid) return encapsulated(method, hex(test.ek), hex(test.m), hex(test.c), hex(test.K));
            return encapsulate(method, hex(test.ek), hex(test.m)) === undefined || "accepted";
          }
          const secret = decapsulated(method, hex(test.seed), valid ? test.ek : undefined, hex(test.c));
          if (typeof secret === "string") return secret;
          return valid ? same(secret, hex(test.K)) : secret === null || "accepted";
        });
      }
    }
  },
};

export const acvpMlKem: Suite = {
  name: "ACVP ML-KEM",
  takes: (path) => /acvp_mlkem\d+_(keygen|encapdecap)\.json$/.test(path),
  async run(content, report) {
    for (const group of content.testGroups) {
      const method = methodOf(group);
      for (const test of group.tests) {
        const own = group.function === "decapsulation" && group.keyFormat === "seed";
        if (/^decapsulation/.test(group.function ?? "") && !own) {
          report.outside(FOREIGN);
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          const seed = (): Buffer => Buffer.concat([hex(test.d), hex(test.z)]);
          switch (group.function) {
            case "encapsulation":
              return encapsulated(method, hex(test.ek), hex(test.m), hex(test.c), hex(test.k));
            case "encapsulationKeyCheck": {
              const taken = encapsulate(method, hex(test.ek)) !== undefined;
              return taken === test.testPassed || `encapsulation key ${taken ? "accepted" : "refused"}`;
            }
            case "decapsulation": {
              const secret = decapsulated(method, seed(), test.ek, hex(test.c));
              return typeof secret === "string" ? secret : same(secret, hex(test.k));
            }
            default:
              return same(Buffer.from(shareOf(method, seed())!.publicValue), hex(test.ek));
          }
        });
      }
    }
  },
};
