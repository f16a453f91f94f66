/** The secure element by its messages: the RFCs' numbers, what it refuses, and that keys stay and end. */
import {
  createDiffieHellmanGroup,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
} from "node:crypto";
import { execFileSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as psa from "../../assembly/abi/psa.ts";
import { libcryptoHmacKey, nodeHmacKey } from "../../host/secure_element/hmac.ts";
import { importShare } from "../../host/secure_element/key_agreement.ts";
import { prf, prfKey } from "../../host/secure_element/prf.ts";
import { PskStore } from "../../host/secure_element/psk_store.ts";
import { SecureElement } from "../../host/secure_element/secure_element.ts";
import { respondX25519, waysOfX25519 } from "../../host/secure_element/x25519.ts";
import { ThreadedElement } from "../../host/secure_element/threaded_element.ts";

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const fqdn = (name: string): Uint8Array => Uint8Array.from([2, ...ascii(name)]);
const ANY = Uint8Array.of(0);

/** The prime of RFC 3526 section 3 as it is defined there, with pi to 1920 binary places: from OpenSSL. */
const MODP2048 = BigInt(`0x${createDiffieHellmanGroup("modp14").getPrime("hex")}`);
const modp = (value: bigint): Uint8Array => octets(value.toString(16).padStart(512, "0"));

interface Request {
  op: number;
  key?: number;
  algorithm?: number;
  fields?: readonly Uint8Array[];
  transaction?: number;
}

function encode({ op, key = 0, algorithm = 0, fields = [], transaction = 77 }: Request): Uint8Array {
  const head = new Uint8Array(psa.PSA_FIELDS);
  const view = new DataView(head.buffer);
  view.setUint16(psa.PSA_OP, op, true);
  view.setUint32(psa.PSA_TRANSACTION, transaction, true);
  view.setUint32(psa.PSA_KEY, key, true);
  view.setUint32(psa.PSA_ALGORITHM, algorithm, true);
  const parts = fields.flatMap((field) => [Uint8Array.of(field.length & 255, field.length >> 8), field]);
  return new Uint8Array(Buffer.concat([head, ...parts]));
}

interface Answer {
  op: number;
  transaction: number;
  key: number;
  status: number;
  field: Uint8Array | undefined;
}

function decode(message: Uint8Array): Answer {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const field =
    message.length > psa.PSA_FIELDS
      ? message.slice(psa.PSA_FIELDS + 2, psa.PSA_FIELDS + 2 + view.getUint16(psa.PSA_FIELDS, true))
      : undefined;
  assert.is(message.length, psa.PSA_FIELDS + (field ? 2 + field.length : 0));
  return {
    op: view.getUint16(psa.PSA_OP, true),
    transaction: view.getUint32(psa.PSA_TRANSACTION, true),
    key: view.getUint32(psa.PSA_KEY, true),
    status: view.getInt32(psa.PSA_STATUS, true),
    field,
  };
}

/** All fields of a message, in hexadecimal. */
function fieldsOf(message: Uint8Array): string[] {
  const fields: string[] = [];
  for (let at = psa.PSA_FIELDS; at < message.length; ) {
    const end = at + 2 + (message[at]! | (message[at + 1]! << 8));
    assert.ok(end <= message.length);
    fields.push(hex(message.subarray(at + 2, end)));
    at = end;
  }
  return fields;
}

const ask = async (element: Pick<SecureElement, "handle">, request: Request): Promise<Answer> =>
  decode(await element.handle(encode(request)));

async function refused(element: SecureElement, request: Request, status: number, what: string): Promise<void> {
  const answer = await ask(element, request);
  assert.equal({ ...answer, what }, { op: request.op, transaction: 77, key: 0, status, field: undefined, what });
}

const { PSA_ERROR_INVALID_ARGUMENT: ARGUMENT, PSA_ERROR_INVALID_HANDLE: HANDLE } = psa;
const { PSA_ERROR_NOT_SUPPORTED: UNSUPPORTED, PSA_ERROR_DOES_NOT_EXIST: MISSING } = psa;

test("X25519: RFC 7748 section 6.1", () => {
  const alice = importShare(31, octets("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))!;
  const bob = importShare(31, octets("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))!;
  assert.is(hex(alice.publicValue), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  assert.is(hex(bob.publicValue), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.is(hex(alice.agree(bob.publicValue)!), secret);
  assert.is(hex(bob.agree(alice.publicValue)!), secret);
});

test("P-256: RFC 5903 section 8.1, both ways", () => {
  const i = importShare(19, octets("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433"))!;
  const r = importShare(19, octets("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53"))!;
  assert.is(
    hex(i.publicValue),
    "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
  );
  assert.is(
    hex(r.publicValue),
    "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
  );
  const secret = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";
  assert.is(hex(i.agree(r.publicValue)!), secret);
  assert.is(hex(r.agree(i.publicValue)!), secret);
});

test("P-384 and P-521: RFC 5903 section 8.2 and 8.3", () => {
  const secrets = {
    20: "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
    21:
      "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06" +
      "b3c715a3a8cc3151f2bee417996d19f3ddea",
  };
  const keys = {
    20: [
      "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
      "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
    ],
    21: [
      "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777" +
        "f5957b2639bab072462f68c27a57382d4a52",
      "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2" +
        "f869cca7458aa4a4effc311f5cb151685eb9",
    ],
  };
  for (const method of [20, 21] as const) {
    const [i, r] = keys[method].map((key) => importShare(method, octets(key))!);
    assert.is(hex(i!.agree(r!.publicValue)!), secrets[method]);
    assert.is(hex(r!.agree(i!.publicValue)!), secrets[method]);
  }
});

test("X448: RFC 7748 section 6.2", () => {
  const alice = importShare(
    32,
    octets(
      `9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d
       d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b`,
    ),
  )!;
  const bob = importShare(
    32,
    octets(
      `1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d
       6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d`,
    ),
  )!;
  assert.is(
    hex(bob.publicValue),
    "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
  );
  const secret =
    "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d";
  assert.is(hex(alice.agree(bob.publicValue)!), secret);
  assert.is(hex(bob.agree(alice.publicValue)!), secret);
});

test("MODP: public values and secrets are as long as the modulus, even where the number is shorter", () => {
  for (const [method, length] of [
    [14, 256],
    [15, 384],
    [16, 512],
  ] as const) {
    const two = importShare(method, Uint8Array.of(1))!;
    assert.is(hex(two.publicValue), `${"00".repeat(length - 1)}02`);
    const cube = importShare(method, Uint8Array.of(3))!;
    assert.is(hex(two.agree(cube.publicValue)!), `${"00".repeat(length - 1)}08`);
    const [a, b] = [importShare(method, octets("11".repeat(40)))!, importShare(method, octets("23".repeat(32)))!];
    const secret = a.agree(b.publicValue)!;
    assert.is(secret.length, length);
    assert.is(hex(b.agree(a.publicValue)!), hex(secret));
  }
});

test("two elements agree by messages; a share serves once", async () => {
  for (const [method, length, secret] of [
    [31, 32, 32],
    [32, 56, 56],
    [19, 64, 32],
    [20, 96, 48],
    [21, 132, 66],
    [14, 256, 256],
    [15, 384, 384],
    [16, 512, 512],
  ] as const) {
    const [a, b] = [new SecureElement(), new SecureElement()];
    const [shareA, shareB] = [
      await ask(a, { op: psa.PSA_GENERATE_KEY, algorithm: method }),
      await ask(b, { op: psa.PSA_GENERATE_KEY, algorithm: method }),
    ];
    assert.is(shareA.status, psa.PSA_SUCCESS);
    assert.is(shareA.transaction, 77);
    assert.is(shareA.field!.length, length);
    const agree = (key: number, peer: Uint8Array): Request => ({
      op: psa.PSA_RAW_KEY_AGREEMENT,
      key,
      algorithm: method,
      fields: [peer],
    });
    const one = await ask(a, agree(shareA.key, shareB.field!));
    const other = await ask(b, agree(shareB.key, shareA.field!));
    assert.is(one.field!.length, secret);
    assert.is(hex(one.field!), hex(other.field!));
    assert.is(a.keysHeld, 0);
    await refused(a, agree(shareA.key, shareB.field!), HANDLE, "the share is spent");
  }
});

test("a share that is kept gives the same secret again, until it is destroyed", async () => {
  const [a, b] = [new SecureElement(), new SecureElement()];
  for (const method of [31, 19, 14, 36]) {
    const own = await ask(a, { op: psa.PSA_GENERATE_KEY, algorithm: method });
    const theirs = await ask(b, { op: psa.PSA_RESPOND_KEY, algorithm: method, fields: [own.field!] });
    const peer = theirs.field!.subarray(2, 2 + (theirs.field![0]! | (theirs.field![1]! << 8)));
    const again: Request = { op: psa.PSA_KEY_AGREEMENT_KEPT, key: own.key, algorithm: method, fields: [peer] };
    const first = await ask(a, again);
    const second = await ask(a, again);
    assert.is(first.status, psa.PSA_SUCCESS);
    assert.is(hex(second.field!), hex(first.field!));
    assert.is(a.keysHeld, 1);
    await ask(a, { op: psa.PSA_DESTROY_KEY, key: own.key });
    assert.is(a.keysHeld, 0);
    await refused(a, again, HANDLE, "the share is destroyed");
  }
});

test("the key of an epoch of the checkpoint follows from its salt, and from this element's chassis key", async () => {
  const [a, b] = [new SecureElement(), new SecureElement()];
  const salt = new Uint8Array(32).fill(7);
  const key = async (element: SecureElement, fields: Uint8Array[]): Promise<string> =>
    hex((await ask(element, { op: psa.PSA_CHECKPOINT_KEY, fields })).field!);
  assert.is((await key(a, [salt])).length, 64);
  assert.is(await key(a, [salt]), await key(a, [salt]));
  assert.is.not(await key(a, [salt]), await key(a, [new Uint8Array(32)]));
  assert.is.not(await key(a, [salt]), await key(b, [salt]), "another element has another chassis key");
  for (const fields of [[], [new Uint8Array(31)], [salt, salt]])
    await refused(a, { op: psa.PSA_CHECKPOINT_KEY, fields }, psa.PSA_ERROR_INVALID_ARGUMENT, "not one salt");
});

test("peers' values that must be refused: the share is spent, the secret is not told", async () => {
  const element = new SecureElement();
  const low = "0100000000000000000000000000000000000000000000000000000000000000";
  const order8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
  const p256 = octets(`${"11".repeat(32)}${"22".repeat(32)}`);
  const cases: [number, Uint8Array, string][] = [
    [31, new Uint8Array(32), "all zero"],
    [31, octets(low), "low order"],
    [31, octets(order8), "order 8"],
    [31, new Uint8Array(31).fill(9), "too short"],
    [31, new Uint8Array(33).fill(9), "too long"],
    [31, new Uint8Array(0), "empty"],
    [19, p256, "not on the curve"],
    [19, new Uint8Array(64), "point of zeros"],
    [19, new Uint8Array(65).fill(4), "with a format octet"],
    [19, new Uint8Array(33).fill(2), "compressed"],
    [20, new Uint8Array(96).fill(1), "P-384: not on the curve"],
    [20, p256, "P-384: as long as one of P-256"],
    [21, new Uint8Array(132).fill(1), "P-521: not on the curve"],
    [32, new Uint8Array(56), "X448: all zero"],
    [32, Uint8Array.from({ length: 56 }, (_, i) => (i === 0 ? 1 : 0)), "X448: low order"],
    [14, modp(0n), "MODP: 0"],
    [14, modp(1n), "MODP: 1"],
    [14, modp(MODP2048 - 1n), "MODP: p - 1"],
    [14, modp(MODP2048), "MODP: p"],
    [14, modp(MODP2048 + 2n), "MODP: p + 2"],
    [14, new Uint8Array(256).fill(255), "MODP: 2^2048 - 1"],
    [14, modp(4n).subarray(1), "MODP: too short"],
    [14, Uint8Array.from([0, ...modp(4n)]), "MODP: too long"],
  ];
  for (const [method, peer, what] of cases) {
    const { key } = await ask(element, { op: psa.PSA_GENERATE_KEY, algorithm: method });
    const request = { op: psa.PSA_RAW_KEY_AGREEMENT, key, algorithm: method, fields: [peer] };
    await refused(element, request, ARGUMENT, what);
    assert.is(element.keysHeld, 0, what);
  }
});

/** Values that RFC 6989 section 2 and FIPS 203 section 7 have refused, for every method; `good` is an acceptable one. */
function unacceptable(method: number, good: Uint8Array): [string, Uint8Array][] {
  const lengths: [string, Uint8Array][] = [
    ["empty", new Uint8Array(0)],
    ["too short", good.subarray(1)],
    ["too long", Uint8Array.from([...good, 0])],
  ];
  const group = { 14: "modp14", 15: "modp15", 16: "modp16", 17: "modp17", 18: "modp18" }[method];
  if (group !== undefined) {
    const p = BigInt(`0x${createDiffieHellmanGroup(group).getPrime("hex")}`);
    const number = (value: bigint): Uint8Array => octets(value.toString(16).padStart(good.length * 2, "0"));
    const values: [string, Uint8Array][] = [0n, 1n, p - 1n, p, p + 1n, 2n ** BigInt(good.length * 8) - 1n].map(
      (value) => [`${value - p} from p`, number(value)],
    );
    return [...lengths, ...values];
  }
  if (method >= 35) {
    // The first coefficient, 12 bits: the modulus itself, and the largest that there is.
    const with12 = (value: number): Uint8Array =>
      Uint8Array.from([value & 0xff, (good[1]! & 0xf0) | (value >> 8), ...good.subarray(2)]);
    return [...lengths, ["a coefficient of q", with12(3329)], ["a coefficient of 4095", with12(4095)]];
  }
  const other = good.slice();
  other[other.length - 1]! ^= 1;
  return method < 31
    ? [...lengths, ["not on the curve", other], ["zeros", new Uint8Array(good.length)]]
    : [...lengths, ["zeros", new Uint8Array(good.length)]];
}

test("every method: a peer's value is answered at once, and what has to be refused is refused", async () => {
  const element = new SecureElement();
  for (const method of [14, 15, 16, 17, 18, 19, 20, 21, 31, 32, 35, 36, 37]) {
    const generate = { op: psa.PSA_GENERATE_KEY, algorithm: method };
    const own = await ask(element, generate);
    const respond = { op: psa.PSA_RESPOND_KEY, algorithm: method };
    const { status, field } = await ask(element, { ...respond, fields: [own.field!] });
    assert.is(status, psa.PSA_SUCCESS, `method ${method}`);
    const length = field![0]! | (field![1]! << 8);
    const agree = { op: psa.PSA_RAW_KEY_AGREEMENT, algorithm: method };
    const secret = await ask(element, { ...agree, key: own.key, fields: [field!.slice(2, 2 + length)] });
    assert.is(hex(secret.field!), hex(field!.slice(2 + length)), `method ${method}`);
    for (const [what, value] of unacceptable(method, own.field!)) {
      await refused(element, { ...respond, fields: [value] }, ARGUMENT, `method ${method}, ${what}`);
      if (method >= 35 && value.length === own.field!.length) continue; // no ciphertext is out of range
      const { key } = await ask(element, generate);
      await refused(element, { ...agree, key, fields: [value] }, ARGUMENT, `method ${method}, ${what}`);
    }
    assert.is(element.keysHeld, 0);
  }
  await refused(element, { op: psa.PSA_RESPOND_KEY, algorithm: 5, fields: [new Uint8Array(192)] }, UNSUPPORTED, "weak");
  await refused(element, { op: psa.PSA_RESPOND_KEY, algorithm: 31 }, ARGUMENT, "no value");
});

test("X25519 by libcrypto: what node:crypto agrees to, each time with another share, in both ways", () => {
  assert.ok(respondX25519, "this node shows its libcrypto");
  const ways = waysOfX25519();
  assert.is(ways.length, 2, "the curve's function, and EVP_PKEY");
  const shares = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const respond = ways[i % 2]!;
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    const value = new Uint8Array(Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url"));
    // RFC 7748 section 5: the uppermost bit is masked.
    if (i % 4 > 1) value[31]! |= 0x80;
    const made = respond(value)!;
    const theirs: JsonWebKey = { kty: "OKP", crv: "X25519", x: Buffer.from(made.publicValue).toString("base64url") };
    const secret = diffieHellman({ privateKey, publicKey: createPublicKey({ key: theirs, format: "jwk" }) });
    assert.is(hex(made.secret), hex(secret));
    shares.add(hex(made.publicValue));
    assert.is(respond(new Uint8Array(32)), undefined, "a low-order point between");
  }
  assert.is(shares.size, 200);
});

test("X25519 by libcrypto: every point of low order is refused (RFC 7748 section 6.1), and other lengths", () => {
  const p = (1n << 255n) - 19n;
  const little = (value: bigint): Uint8Array => octets(value.toString(16).padStart(64, "0")).reverse();
  const order8 = [
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  ];
  const low = [...[0n, 1n, p - 1n, p, p + 1n].map(little), ...order8.map(octets)];
  for (const respond of waysOfX25519()) {
    for (const value of low) {
      assert.is(respond(value), undefined, hex(value));
      assert.is(respond(Uint8Array.from(value, (octet, i) => (i === 31 ? octet | 0x80 : octet))), undefined);
    }
    for (const length of [0, 31, 33]) assert.is(respond(new Uint8Array(length).fill(9)), undefined);
  }
});

test("requests that do not add up", async () => {
  const element = new SecureElement();
  const { key } = await ask(element, { op: psa.PSA_GENERATE_KEY, algorithm: 31 });
  const peer = new Uint8Array(32).fill(9);
  await refused(element, { op: 99 }, UNSUPPORTED, "unknown operation");
  for (const [method, what] of [
    [2, "MODP of 1024 bits"],
    [1, "MODP of 768 bits"],
    [24, "MODP of RFC 5114"],
    [25, "P-192"],
  ] as const) {
    await refused(element, { op: psa.PSA_GENERATE_KEY, algorithm: method }, UNSUPPORTED, what);
  }
  await refused(element, { op: psa.PSA_GENERATE_KEY, algorithm: 31, fields: [peer] }, ARGUMENT, "a field too many");
  await refused(element, { op: psa.PSA_RAW_KEY_AGREEMENT, key, algorithm: 31 }, ARGUMENT, "no field");
  const agree = { op: psa.PSA_RAW_KEY_AGREEMENT, algorithm: 19, fields: [peer] };
  await refused(element, { ...agree, key }, ARGUMENT, "another method");
  await refused(element, { ...agree, key: key + 1 }, HANDLE, "no such key");
  await refused(element, { op: psa.PSA_DESTROY_KEY, key: key + 1 }, HANDLE, "destroy no such key");
  await refused(element, { op: psa.PSA_GENERATE_RANDOM, algorithm: 0 }, ARGUMENT, "nothing random");
  await refused(element, { op: psa.PSA_GENERATE_RANDOM, algorithm: 1025 }, ARGUMENT, "too much random");
  assert.is(element.keysHeld, 1);
  assert.is((await ask(element, { op: psa.PSA_DESTROY_KEY, key })).status, psa.PSA_SUCCESS);
  assert.is(element.keysHeld, 0);

  // Cut off anywhere, an answer comes, and it echoes what was there to echo.
  const whole = encode({ op: psa.PSA_RAW_KEY_AGREEMENT, key, algorithm: 31, fields: [peer] });
  for (let length = 0; length < whole.length; length++) {
    const answer = decode(await element.handle(whole.subarray(0, length)));
    assert.is(answer.status, ARGUMENT, `cut at ${length}`);
    assert.is(answer.transaction, length >= 8 ? 77 : 0, `cut at ${length}`);
  }
});

test("random octets: as many as wanted, never the same", async () => {
  const element = new SecureElement();
  const seen = new Set<string>();
  for (const length of [1024, 32, 32, 32, 1]) {
    const { status, field } = await ask(element, { op: psa.PSA_GENERATE_RANDOM, algorithm: length });
    assert.is(status, psa.PSA_SUCCESS);
    assert.is(field!.length, length);
    seen.add(hex(field!));
  }
  assert.is(seen.size, 5);
});

test("the AES PRFs take keys of any length: RFC 4434 and RFC 4615, and AUTH by numbers computed apart", async () => {
  const key = Uint8Array.from({ length: 18 }, (_, i) => (i < 16 ? i : i === 16 ? 0xed : 0xcb));
  const data = Uint8Array.from({ length: 20 }, (_, i) => i);
  const of = (id: number, length: number): string => hex(prf(id, key.subarray(0, length), data));
  assert.is(of(4, 16), "47f51b4564966215b8985c63055ed308");
  assert.is(of(4, 10), "0fa087af7d866e7653434e602fdde835");
  assert.is(of(4, 18), "8cd3c93ae598a9803006ffb67c40e9e4");
  assert.is(of(8, 16), "980ae87b5f4c9c5214f5b6a8455e4c2d");
  assert.is(of(8, 10), "290d9e112edb09ee141fcf64c0b72f3d");
  assert.is(of(8, 18), "84a348a4a45d235babfffc0d2b4da09a");
  assert.throws(() => prf(1, key, data), "PRF 1 is not supported");
  for (const [id, secret, expected] of [
    [4, "secret", "a21ee20dfe262eb44e90d56f806bdde6"],
    [4, "0123456789abcdef", "aa314ec601aca9b21ee80b55e37d55e6"],
    [4, "a shared secret of more than 16 octets", "f126a9fe805256f9dfa4a5888d51cdaf"],
    [8, "secret", "e3622047ee06aba69e5681441a40d8af"],
    [8, "0123456789abcdef", "cc28deea00bcf47d6007ee799979197e"],
    [8, "a shared secret of more than 16 octets", "be1de02742e4f5f28850ca0dc5c57c82"],
  ] as const) {
    const element = new SecureElement();
    element.loadSecrets([{ identities: [], secret: ascii(secret) }]);
    const fields = [fqdn("a"), fqdn("b"), ascii("signed octets")];
    const { field } = await ask(element, { op: psa.PSA_PSK_AUTH, algorithm: id, fields });
    assert.is(hex(field!), expected, `${id} ${secret}`);
  }
});

test("PPKs make keys by RFC 8784 section 3: prf+ of each, found by their name alone", async () => {
  const element = new SecureElement();
  element.loadSecrets([
    { identities: [], secret: ascii("a PSK, not a PPK") },
    { identities: [fqdn("ppk-1")], secret: ascii("quantum"), ppk: true },
  ]);
  for (const [prf, hash, octets] of [
    [5, "sha256", 32],
    [7, "sha512", 64],
  ] as const) {
    const keys = [1, 2, 3].map((value) => new Uint8Array(octets).fill(value));
    const request = { op: psa.PSA_PPK_KEYS, algorithm: prf, fields: [ascii("ppk-1"), ...keys] };
    const { field } = await ask(element, request);
    const expected = keys.map((key) => createHmac(hash, "quantum").update(key).update(Buffer.of(1)).digest("hex"));
    assert.is(hex(field!), expected.join(""));
    const unknown = await ask(element, { ...request, fields: [ascii("ppk-2"), ...keys] });
    assert.is(unknown.status, psa.PSA_ERROR_DOES_NOT_EXIST);
    const short = await ask(element, { ...request, fields: [ascii("ppk-1"), ...keys.slice(1)] });
    assert.is(short.status, psa.PSA_ERROR_INVALID_ARGUMENT);
    const cut = await ask(element, { ...request, fields: [ascii("ppk-1"), ...keys.map((key) => key.subarray(1))] });
    assert.is(cut.status, psa.PSA_ERROR_INVALID_ARGUMENT);
  }
  element.close();
});

test("PSK authentication is RFC 7296 section 2.15, for every PRF that is an HMAC", async () => {
  const element = new SecureElement();
  element.loadSecrets([{ identities: [fqdn("a"), fqdn("b")], secret: ascii("secret") }]);
  const signed = ascii("signed octets");
  for (const [prf, hash] of [
    [2, "sha1"],
    [5, "sha256"],
    [6, "sha384"],
    [7, "sha512"],
  ] as const) {
    const inner = createHmac(hash, "secret").update("Key Pad for IKEv2").digest();
    const expected = createHmac(hash, inner).update(signed).digest("hex");
    for (const ids of [
      [fqdn("a"), fqdn("b")],
      [fqdn("b"), fqdn("a")],
    ]) {
      const answer = await ask(element, { op: psa.PSA_PSK_AUTH, algorithm: prf, fields: [...ids, signed] });
      assert.is(hex(answer.field!), expected);
    }
  }
  const auth = (algorithm: number, fields: Uint8Array[]): Request => ({ op: psa.PSA_PSK_AUTH, algorithm, fields });
  const [a, b, c] = [fqdn("a"), fqdn("b"), fqdn("c")];
  await refused(element, auth(1, [a, b, signed]), UNSUPPORTED, "PRF_HMAC_MD5");
  await refused(element, auth(5, [a, b]), ARGUMENT, "no octets to sign");
  await refused(element, auth(5, [a, b, new Uint8Array(0)]), ARGUMENT, "empty octets to sign");
  await refused(element, auth(5, [new Uint8Array(0), b, signed]), ARGUMENT, "no identity of our own");
  await refused(element, auth(5, [c, fqdn("d"), signed]), MISSING, "strangers");
  element.close();
  await refused(element, auth(5, [a, b, signed]), MISSING, "closed");
});

test("both AUTHs with a shared key at once, and the token with them", async () => {
  const element = new SecureElement();
  element.loadSecrets([{ identities: [fqdn("a"), fqdn("b")], secret: ascii("secret") }]);
  const [a, b, ours, theirs] = [fqdn("a"), fqdn("b"), ascii("our octets"), ascii("their octets")];
  const spis = Uint8Array.from({ length: 16 }, (_, i) => i);
  const both = (fields: Uint8Array[], algorithm = 5): Request => ({ op: psa.PSA_PSK_AUTH_BOTH, algorithm, fields });
  const field = async (request: Request): Promise<string> => hex((await ask(element, request)).field!);
  const data = [
    await field({ op: psa.PSA_PSK_AUTH, algorithm: 5, fields: [a, b, ours] }),
    await field({ op: psa.PSA_PSK_AUTH, algorithm: 5, fields: [b, a, theirs] }),
  ];
  const token = await field({ op: psa.PSA_QCD_TOKEN, fields: [spis] });
  assert.equal(fieldsOf(await element.handle(encode(both([a, b, ours, theirs, spis])))), [...data, token]);
  const none = new Uint8Array(0);
  assert.equal(fieldsOf(await element.handle(encode(both([a, b, ours, theirs, none])))), [...data, ""]);
  await refused(element, both([a, b, ours, theirs, none], 1), UNSUPPORTED, "PRF_HMAC_MD5");
  await refused(element, both([a, b, ours, theirs]), ARGUMENT, "no field for the token");
  await refused(element, both([a, b, ours, theirs, spis.subarray(1)]), ARGUMENT, "SPIs of 15 octets");
  for (let i = 0; i < 4; i++) {
    const fields = [a, b, ours, theirs, spis].map((value, n) => (n === i ? none : value));
    await refused(element, both(fields), ARGUMENT, `field ${i} is empty`);
  }
  await refused(element, both([fqdn("c"), fqdn("d"), ours, theirs, spis]), MISSING, "strangers");
  element.close();
});

test("a key of AUTH is made of the secret of the moment, by the PRF that is asked for, and is destroyed with it", () => {
  const store = new PskStore();
  const [a, b, signed] = [fqdn("a"), fqdn("b"), ascii("octets to sign")];
  const expected = (hash: string, secret: string): string => {
    const key = createHmac(hash, secret).update("Key Pad for IKEv2").digest();
    return createHmac(hash, key).update(signed).digest("hex");
  };
  store.load([{ identities: [a], secret: ascii("first") }]);
  const first = store.authKey(5, a, b)!;
  assert.is(hex(first.mac(signed)), expected("sha256", "first"));
  assert.is(hex(store.authKey(6, a, b)!.mac(signed)), expected("sha384", "first"));
  assert.is(store.authKey(5, b, a), first);
  store.load([{ identities: [a], secret: ascii("second") }]);
  assert.throws(() => first.mac(signed), /destroyed/);
  assert.is(hex(store.authKey(5, a, b)!.mac(signed)), expected("sha256", "second"));
  store.load([]);
  assert.is(store.authKey(5, a, b), undefined);
});

test("keys of every PRF that stay make what those make that do not, each time anew", () => {
  const octetsFrom = (first: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => (first + 7 * i) & 255);
  // As long as no key, below, at and above the blocks of AES and of the hashes.
  for (const length of [0, 1, 15, 16, 17, 20, 32, 63, 64, 65, 128, 129, 200]) {
    const key = octetsFrom(length, length);
    for (const id of [2, 4, 5, 6, 7, 8]) {
      const kept = prfKey(id, key);
      for (const octets of [0, 1, 64, 333]) {
        const data = octetsFrom(octets, octets);
        assert.is(hex(kept.mac(data)), hex(prf(id, key, data)), `PRF ${id}, key of ${length}, ${octets} octets`);
      }
      kept.destroy();
      kept.destroy();
      assert.throws(() => kept.mac(key), /destroyed/);
    }
  }
  assert.throws(() => prfKey(1, octetsFrom(0, 16)), /PRF 1 is not supported/);
});

test("HMAC by libcrypto and by node:crypto: RFC 4231 section 4, keys of their own copy, many at a time", () => {
  assert.ok(libcryptoHmacKey, "this node shows its libcrypto");
  for (const makes of [libcryptoHmacKey!, nodeHmacKey]) {
    const given = Buffer.from("Jefe"); // a Buffer's slice is a view
    const key = makes("sha256", given);
    given.fill(0);
    const others = Array.from({ length: 100 }, (_, i) => makes("sha512", Uint8Array.of(i)));
    const data = ascii("what do ya want for nothing?");
    assert.is(hex(key.mac(data)), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    for (const [i, other] of others.entries()) {
      assert.is(hex(other.mac(data)), createHmac("sha512", Uint8Array.of(i)).update(data).digest("hex"));
      other.destroy();
    }
    assert.is(hex(key.mac(data)), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    key.destroy();
  }
});

test("which secret two identities share", () => {
  const store = new PskStore();
  const [gw, one, two] = [fqdn("gw.example"), fqdn("one.example"), fqdn("two.example")];
  const secret = (text: string, ...identities: Uint8Array[]): { identities: Uint8Array[]; secret: Uint8Array } => ({
    identities,
    secret: ascii(text),
  });
  const texts = ["for all", "of gw", "domain", "gw and one", "gw and any", "suffix"];
  const macOf = (text: string, data: Uint8Array): string => {
    const key = createHmac("sha256", text).update("Key Pad for IKEv2").digest();
    return createHmac("sha256", key).update(data).digest("hex");
  };
  const found = (a: Uint8Array, b: Uint8Array): string | undefined => {
    const mac = store.authKey(5, a, b)?.mac(a);
    return mac && texts.find((text) => macOf(text, a) === hex(mac));
  };
  store.load([
    secret("for all"),
    secret("of gw", gw),
    secret("domain", gw, fqdn("*.example")),
    secret("gw and one", gw, one),
    secret("gw and any", fqdn("alone.test"), ANY),
  ]);
  assert.is(found(gw, one), "gw and one");
  assert.is(found(one, gw), "gw and one");
  assert.is(found(gw, fqdn("ONE.Example")), "gw and one");
  assert.is(found(gw, two), "domain");
  assert.is(found(two, gw), "domain");
  assert.is(found(fqdn("alone.test"), fqdn("x.test")), "gw and any");
  assert.is(found(fqdn("x.test"), fqdn("y.test")), "for all");
  // The same octets under another ID type are another identity.
  assert.is(found(Uint8Array.from([11, ...ascii("one.example")]), fqdn("z.test")), "for all");
  store.load([secret("gw and one", gw, one)]);
  assert.is(found(gw, new Uint8Array(0)), "gw and one", "the peer is not known yet");
  assert.is(found(two, fqdn("x.test")), undefined);
  store.load([secret("suffix", fqdn("*one.example"))]);
  assert.is(found(fqdn("ne.example"), two), undefined, "shorter than the suffix");
});

test("loading secrets keeps copies and replaces what was there", async () => {
  const element = new SecureElement();
  const given = ascii("secret");
  element.loadSecrets([{ identities: [], secret: given }]);
  given.fill(0);
  const request = { op: psa.PSA_PSK_AUTH, algorithm: 5, fields: [fqdn("a"), fqdn("b"), ascii("x")] };
  const inner = createHmac("sha256", "secret").update("Key Pad for IKEv2").digest();
  assert.is(hex((await ask(element, request)).field!), createHmac("sha256", inner).update("x").digest("hex"));
  element.loadSecrets([]);
  await refused(element, request, MISSING, "no secrets");
});

test("the table of shares is bounded; when it is full, those of dead exchanges make room", async () => {
  let now = 0;
  const element = new SecureElement(() => now);
  const generate = { op: psa.PSA_GENERATE_KEY, algorithm: 31 };
  const first = await ask(element, generate);
  for (let i = 1; i < 4096; i++) assert.is((await ask(element, generate)).status, psa.PSA_SUCCESS);
  assert.is(element.keysHeld, 4096);
  await refused(element, generate, psa.PSA_ERROR_INSUFFICIENT_MEMORY, "full");
  now = 120_001;
  assert.is((await ask(element, generate)).status, psa.PSA_SUCCESS);
  assert.is(element.keysHeld, 1);
  await refused(element, { op: psa.PSA_DESTROY_KEY, key: first.key }, HANDLE, "the old share is gone");
});

test("shares are made and used while garbage is collected at every turn", () => {
  const program = `
    import { generateShare } from ${JSON.stringify(new URL("../../host/secure_element/key_agreement.ts", import.meta.url).href)};
    let octets = 0;
    for (let i = 0; i < 20000; i++) {
      const [ours, theirs] = [generateShare(31), generateShare(31)];
      octets += ours.agree(theirs.publicValue).length;
    }
    console.log(octets);`;
  const words = ["--gc-interval=37", "--import", "tsx", "--input-type=module", "--eval", program];
  // A deadlock has no end of its own: the time-out is the check.
  const told = execFileSync(process.execPath, words, { encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL" });
  assert.is(told.trim(), String(20000 * 32));
});

test("in a thread of its own: the same answers, each to its request; none after its end", async () => {
  const element = new ThreadedElement();
  const [us, peer] = [fqdn("moon"), fqdn("sun")];
  element.loadSecrets([{ identities: [], secret: ascii("shared") }]);
  const signed = ascii("octets to sign");
  const inner = createHmac("sha256", "shared").update("Key Pad for IKEv2").digest();
  const answers = await Promise.all([
    ask(element, { op: psa.PSA_GENERATE_KEY, algorithm: psa.KE_X25519, transaction: 1 }),
    ask(element, { op: psa.PSA_PSK_AUTH, algorithm: 5, fields: [us, peer, signed], transaction: 2 }),
    ask(element, { op: psa.PSA_GENERATE_RANDOM, algorithm: 24, transaction: 3 }),
  ]);
  assert.equal(
    answers.map(({ transaction, status }) => [transaction, status]),
    [1, 2, 3].map((transaction) => [transaction, psa.PSA_SUCCESS]),
  );
  assert.is(answers[0]?.field?.length, 32);
  assert.is(hex(answers[1]?.field ?? new Uint8Array()), createHmac("sha256", inner).update(signed).digest("hex"));
  await element.close();
  let refused = "";
  await ask(element, { op: psa.PSA_GENERATE_RANDOM, algorithm: 8 }).catch((error: Error) => (refused = error.message));
  assert.is(refused, "the secure element's thread has ended");
});

test.run();
