/**
 * The secure element's signatures by its messages: what it makes for a peer that takes this or that, and every verdict on what a peer
 * may have made.
 */
import { createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as psa from "../../assembly/abi/psa.ts";
import type { Credentials, SchemeConstraint, Trust } from "../../host/secure_element/credential_store.ts";
import { SecureElement } from "../../host/secure_element/secure_element.ts";
import { authWord } from "../../host/operator/configuration/auth_word.ts";
import { issue, type Issued, type Kind, makeKey, revoke } from "../pki/authority.ts";

const DAY = 86_400_000;
const fqdn = (name: string): Uint8Array => Uint8Array.from([2, ...Buffer.from(name)]);
const OCTETS = randomBytes(700);
const MOON = fqdn("moon.example");

/** RFC 7427's hashes: SHA-256, -384, -512, Identity. */
const ALL_HASHES = 0b111100;

function request(op: number, key: number, algorithm: number, fields: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(psa.PSA_FIELDS);
  head.writeUInt16LE(op, psa.PSA_OP);
  head.writeUInt32LE(1, psa.PSA_TRANSACTION);
  head.writeUInt32LE(key, psa.PSA_KEY);
  head.writeUInt32LE(algorithm, psa.PSA_ALGORITHM);
  return Buffer.concat([head, ...fields.flatMap((f) => [Buffer.from([f.length & 255, f.length >> 8]), f])]);
}

function fieldOf(answer: Uint8Array): Buffer {
  const view = Buffer.from(answer);
  assert.is(view.readInt32LE(psa.PSA_STATUS), psa.PSA_SUCCESS);
  return view.subarray(psa.PSA_FIELDS + 2, psa.PSA_FIELDS + 2 + view.readUInt16LE(psa.PSA_FIELDS));
}

interface Signed {
  reason: number;
  method: number;
  data: Buffer;
  certificates: Buffer[];
}

async function sign(element: SecureElement, hashes: number, octets = OCTETS): Promise<Signed> {
  const field = fieldOf(await element.handle(request(psa.PSA_SIGN_AUTH, 1, hashes, [octets])));
  if (field.length === 1) return { reason: field[0] as number, method: 0, data: Buffer.alloc(0), certificates: [] };
  let at = psa.SIGN_CERTIFICATES + field.readUInt16LE(psa.SIGN_LENGTH);
  const data = field.subarray(psa.SIGN_CERTIFICATES, at);
  const certificates: Buffer[] = [];
  while (at < field.length) {
    certificates.push(field.subarray(at + 2, at + 2 + field.readUInt16LE(at)));
    at += 2 + (certificates.at(-1) as Buffer).length;
  }
  return { reason: psa.SIGN_DONE, method: field[psa.SIGN_METHOD] as number, data, certificates };
}

async function verdict(
  element: SecureElement,
  { method, data, certificates }: Signed,
  identity: Uint8Array = MOON,
  octets: Uint8Array = OCTETS,
): Promise<number> {
  const fields = [identity, data, octets, ...certificates];
  const answer = fieldOf(await element.handle(request(psa.PSA_VERIFY_AUTH, 1, method, fields)));
  assert.is(answer.length, 1);
  return answer[0] as number;
}

const ca = issue({ name: "authority", kind: "ecp256", ca: true });
const moon = issue({ name: "moon", san: "moon.example" }, ca);

function elementOf({ key, chain = [], scheme, trust }: Made): SecureElement {
  const element = new SecureElement();
  const credentials: Credentials = {
    credentials: [
      {
        id: 1,
        key: new Uint8Array(key.export({ type: "pkcs8", format: "der" })),
        certificates: chain.map(({ der }) => der),
        ...(scheme ? { scheme } : {}),
      },
    ],
    trusts: [{ id: 1, authorities: [ca.der], lists: [], through: [], revocation: "relaxed", ...trust }],
  };
  element.loadCredentials(credentials);
  return element;
}

interface Made {
  key: KeyObject;
  chain?: readonly Issued[];
  scheme?: SchemeConstraint;
  trust?: Partial<Trust>;
}

const good: Made = { key: moon.key, chain: [moon] };

test("every kind of key signs as the peer takes it, and what it signed is good", async () => {
  const cases: [Kind, number, number][] = [
    ["rsa2048", 0, 1],
    ["rsa2048", ALL_HASHES, 14],
    ["ecp256", 0, 9],
    ["ecp384", 0, 10],
    ["ecp521", 0, 11],
    ["ecp256", ALL_HASHES, 14],
    ["ecp384", ALL_HASHES, 14],
    ["ecp521", ALL_HASHES, 14],
    ["ecp521", 1 << 2, 14],
    ["ed25519", ALL_HASHES, 14],
    ["ed448", ALL_HASHES, 14],
  ];
  for (const [kind, hashes, method] of cases) {
    const own = issue({ name: "moon", san: "moon.example", key: makeKey(kind), kind }, ca);
    const element = elementOf({ key: own.key, chain: [own] });
    const signed = await sign(element, hashes);
    assert.is(signed.method, method, `${kind} ${hashes}`);
    assert.equal([...(signed.certificates[0] as Buffer)], [4, ...own.der], "X.509, then the certificate");
    assert.is(await verdict(element, signed), psa.VERDICT_GOOD, `${kind} ${hashes}`);
    const other = Buffer.from(OCTETS);
    other[300] = (other[300] as number) ^ 1;
    assert.is(await verdict(element, signed, MOON, other), psa.VERDICT_SIGNATURE, `${kind} ${hashes}`);
  }
});

test("RSA with PSS where the configuration says so", async () => {
  const own = issue({ name: "moon", san: "moon.example", key: makeKey("rsa2048"), kind: "rsa2048" }, ca);
  const scheme = authWord("rsa/pss-sha384").scheme as SchemeConstraint;
  const signed = await sign(elementOf({ key: own.key, chain: [own], scheme }), ALL_HASHES);
  assert.is(signed.data.readUInt8(0), 0x43, "the identifier of PSS is that long");
  const verify = (word: string): Promise<number> => {
    const { scheme: asked } = authWord(word);
    return verdict(elementOf({ ...good, ...(asked ? { trust: { scheme: asked } } : {}) }), signed);
  };
  assert.is(await verify("pubkey"), psa.VERDICT_GOOD);
  assert.is(await verify("rsa/pss"), psa.VERDICT_GOOD);
  assert.is(await verify("rsa-4096"), psa.VERDICT_SCHEME_REFUSED);
  assert.is(await verify("ecdsa"), psa.VERDICT_SCHEME_REFUSED);
  assert.is(await verify("rsa-2048-ike:rsa/pss-sha384"), psa.VERDICT_GOOD);
  assert.is(await verify("rsa-2048-ike:rsa/pss-sha512"), psa.VERDICT_SCHEME_REFUSED);
});

test("what a key cannot do for a peer is not done", async () => {
  const of = (kind: Kind): SecureElement => elementOf({ key: makeKey(kind) });
  assert.is((await sign(of("ed25519"), 0)).reason, psa.SIGN_NO_COMMON_HASH, "without RFC 7427");
  assert.is((await sign(of("ed25519"), 1 << 2)).reason, psa.SIGN_NO_COMMON_HASH, "without Identity");
  assert.is((await sign(of("ecp256"), 1 << 1)).reason, psa.SIGN_NO_COMMON_HASH, "SHA-1 alone");
  const other = await elementOf(good).handle(request(psa.PSA_SIGN_AUTH, 7, ALL_HASHES, [OCTETS]));
  assert.equal([...fieldOf(other)], [psa.SIGN_NO_KEY]);
});

test("verdicts on a certificate that is not in order", async () => {
  const made = (subject: object, issuer: Issued = ca): Made => {
    const own = issue({ name: "moon", san: "moon.example", ...subject }, issuer);
    return { key: own.key, chain: [own] };
  };
  const stranger = issue({ name: "another", ca: true });
  const cases: [string, Made, number][] = [
    ["good", good, psa.VERDICT_GOOD],
    ["expired", made({ from: Date.now() - 9 * DAY, to: Date.now() - DAY }), psa.VERDICT_EXPIRED],
    ["not yet valid", made({ from: Date.now() + DAY, to: Date.now() + 9 * DAY }), psa.VERDICT_NOT_YET_VALID],
    ["another name", made({ san: "sun.example" }), psa.VERDICT_IDENTITY],
    ["a wildcard that it bears is none", made({ san: "*.example" }), psa.VERDICT_IDENTITY],
    ["an unknown authority", made({}, stranger), psa.VERDICT_NO_PATH],
    [
      "an authority's in whose name another signs",
      made({}, issue({ name: "authority", ca: true })),
      psa.VERDICT_NO_PATH,
    ],
    ["an issuer that is no authority", made({}, moon), psa.VERDICT_NO_PATH],
    ["revoked", { ...good, trust: { lists: [revoke(ca, [moon])] } }, psa.VERDICT_REVOKED],
    ["no list, strict", { ...good, trust: { revocation: "strict" } }, psa.VERDICT_REVOCATION_UNKNOWN],
    ["no list, ifuri, and it names none", { ...good, trust: { revocation: "ifuri" } }, psa.VERDICT_GOOD],
    ["a policy that it lacks", { ...good, trust: { policies: ["1.2.3"] } }, psa.VERDICT_PATH],
    ["another authority is asked for", { ...good, trust: { through: [stranger.der] } }, psa.VERDICT_NO_PATH],
    [
      "its own certificate is asked for",
      { ...good, trust: { certificates: [moon.der], authorities: [] } },
      psa.VERDICT_GOOD,
    ],
    ["somebody else's is", { ...good, trust: { certificates: [stranger.der] } }, psa.VERDICT_NO_PATH],
  ];
  for (const [what, how, expected] of cases) {
    const element = elementOf(how);
    assert.is(await verdict(element, await sign(element, ALL_HASHES)), expected, what);
  }
});

test("verdicts on what is sent: nothing, nonsense, too much, somebody else's", async () => {
  const element = elementOf(good);
  const signed = await sign(element, ALL_HASHES);
  const [own] = signed.certificates as [Buffer];
  const judge = (certificates: Buffer[]): Promise<number> => verdict(element, { ...signed, certificates });
  assert.is(await judge([]), psa.VERDICT_NO_CERTIFICATE);
  assert.is(await judge([Buffer.concat([Buffer.of(12), own.subarray(1)])]), psa.VERDICT_NO_CERTIFICATE, "hash and URL");
  assert.is(await judge([Buffer.concat([own, Buffer.of(0)])]), psa.VERDICT_MALFORMED);
  assert.is(await judge([own.subarray(0, 200)]), psa.VERDICT_MALFORMED);
  assert.is(await judge(Array<Buffer>(9).fill(own)), psa.VERDICT_MALFORMED);
  const other = issue({ name: "moon", san: "moon.example" }, ca);
  assert.is(await judge([Buffer.from([4, ...other.der])]), psa.VERDICT_SIGNATURE);
  const rsa = issue({ name: "moon", san: "moon.example", key: makeKey("rsa2048"), kind: "rsa2048" }, ca);
  assert.is(await judge([Buffer.from([4, ...rsa.der])]), psa.VERDICT_SCHEME);
  assert.is(await verdict(element, { ...signed, data: Buffer.from([200, 1, 2]) }), psa.VERDICT_SCHEME);
  assert.is(await verdict(element, { ...signed, method: 10 }), psa.VERDICT_SCHEME, "a curve of 384 bits");
  assert.is(await verdict(element, { ...signed, method: 13 }), psa.VERDICT_SCHEME, "NULL");
  const nobody = await element.handle(request(psa.PSA_VERIFY_AUTH, 9, 14, [MOON, signed.data, OCTETS]));
  assert.is(Buffer.from(nobody).readInt32LE(psa.PSA_STATUS), psa.PSA_ERROR_INVALID_HANDLE);
});

test("bare public keys: sent or known, and only what is known", async () => {
  const key = makeKey("ed25519");
  const spki = new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
  const element = elementOf({ key, trust: { keys: [spki], authorities: [] } });
  const signed = await sign(element, ALL_HASHES);
  assert.equal([...(signed.certificates[0] as Buffer)], [15, ...spki]);
  assert.is(await verdict(element, signed), psa.VERDICT_GOOD);
  assert.is(await verdict(element, { ...signed, certificates: [] }), psa.VERDICT_GOOD);
  const stranger = makeKey("ed25519");
  const theirs = await sign(elementOf({ key: stranger }), ALL_HASHES);
  assert.is(await verdict(element, theirs), psa.VERDICT_NO_CERTIFICATE);
  assert.is(await verdict(element, { ...theirs, certificates: [] }), psa.VERDICT_SIGNATURE);
});

test("'auth' as swanctl has it", () => {
  assert.equal(authWord("psk"), { way: "psk" });
  assert.equal(authWord("pubkey"), { way: "pubkey" });
  assert.equal(authWord("pubkey-sha384"), { way: "pubkey", scheme: { hashes: ["sha384"] } });
  assert.equal(authWord("rsa-2048-ecdsa-256-sha256-sha384"), {
    way: "pubkey",
    scheme: {
      kinds: [
        { family: "rsa", bits: 2048 },
        { family: "ecdsa", bits: 256 },
      ],
      hashes: ["sha256", "sha384"],
    },
  });
  assert.equal(authWord("ed25519-ike:ed25519"), {
    way: "pubkey",
    scheme: { kinds: [{ family: "ed25519" }], ike: { kinds: [{ family: "ed25519" }] } },
  });
  assert.throws(() => authWord("rsa-sha1"), /SHA-1 are refused/);
  assert.throws(() => authWord("2048-rsa"), /'2048' is none of/);
  assert.equal(authWord("eap"), { way: "eap" });
  assert.equal(authWord("eap-tls"), { way: "eap", method: 13 });
  assert.throws(
    () => authWord("eap-ttls"),
    /'eap-ttls' is not supported by this gateway: of EAP it does eap, eap-mschapv2/,
  );
  assert.throws(() => authWord("pubky"), /'pubky' is none of/);
});

test.run();
