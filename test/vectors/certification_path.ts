/**
 * Certification paths as the secure element validates them: NIST's PKITS, the cases of OpenSSL's verify test that IKE knows, and what
 * fuzzers found for strongSwan's parser, which must be taken or refused, and no more.
 *
 * A path of PKITS whose answer depends on more than the path and the policies that a configuration can ask for lies outside.
 */
import { VERDICT_GOOD } from "../../assembly/abi/psa.ts";
import { parseCertificate } from "../../host/secure_element/certificate.ts";
import { type Authorities, isSelfIssued, parseList, validatePath } from "../../host/secure_element/path.ts";
import type { Suite } from "./suite.ts";

const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** Within the validity of all certificates of PKITS. */
const PKITS_TIME = Date.UTC(2020, 0, 1);
const PKITS_POLICIES = "2.16.840.1.101.3.2.1.48";
const ANY_POLICY = "2.5.29.32.0";

interface PkitsTest {
  name: string;
  path: string[];
  valid: boolean;
  needs_crl: boolean;
  dsa: boolean;
  initial_policy_set: string[];
  inhibit_mapping: boolean;
  explicit_policy: boolean;
  inhibit_any: boolean;
}

/** Invalid because of a list of revoked certificates, too, though the file does not say so. */
const BY_LIST = /^4\.(5\.2|7\.4|7\.5) /;

/** Why a test is about something that the element has not; undefined: it is not. */
function pkitsOutside(test: PkitsTest): string | undefined {
  if (test.dsa) return "DSA is not verified";
  if (!test.valid && (test.needs_crl || BY_LIST.test(test.name))) return "the list that decides is not in this file";
  if (test.inhibit_mapping || test.inhibit_any)
    return "policy mapping and anyPolicy are not inhibited by configuration";
  const [first, ...more] = test.initial_policy_set;
  if (more.length > 0) return "policies are all required, not one of several";
  if (!test.explicit_policy && first !== "anyPolicy") return "a policy that is named is required";
  return undefined;
}

const policyOf = (name: string): string =>
  name === "anyPolicy" ? ANY_POLICY : `${PKITS_POLICIES}.${name.replace("NIST-test-policy-", "")}`;

export const pkits: Suite = {
  name: "PKITS",
  takes: (path) => path.endsWith("nist_pkits.json"),
  async run({ certs, tests }: { certs: Record<string, string>; tests: PkitsTest[] }, report) {
    for (const test of tests) {
      const reason = pkitsOutside(test);
      if (reason !== undefined) {
        report.outside(reason);
        continue;
      }
      const [anchor, ...below] = test.path.map((name) => octets(certs[name] as string));
      const authorities: Authorities = { anchors: [parseCertificate(anchor as Uint8Array)], others: [], lists: [] };
      await report.check(test.name, async () => {
        const { verdict } = await validatePath(below.reverse(), authorities, {
          time: PKITS_TIME,
          revocation: "relaxed",
          ...(test.explicit_policy ? { policies: test.initial_policy_set.map(policyOf) } : {}),
        });
        return (verdict === VERDICT_GOOD) === test.valid || `verdict ${verdict}, valid ${test.valid}`;
      });
    }
  },
};

interface OpensslTest {
  name: string;
  leaf: string;
  purpose: string;
  trusted: string[];
  untrusted: string[];
  opts: string[];
  valid: boolean;
}

/** Refused by OpenSSL because the path is not one for a TLS server or client, which the element does not ask. */
const BY_PURPOSE = /^(ee-client sslserver|ee-cert sslclient|ee-cert sslserver (root-cert )?(croot|cca)-cert)/;

function opensslOutside(test: OpensslTest): string | undefined {
  if (/sign$/.test(test.purpose)) return "time stamps and code are not signed by peers";
  if (test.opts.some((option) => !/^(-auth_level|-policy_check|-policy|-explicit_policy|[\d.]+)$/.test(option))) {
    return `option ${test.opts[0]} has no counterpart`;
  }
  const level = test.opts[test.opts.indexOf("-auth_level") + 1];
  if (test.opts.includes("-auth_level") && level !== "2") return "there is one level of strength";
  if (BY_PURPOSE.test(`${test.leaf} ${test.purpose} ${test.trusted.join(" ")}`)) return "purposes are not told apart";
  if (test.trusted.includes(test.leaf)) return "a certificate that is trusted for itself has no path";
  if (test.trusted.length === 1 && test.trusted[0] === "root-ed25519" && /X25519/.test(test.name))
    return "X25519 signs nothing";
  if (test.leaf === "ee-cert-ocsp-nocheck") return "extensions of OCSP responders are not read";
  return undefined;
}

export const opensslPaths: Suite = {
  name: "OpenSSL paths",
  takes: (path) => path.endsWith("openssl_verify.json"),
  async run({ certs, tests }: { certs: Record<string, string[]>; tests: OpensslTest[] }, report) {
    const load = (names: string[]): Uint8Array[] => names.flatMap((name) => (certs[name] ?? []).map(octets));
    for (const test of tests) {
      const reason = opensslOutside(test);
      if (reason !== undefined) {
        report.outside(reason);
        continue;
      }
      await report.check(test.name, async () => {
        const known = load(test.trusted).map(parseCertificate);
        const authorities = {
          anchors: known.filter(isSelfIssued),
          others: known.filter((one) => !isSelfIssued(one)),
          lists: [],
        };
        const policies = test.opts.includes("-policy") ? [test.opts[test.opts.indexOf("-policy") + 1] as string] : [];
        const { verdict } = await validatePath([...load([test.leaf]), ...load(test.untrusted)], authorities, {
          time: Date.now(),
          revocation: "relaxed",
          ...(policies.length > 0 ? { policies } : {}),
        });
        return (verdict === VERDICT_GOOD) === test.valid || `verdict ${verdict}, valid ${test.valid}`;
      });
    }
  },
};

/** The element's reader of what a peer sends, or of lists: it may throw, and nothing else. */
export const strongswanCorpus: Suite = {
  name: "strongSwan's corpora of certificates and lists",
  takes: (path) => /strongswan_corpus_(certs|certs_crash|crls)\.json$/.test(path),
  async run({ inputs }: { inputs: { id: string; b64: string }[] }, report, _, path) {
    const none: Authorities = { anchors: [], others: [], lists: [] };
    for (const { id, b64 } of inputs) {
      await report.check(id, async () => {
        if (path.includes("crls")) {
          try {
            parseList(octets(b64));
          } catch (error) {
            return error instanceof Error;
          }
          return true;
        }
        const { verdict } = await validatePath([octets(b64)], none, { time: Date.now(), revocation: "relaxed" });
        return verdict !== VERDICT_GOOD;
      });
    }
  },
};
