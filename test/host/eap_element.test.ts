/**
 * EAP of the secure element (abi/psa.ts PSA_EAP_*), both its sides against each other and each against hostile packets: of bad lengths, with
 * wrong identifiers, of types that were never offered, success before it is due, requests without end.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  EAP_AUTHENTICATOR,
  EAP_CONTINUES,
  EAP_FAILED,
  EAP_IDENTITY,
  EAP_PEER,
  EAP_REASON_CERTIFICATE,
  EAP_REASON_IDENTITY,
  EAP_REASON_MALFORMED,
  EAP_REASON_NO_METHOD,
  EAP_REASON_NO_SECRET,
  EAP_REASON_PROOF,
  EAP_REASON_REFUSED,
  EAP_REASON_TLS,
  EAP_REASON_TOO_LONG,
  EAP_REASON_UNEXPECTED,
  EAP_SUCCEEDED,
  PSA_ALGORITHM,
  PSA_EAP_AUTH,
  PSA_EAP_BEGIN,
  PSA_EAP_END,
  PSA_EAP_STEP,
  PSA_ERROR_DOES_NOT_EXIST,
  PSA_ERROR_INSUFFICIENT_MEMORY,
  PSA_ERROR_INVALID_ARGUMENT,
  PSA_ERROR_INVALID_HANDLE,
  PSA_ERROR_NOT_PERMITTED,
  PSA_FIELDS,
  PSA_KEY,
  PSA_OP,
  PSA_STATUS,
  PSA_SUCCESS,
  VERDICT_NO_PATH,
} from "../../assembly/abi/psa.ts";
import type { EapPlan } from "../../host/secure_element/eap_sessions.ts";
import { TYPE_MD5, TYPE_MSCHAPV2, TYPE_TLS } from "../../host/secure_element/eap_packet.ts";
import { SecureElement } from "../../host/secure_element/secure_element.ts";
import { issue } from "../pki/authority.ts";

const PRF_SHA256 = 5;
const FQDN = 2;
const id = (name: string): Uint8Array => Uint8Array.from([FQDN, ...Buffer.from(name)]);
const CAROL = id("carol.example");
const SERVER = id("server.example");

interface Answer {
  status: number;
  key: number;
  outcome: number;
  method: number;
  reason: number;
  identity: string;
  packet: Uint8Array;
}

let now = 0;

class Board {
  readonly element = new SecureElement(() => now);

  async ask(op: number, key: number, algorithm: number, ...fields: Uint8Array[]): Promise<Uint8Array> {
    const body = fields.flatMap((field) => [field.length & 0xff, field.length >>> 8, ...field]);
    const message = new Uint8Array(PSA_FIELDS + body.length);
    const view = new DataView(message.buffer);
    view.setUint16(PSA_OP, op, true);
    view.setUint32(PSA_KEY, key, true);
    view.setUint32(PSA_ALGORITHM, algorithm, true);
    message.set(body, PSA_FIELDS);
    return this.element.answer(message);
  }

  async #eap(op: number, key: number, algorithm: number, ...fields: Uint8Array[]): Promise<Answer> {
    const message = await this.ask(op, key, algorithm, ...fields);
    const view = new DataView(message.buffer);
    const field = message.subarray(PSA_FIELDS + 2);
    const [outcome = -1, method = 0, reason = 0, octets = 0] = field;
    return {
      status: view.getInt32(PSA_STATUS, true),
      key: view.getUint32(PSA_KEY, true),
      outcome,
      method,
      reason,
      identity: Buffer.from(field.subarray(EAP_IDENTITY, EAP_IDENTITY + octets)).toString(),
      packet: field.slice(EAP_IDENTITY + octets),
    };
  }

  begin(plan: number, role: number, packet: Uint8Array = new Uint8Array(0)): Promise<Answer> {
    return this.#eap(PSA_EAP_BEGIN, plan, role, CAROL, SERVER, packet);
  }

  step(key: number, packet: Uint8Array): Promise<Answer> {
    return this.#eap(PSA_EAP_STEP, key, 0, packet);
  }

  async auth(key: number): Promise<string> {
    const message = await this.ask(PSA_EAP_AUTH, key, PRF_SHA256, Buffer.from("SK_p"), Buffer.from("octets"));
    const status = new DataView(message.buffer).getInt32(PSA_STATUS, true);
    return status === PSA_SUCCESS ? Buffer.from(message.subarray(PSA_FIELDS + 2)).toString("hex") : String(status);
  }

  async end(key: number): Promise<number> {
    return new DataView((await this.ask(PSA_EAP_END, key, 0)).buffer).getInt32(PSA_STATUS, true);
  }
}

const secret = (name: string, text: string) => ({ identities: [id(name)], secret: Buffer.from(text), eap: true });

const ca = issue({ name: "authority", ca: true });
const certified = (name: string) => issue({ name, san: name }, ca);

function board(plans: Omit<EapPlan, "id">[], password = "a password", user = "carol.example"): Board {
  const at = new Board();
  const [carol, server] = [certified("carol.example"), certified("server.example")];
  at.element.loadSecrets([secret(user, password)]);
  at.element.loadCredentials({
    credentials: [carol, server].map(({ key, der }, i) => ({
      id: i + 1,
      key: new Uint8Array(key.export({ type: "pkcs8", format: "der" })),
      certificates: [der],
    })),
    trusts: [{ id: 1, authorities: [ca.der], lists: [], through: [], revocation: "relaxed" }],
    eap: plans.map((plan, i) => ({ id: i + 1, ...plan })),
  });
  return at;
}

const TLS = { methods: [TYPE_TLS], trust: 1 };

/** Runs two sides to their end. */
async function converse(peer: Board, authenticator: Board, peerPlan = 1, plan = 1) {
  let asks = await authenticator.begin(plan, EAP_AUTHENTICATOR);
  let says: Answer | undefined;
  let packets = 0;
  while (asks.outcome !== EAP_FAILED && packets++ < 100) {
    says = says ? await peer.step(says.key, asks.packet) : await peer.begin(peerPlan, EAP_PEER, asks.packet);
    if (says.outcome !== EAP_CONTINUES) break;
    asks = await authenticator.step(asks.key, says.packet);
  }
  if (asks.outcome === EAP_FAILED && says?.outcome === EAP_CONTINUES) says = await peer.step(says.key, asks.packet);
  return { asks, says: says as Answer, packets };
}

for (const [what, plans, method, msk] of [
  ["MD5", [{ methods: [TYPE_MD5] }, { methods: [TYPE_MD5] }], TYPE_MD5, false],
  ["MSCHAPv2", [{ methods: [TYPE_MSCHAPV2] }, { methods: [TYPE_MSCHAPV2] }], TYPE_MSCHAPV2, true],
  ["MSCHAPv2 by Nak", [{ methods: [TYPE_MSCHAPV2] }, { methods: [TYPE_MD5, TYPE_MSCHAPV2] }], TYPE_MSCHAPV2, true],
  ["an identity that is asked for", [{ methods: [TYPE_MD5] }, { methods: [TYPE_MD5], asks: true }], TYPE_MD5, false],
  [
    "TLS",
    [
      { ...TLS, credential: 1 },
      { ...TLS, credential: 2 },
    ],
    TYPE_TLS,
    true,
  ],
] as const) {
  test(`${what}: both succeed with one AUTH, and a session ends`, async () => {
    const [peer, authenticator] = [board([plans[0]]), board([plans[1]])];
    const { asks, says } = await converse(peer, authenticator);
    assert.is(says.outcome, EAP_SUCCEEDED);
    assert.is(asks.outcome, EAP_SUCCEEDED);
    assert.is(asks.method, method);
    assert.is(asks.identity, "carol.example");
    const auth = await peer.auth(says.key);
    assert.match(auth, /^[0-9a-f]{64}$/);
    assert.is(await authenticator.auth(asks.key), auth);
    // Without an MSK it is SK_p's.
    const plain = board([{ methods: [TYPE_MD5] }]);
    const md5 = await converse(plain, board([{ methods: [TYPE_MD5] }]));
    assert.is((await plain.auth(md5.says.key)) === auth, !msk);
    assert.is(await peer.end(says.key), PSA_SUCCESS);
    assert.is(await peer.auth(says.key), String(PSA_ERROR_NOT_PERMITTED));
    assert.is(await peer.end(says.key), PSA_ERROR_INVALID_HANDLE);
    assert.is(peer.element.sessionsHeld, 0);
  });
}

for (const [what, peer, authenticator, told, heard] of [
  [
    "MD5, a wrong password",
    board([{ methods: [TYPE_MD5] }], "wrong"),
    board([{ methods: [TYPE_MD5] }]),
    EAP_REASON_PROOF,
    EAP_REASON_REFUSED,
  ],
  [
    "MSCHAPv2, a wrong password",
    board([{ methods: [TYPE_MSCHAPV2] }], "wrong"),
    board([{ methods: [TYPE_MSCHAPV2] }]),
    EAP_REASON_PROOF,
    EAP_REASON_REFUSED,
  ],
  [
    "MSCHAPv2, an unknown name",
    board([{ methods: [TYPE_MSCHAPV2] }]),
    board([{ methods: [TYPE_MSCHAPV2] }], "a password", "dave.example"),
    EAP_REASON_NO_SECRET,
    EAP_REASON_REFUSED,
  ],
  [
    "no method in common",
    board([{ methods: [TYPE_MD5] }]),
    board([{ methods: [TYPE_MSCHAPV2] }]),
    EAP_REASON_NO_METHOD,
    EAP_REASON_REFUSED,
  ],
] as const) {
  test(`${what}: the authenticator knows why, the peer that it failed`, async () => {
    const { asks, says } = await converse(peer, authenticator);
    assert.is(asks.outcome, EAP_FAILED);
    assert.is(asks.reason, told);
    assert.is(asks.packet[0], 4);
    assert.is(says.outcome, EAP_FAILED);
    assert.is(says.reason, heard);
    assert.is(peer.element.sessionsHeld + authenticator.element.sessionsHeld, 0);
  });
}

test("an unknown name is answered as a wrong password is, packet by packet", async () => {
  const lengths = async (authenticator: Board): Promise<number[]> => {
    const peer = board([{ methods: [TYPE_MSCHAPV2] }], "wrong");
    let asks = await authenticator.begin(1, EAP_AUTHENTICATOR);
    const seen = [asks.packet.length];
    let says = await peer.begin(1, EAP_PEER, asks.packet);
    while (asks.outcome === EAP_CONTINUES && says.outcome === EAP_CONTINUES) {
      asks = await authenticator.step(asks.key, says.packet);
      seen.push(asks.packet.length);
      if (asks.outcome === EAP_CONTINUES) says = await peer.step(says.key, asks.packet);
    }
    return seen;
  };
  const wrong = await lengths(board([{ methods: [TYPE_MSCHAPV2] }]));
  assert.equal(await lengths(board([{ methods: [TYPE_MSCHAPV2] }], "a password", "dave.example")), wrong);
});

const request = (identifier: number, ...data: number[]): Uint8Array =>
  Uint8Array.from([1, identifier, 0, 4 + data.length, ...data]);
const CHALLENGE = [TYPE_MD5, 16, ...Array<number>(16).fill(7)];

/** Packets to a peer of all methods, the last of which ends it. */
for (const [what, packets, reason] of [
  ["success at once", [Uint8Array.of(3, 1, 0, 4)], EAP_REASON_UNEXPECTED],
  ["success behind the identity", [request(1, 1), Uint8Array.of(3, 1, 0, 4)], EAP_REASON_UNEXPECTED],
  ["success with another identifier", [request(1, ...CHALLENGE), Uint8Array.of(3, 2, 0, 4)], EAP_REASON_UNEXPECTED],
  ["failure", [request(1, 1), Uint8Array.of(4, 1, 0, 4)], EAP_REASON_REFUSED],
  ["octets behind failure", [Uint8Array.of(4, 1, 0, 5, 0)], EAP_REASON_MALFORMED],
  ["a response", [Uint8Array.of(2, 1, 0, 5, 1)], EAP_REASON_UNEXPECTED],
  ["a code of none", [Uint8Array.of(9, 1, 0, 5, 1)], EAP_REASON_MALFORMED],
  ["a length that is too small", [Uint8Array.of(1, 1, 0, 4, 1)], EAP_REASON_MALFORMED],
  ["a length that is too great", [Uint8Array.of(1, 1, 0, 6, 1)], EAP_REASON_MALFORMED],
  ["no type", [Uint8Array.of(1, 1, 0, 4)], EAP_REASON_MALFORMED],
  ["the same identifier again", [request(1, 1), request(1, 1)], EAP_REASON_UNEXPECTED],
  ["a Nak", [request(1, 3, 4)], EAP_REASON_UNEXPECTED],
  ["an MD5 challenge of no octets", [request(1, TYPE_MD5, 0)], EAP_REASON_MALFORMED],
  ["an MD5 challenge that is cut off", [request(1, TYPE_MD5, 16, 1)], EAP_REASON_MALFORMED],
  ["a second MD5 challenge", [request(1, ...CHALLENGE), request(2, ...CHALLENGE)], EAP_REASON_UNEXPECTED],
  ["another method behind the first", [request(1, ...CHALLENGE), request(2, TYPE_TLS, 0x20)], EAP_REASON_UNEXPECTED],
  ["the identity behind a method", [request(1, ...CHALLENGE), request(2, 1)], EAP_REASON_UNEXPECTED],
  [
    "an MSCHAPv2 success without a challenge",
    [request(1, TYPE_MSCHAPV2, 3, 1, 0, 6, 0x53, 0x3d)],
    EAP_REASON_UNEXPECTED,
  ],
  ["an MSCHAPv2 message of a wrong length", [request(1, TYPE_MSCHAPV2, 1, 1, 0, 60, 16)], EAP_REASON_MALFORMED],
  [
    "an MSCHAPv2 challenge of 8 octets",
    [request(1, TYPE_MSCHAPV2, 1, 1, 0, 13, 8, 1, 2, 3, 4, 5, 6, 7, 8)],
    EAP_REASON_MALFORMED,
  ],
  [
    "an MSCHAPv2 success that proves nothing",
    [
      request(1, TYPE_MSCHAPV2, 1, 1, 0, 21, 16, ...Array<number>(16).fill(7)),
      request(2, TYPE_MSCHAPV2, 3, 1, 0, 46, ...Buffer.from(`S=${"0".repeat(40)}`)),
    ],
    EAP_REASON_PROOF,
  ],
  ["a change of the password", [request(1, TYPE_MSCHAPV2, 7, 1, 0, 4)], EAP_REASON_UNEXPECTED],
  ["TLS without start", [request(1, TYPE_TLS, 0)], EAP_REASON_UNEXPECTED],
  ["TLS that is no TLS", [request(1, TYPE_TLS, 0x20), request(2, TYPE_TLS, 0, 1, 2, 3, 4, 5, 6)], EAP_REASON_TLS],
  [
    "a TLS message of 16 MiB",
    [request(1, TYPE_TLS, 0x20), request(2, TYPE_TLS, 0xc0, 1, 0, 0, 0, 1)],
    EAP_REASON_TOO_LONG,
  ],
  [
    "more TLS octets than announced",
    [request(1, TYPE_TLS, 0x20), request(2, TYPE_TLS, 0x80, 0, 0, 0, 1, 1, 2)],
    EAP_REASON_TOO_LONG,
  ],
  [
    "fewer TLS octets than announced",
    [request(1, TYPE_TLS, 0x20), request(2, TYPE_TLS, 0x80, 0, 0, 0, 9, 1, 2)],
    EAP_REASON_MALFORMED,
  ],
  ["a TLS fragment of no octets", [request(1, TYPE_TLS, 0x20), request(2, TYPE_TLS, 0x40)], EAP_REASON_MALFORMED],
  ["notifications without end", Array.from({ length: 65 }, (_, i) => request(i, 2, 65)), EAP_REASON_TOO_LONG],
  ["methods that are not there without end", Array.from({ length: 65 }, (_, i) => request(i, 99)), EAP_REASON_TOO_LONG],
] as const) {
  test(`to the peer: ${what}`, async () => {
    const at = board([{ methods: [TYPE_MSCHAPV2, TYPE_MD5, TYPE_TLS], credential: 1, trust: 1 }]);
    let answer = await at.begin(1, EAP_PEER, packets[0] as Uint8Array);
    for (const packet of packets.slice(1)) {
      assert.is(answer.outcome, EAP_CONTINUES);
      answer = await at.step(answer.key, packet);
    }
    assert.is(answer.outcome, EAP_FAILED);
    assert.is(answer.reason, reason);
    assert.is(answer.key, 0);
    assert.is(at.element.sessionsHeld, 0);
  });
}

const response = (identifier: number, ...data: number[]): Uint8Array =>
  Uint8Array.from([2, identifier, 0, 4 + data.length, ...data]);

/** Answers to the first request, made with its identifier. */
for (const [what, plan, answers, reason] of [
  [
    "another identifier",
    { methods: [TYPE_MD5] },
    [(i: number) => response(i + 1, ...CHALLENGE)],
    EAP_REASON_UNEXPECTED,
  ],
  ["a request", { methods: [TYPE_MD5] }, [(i: number) => request(i, ...CHALLENGE)], EAP_REASON_UNEXPECTED],
  ["success", { methods: [TYPE_MD5] }, [(i: number) => Uint8Array.of(3, i, 0, 4)], EAP_REASON_UNEXPECTED],
  [
    "a length that is not the packet's",
    { methods: [TYPE_MD5] },
    [(i: number) => Uint8Array.of(2, i, 0, 9, 4)],
    EAP_REASON_MALFORMED,
  ],
  [
    "a type that was not asked",
    { methods: [TYPE_MD5] },
    [(i: number) => response(i, TYPE_MSCHAPV2, 2)],
    EAP_REASON_UNEXPECTED,
  ],
  [
    "an identity that was not asked for",
    { methods: [TYPE_MD5] },
    [(i: number) => response(i, 1, 65)],
    EAP_REASON_UNEXPECTED,
  ],
  ["no identity", { methods: [TYPE_MD5], asks: true }, [(i: number) => response(i, 1)], EAP_REASON_IDENTITY],
  [
    "a method instead of the identity",
    { methods: [TYPE_MD5], asks: true },
    [(i: number) => response(i, ...CHALLENGE)],
    EAP_REASON_UNEXPECTED,
  ],
  [
    "a Nak of the identity",
    { methods: [TYPE_MD5], asks: true },
    [(i: number) => response(i, 3, 4)],
    EAP_REASON_UNEXPECTED,
  ],
  ["a Nak for what is not done", { methods: [TYPE_MD5] }, [(i: number) => response(i, 3, 99)], EAP_REASON_NO_METHOD],
  [
    "a Nak for what it turns down",
    { methods: [TYPE_MD5] },
    [(i: number) => response(i, 3, TYPE_MD5)],
    EAP_REASON_NO_METHOD,
  ],
  [
    "an MD5 response of 15 octets",
    { methods: [TYPE_MD5] },
    [(i: number) => response(i, TYPE_MD5, 15, ...Array<number>(15).fill(1))],
    EAP_REASON_MALFORMED,
  ],
  [
    "an MSCHAPv2 success at once",
    { methods: [TYPE_MSCHAPV2] },
    [(i: number) => response(i, TYPE_MSCHAPV2, 3)],
    EAP_REASON_UNEXPECTED,
  ],
  [
    "an MSCHAPv2 response that is cut off",
    { methods: [TYPE_MSCHAPV2] },
    [(i: number) => response(i, TYPE_MSCHAPV2, 2, i, 0, 5, 49)],
    EAP_REASON_MALFORMED,
  ],
  [
    "a TLS acknowledgement of nothing",
    { ...TLS, credential: 2 },
    [(i: number) => response(i, TYPE_TLS, 0)],
    EAP_REASON_UNEXPECTED,
  ],
  [
    "TLS that is no TLS",
    { ...TLS, credential: 2 },
    [(i: number) => response(i, TYPE_TLS, 0, 22, 3, 1, 0, 1, 9)],
    EAP_REASON_TLS,
  ],
  [
    "TLS fragments without end",
    { ...TLS, credential: 2 },
    Array.from({ length: 65 }, (_, n) => (i: number) => response((i + n) & 0xff, TYPE_TLS, 0x40, 1)),
    EAP_REASON_TOO_LONG,
  ],
] as readonly (readonly [string, Omit<EapPlan, "id">, readonly ((identifier: number) => Uint8Array)[], number])[]) {
  test(`to the authenticator: ${what}`, async () => {
    const at = board([plan]);
    let asks = await at.begin(1, EAP_AUTHENTICATOR);
    const first = asks.packet[1] as number;
    for (const answer of answers) {
      assert.is(asks.outcome, EAP_CONTINUES);
      asks = await at.step(asks.key, answer(first));
    }
    assert.is(asks.outcome, EAP_FAILED);
    assert.is(asks.reason, reason);
    assert.is(asks.packet[0], 4, "EAP-Failure");
    assert.is(at.element.sessionsHeld, 0);
  });
}

test("a handshake with a certificate of nobody's is no success", async () => {
  const stranger = issue({ name: "carol.example", san: "carol.example" });
  const peer = board([{ ...TLS, credential: 1 }]);
  peer.element.loadCredentials({
    credentials: [
      {
        id: 1,
        key: new Uint8Array(stranger.key.export({ type: "pkcs8", format: "der" })),
        certificates: [stranger.der],
      },
    ],
    trusts: [{ id: 1, authorities: [ca.der], lists: [], through: [], revocation: "relaxed" }],
    eap: [{ id: 1, ...TLS, credential: 1 }],
  });
  const { asks } = await converse(peer, board([{ ...TLS, credential: 2 }]));
  assert.is(asks.outcome, EAP_FAILED);
  assert.is(asks.reason, EAP_REASON_CERTIFICATE + VERDICT_NO_PATH);
});

test("requests that are none are refused, and no AUTH is made before success", async () => {
  const at = board([{ methods: [TYPE_MD5] }]);
  assert.is((await at.begin(9, EAP_AUTHENTICATOR)).status, PSA_ERROR_DOES_NOT_EXIST);
  assert.is((await at.begin(1, 7)).status, PSA_ERROR_INVALID_ARGUMENT);
  assert.is((await at.begin(1, EAP_PEER)).status, PSA_ERROR_INVALID_ARGUMENT);
  assert.is((await at.begin(1, EAP_AUTHENTICATOR, request(1, 1))).status, PSA_ERROR_INVALID_ARGUMENT);
  const { key } = await at.begin(1, EAP_AUTHENTICATOR);
  assert.is(await at.auth(key), String(PSA_ERROR_NOT_PERMITTED));
  assert.is((await at.step(key, new Uint8Array(0))).status, PSA_ERROR_INVALID_ARGUMENT);
  assert.is((await at.step(key, new Uint8Array(5000))).status, PSA_ERROR_INVALID_ARGUMENT);
  assert.is((await at.step(key + 1, request(1, 1))).status, PSA_ERROR_INVALID_HANDLE);
});

test("sessions are bounded, and old ones give way", async () => {
  const at = board([{ methods: [TYPE_MD5] }]);
  for (let i = 0; i < 1024; i++) assert.is((await at.begin(1, EAP_AUTHENTICATOR)).status, PSA_SUCCESS);
  assert.is((await at.begin(1, EAP_AUTHENTICATOR)).status, PSA_ERROR_INSUFFICIENT_MEMORY);
  now += 200_000;
  assert.is((await at.begin(1, EAP_AUTHENTICATOR)).status, PSA_SUCCESS);
  assert.is(at.element.sessionsHeld, 1);
  at.element.close();
  assert.is(at.element.sessionsHeld, 0);
});

test.run();
