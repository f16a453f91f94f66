/**
 * RFC 7296 rule by rule, for a responder: what an authenticated peer may ask for, get wrong, or know that we do not. The peer is made
 * by hand, independent of the firmware.
 */
import { createCipheriv } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { PSA_RAW_KEY_AGREEMENT } from "../../assembly/abi/psa.ts";
import {
  Handshake,
  SUITES,
  keyShare,
  notify,
  proposal,
  selector,
  transform,
  type Payload,
} from "../bench/handshake/initiator.ts";
import { Endpoint, connection, itemsOf, summed } from "./ike_endpoints.ts";

const PEER = Buffer.from([192, 0, 2, 1]);
const OURS = Buffer.from([192, 0, 2, 2]);
const SHARE = keyShare("x25519");
const SUITE = SUITES[0]!;

const IKE_AUTH = 35;
const CREATE_CHILD_SA = 36;
const INFORMATIONAL = 37;
const SA = 33;
const KE = 34;
const NONCE = 40;
const NOTIFY = 41;
const DELETE = 42;
const TS_I = 44;
const TS_R = 45;
const UNKNOWN = 200;
const UNSUPPORTED_CRITICAL_PAYLOAD = 1;
const INVALID_SYNTAX = 7;
const NO_PROPOSAL_CHOSEN = 14;
const AUTHENTICATION_FAILED = 24;
const NO_ADDITIONAL_SAS = 35;
const INVALID_SELECTORS = 39;
const TEMPORARY_FAILURE = 43;
const CHILD_SA_NOT_FOUND = 44;
const SET_WINDOW_SIZE = 16385;
const IPCOMP_SUPPORTED = 16387;
const HTTP_CERT_LOOKUP_SUPPORTED = 16392;
const REKEY_SA = 16393;
const ESP_TFC_PADDING_NOT_SUPPORTED = 16394;
const NON_FIRST_FRAGMENTS_ALSO = 16395;
const STATUS_OF_TOMORROW = 40959;
const ERROR_OF_TOMORROW = 8191;

function datagram(ike: Buffer): Buffer {
  const packet = Buffer.alloc(28 + ike.length);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = 17;
  PEER.copy(packet, 12);
  OURS.copy(packet, 16);
  packet.writeUInt16BE(500, 20);
  packet.writeUInt16BE(500, 22);
  packet.writeUInt16BE(8 + ike.length, 24);
  ike.copy(packet, 28);
  return summed(packet);
}

/** Our core with a peer made by hand. */
class Hand {
  readonly core = new Endpoint([...OURS], "secret");
  readonly peer: Handshake;
  time = 1_000_000_000n;
  /** The message id of the peer's next request. */
  id = 2;
  spi = 0;

  constructor(more: Payload[] = []) {
    const transforms = [transformItem(1, 20, 128), transformItem(2, 5), transformItem(4, 31)];
    this.core.command(
      M.MANAGEMENT_CONNECTION_LOAD,
      connection(2).map(([type, value]) => [type, type === M.CONNECTION_PROPOSAL ? Buffer.concat(transforms) : value]),
    );
    const inner: [Buffer, Buffer] = [Buffer.from([10, 2, 0, 0]), Buffer.from([10, 2, 15, 255])];
    this.peer = new Handshake(
      SUITE,
      SHARE,
      { identity: "gw1.example", proof: { psk: "secret" }, local: PEER, remote: OURS },
      Buffer.from([10, 1, 0, 1]),
      inner,
    );
    this.peer.more = more;
  }

  /** What our core sends in answer to a message, and of its own accord. */
  exchange(ike: Buffer | undefined, seconds = 0): Buffer[] {
    if (ike) this.core.push(0, datagram(ike));
    this.time += BigInt(seconds) * 1_000_000_000n;
    const out: Buffer[] = [];
    for (let i = 0; i < 12; i++) {
      this.core.poll(this.time);
      out.push(...this.core.sent.splice(0).map((packet) => packet.subarray(28)));
    }
    return out;
  }

  /** IKE_SA_INIT and IKE_AUTH; the answer to IKE_AUTH. */
  shake(): { answer: Buffer; step: ReturnType<Handshake["take"]> } {
    this.exchange(undefined);
    let step = this.peer.begin();
    let answer: Buffer = Buffer.alloc(0);
    for (let i = 0; i < 3 && "send" in step; i++) {
      answer = this.exchange(step.send)[0]!;
      if (answer[18] === IKE_AUTH) return { answer, step: this.peer.take(answer) };
      step = this.peer.take(answer);
    }
    throw new Error("no IKE_AUTH");
  }

  up(): this {
    const { step } = this.shake();
    assert.ok("done" in step, JSON.stringify(step));
    this.spi = step.done;
    return this;
  }

  /** One exchange of the peer's: the payloads of the answer. */
  ask(exchange: number, payloads: readonly Payload[]): Payload[] {
    const [answer] = this.exchange(this.peer.request(exchange, this.id, payloads));
    assert.ok(answer, "an answer");
    assert.is(answer!.readUInt32BE(20), this.id);
    this.id += 1;
    return this.peer.open(answer!);
  }

  /** It is there, and answers. */
  alive(): void {
    assert.equal(this.ask(INFORMATIONAL, []), []);
  }

  states(type: number): number {
    return this.core.list(this.time).filter((m) => m.type === type).length;
  }
}

function transformItem(type: number, id: number, bits = 0): Buffer {
  const item = Buffer.alloc(8);
  item[0] = type;
  item.writeUInt16LE(id, 2);
  item.writeUInt16LE(bits, 4);
  return item;
}

const notifyType = (payload: Payload | undefined): number => payload![1].readUInt16BE(2);
const named = (type: number, spi: number): Payload => {
  const body = Buffer.alloc(8);
  body[0] = 3;
  body[1] = 4;
  body.writeUInt16BE(type, 2);
  body.writeUInt32BE(spi >>> 0, 4);
  return [NOTIFY, body];
};

let spis = 0x1000;
/** A further CHILD_SA. */
function child(...more: Payload[]): Payload[] {
  const spi = Buffer.alloc(4);
  spi.writeUInt32BE(++spis);
  const side = (start: number[], end: number[]): Buffer =>
    Buffer.concat([Buffer.of(1, 0, 0, 0), selector(Buffer.from(start), Buffer.from(end))]);
  return [
    ...more,
    [SA, proposal(3, spi, [transform(false, 1, 20, 128), transform(true, 5, 0)])],
    [NONCE, Buffer.alloc(32, spis)],
    [TS_I, side([10, 1, 0, 1], [10, 1, 0, 1])],
    [TS_R, side([10, 2, 0, 0], [10, 2, 15, 255])],
  ];
}

// RFC 7296 2.5: "If the critical flag is set and the payload type is unrecognized, the message MUST be rejected".
for (const [exchange, payloads] of [
  [INFORMATIONAL, []],
  [CREATE_CHILD_SA, child()],
] as const) {
  test(`2.5: an unknown payload in exchange ${exchange}: refused by its type when critical, skipped when not; the IKE_SA stays`, () => {
    const hand = new Hand().up();
    const [refusal] = hand.ask(exchange, [...payloads, [UNKNOWN, Buffer.alloc(5), true]]);
    assert.is(notifyType(refusal), UNSUPPORTED_CRITICAL_PAYLOAD);
    assert.equal([...refusal![1].subarray(4)], [UNKNOWN]);
    assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 1);
    const answer = hand.ask(exchange, [...payloads, [UNKNOWN, Buffer.alloc(5)]]);
    assert.not.ok(answer.some(([type]) => type === NOTIFY));
    assert.is(hand.states(M.MANAGEMENT_CHILD_SA), exchange === CREATE_CHILD_SA ? 2 : 1);
    hand.alive();
  });
}

test("2.5: an unknown critical payload in IKE_AUTH ends the attempt; one that is not critical does nothing", () => {
  const critical = new Hand([[UNKNOWN, Buffer.alloc(3), true]]);
  const { answer } = critical.shake();
  const [refusal] = critical.peer.open(answer);
  assert.is(notifyType(refusal), UNSUPPORTED_CRITICAL_PAYLOAD);
  assert.equal([...refusal![1].subarray(4)], [UNKNOWN]);
  assert.is(critical.states(M.MANAGEMENT_IKE_SA), 0);
  new Hand([[UNKNOWN, Buffer.alloc(3)]]).up().alive();
});

// RFC 7296 2.3: "all new implementations MUST accept" a window of 1, which ours is; what the peer could take does not matter.
test("2.3: SET_WINDOW_SIZE is taken, and our window stays one: a request ahead of its turn is not answered", () => {
  const size = notify(SET_WINDOW_SIZE, Buffer.from([0, 0, 0, 8]));
  const hand = new Hand([size]).up();
  assert.equal(hand.ask(INFORMATIONAL, [size]), []);
  const ahead = hand.peer.request(INFORMATIONAL, hand.id + 1, []);
  assert.equal(hand.exchange(ahead), []);
  hand.alive();
  assert.is(hand.exchange(ahead).length, 1, "now it is its turn");
});

test("2.1, 2.2: a request once more has the very same answer; one from before, or far ahead, has none", () => {
  const hand = new Hand().up();
  const request = hand.peer.request(CREATE_CHILD_SA, hand.id, child());
  const [first] = hand.exchange(request);
  const [again] = hand.exchange(request);
  assert.ok(first!.equals(again!));
  assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 2);
  hand.id += 1;
  hand.alive();
  assert.equal(hand.exchange(request), []);
  for (const id of [hand.id + 1, hand.id + 100, 0xffffffff])
    assert.equal(hand.exchange(hand.peer.request(INFORMATIONAL, id, [])), []);
  hand.alive();
});

test("2.21.3: what is authentic and makes no sense is INVALID_SYNTAX, and the IKE_SA stays", () => {
  const bad: [number, Payload[]][] = [
    // A notify whose SPI is longer than itself; a Delete that counts more SPIs than it has; no nonce; a nonce of 4 octets.
    [INFORMATIONAL, [[DELETE, Buffer.from([3, 4, 0, 9, 1, 2, 3, 4])]]],
    [CREATE_CHILD_SA, child().filter(([type]) => type !== NONCE)],
    [
      CREATE_CHILD_SA,
      child().map(([type, body]): Payload => (type === NONCE ? [type, Buffer.alloc(4)] : [type, body])),
    ],
    [
      CREATE_CHILD_SA,
      child().map(([type, body]): Payload => (type === SA ? [type, body.subarray(0, 11)] : [type, body])),
    ],
    [
      CREATE_CHILD_SA,
      child().map(([type, body]): Payload => (type === TS_I ? [type, body.subarray(0, 9)] : [type, body])),
    ],
  ];
  for (const [exchange, payloads] of bad) {
    const hand = new Hand().up();
    const [refusal] = hand.ask(exchange, payloads);
    assert.is(notifyType(refusal), INVALID_SYNTAX, `exchange ${exchange}`);
    assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 1);
    hand.alive();
  }
});

test("3.10.1: INVALID_SELECTORS, and errors and statuses of tomorrow, are acknowledged and nothing else", () => {
  const hand = new Hand().up();
  for (const type of [INVALID_SELECTORS, ERROR_OF_TOMORROW, STATUS_OF_TOMORROW]) {
    assert.equal(hand.ask(INFORMATIONAL, [named(type, hand.spi)]), []);
    assert.equal(hand.ask(INFORMATIONAL, [notify(type, Buffer.alloc(20))]), []);
  }
  assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 1);
});

test("1.3.1: what is offered with a CHILD_SA and not done here does not stand in its way, nor in the answer", () => {
  const offers = [
    notify(ESP_TFC_PADDING_NOT_SUPPORTED, Buffer.alloc(0)),
    notify(NON_FIRST_FRAGMENTS_ALSO, Buffer.alloc(0)),
    notify(HTTP_CERT_LOOKUP_SUPPORTED, Buffer.alloc(0)),
    notify(IPCOMP_SUPPORTED, Buffer.from([0, 1, 2])),
    notify(STATUS_OF_TOMORROW, Buffer.alloc(3)),
  ];
  const hand = new Hand(offers);
  const { answer, step } = hand.shake();
  assert.ok("done" in step);
  const ours = hand.peer.open(answer).filter(([type]) => type === NOTIFY);
  for (const offer of offers) assert.not.ok(ours.some((payload) => notifyType(payload) === notifyType(offer)));
  const further = hand.ask(CREATE_CHILD_SA, child(...offers));
  assert.ok(further.some(([type]) => type === SA));
  assert.not.ok(further.some(([type]) => type === NOTIFY));
});

test("2.25.1: a rekey of a CHILD_SA that is not there is CHILD_SA_NOT_FOUND, and names it", () => {
  const hand = new Hand().up();
  for (const spi of [0xdeadbeef, 0]) {
    const [refusal] = hand.ask(CREATE_CHILD_SA, child(named(REKEY_SA, spi)));
    assert.is(notifyType(refusal), CHILD_SA_NOT_FOUND);
    if (spi !== 0) assert.is(refusal![1].readUInt32BE(4), spi);
  }
  assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 1);
  hand.alive();
});

test("1.4.1: a Delete of what is not there is answered empty", () => {
  const hand = new Hand().up();
  assert.equal(hand.ask(INFORMATIONAL, [[DELETE, Buffer.from([3, 4, 0, 1, 1, 2, 3, 4])]]), []);
  assert.is(hand.states(M.MANAGEMENT_CHILD_SA), 1);
});

// RFC 7296 1.3: "NO_ADDITIONAL_SAS ... indicates that a CREATE_CHILD_SA request is unacceptable because the responder is unwilling".
test("1.3: CHILD_SAs without end are NO_ADDITIONAL_SAS, whose IKE_SA stays; there is room again when some are gone", () => {
  const hand = new Hand().up();
  let count = 1;
  for (; count < 100; count++) {
    const answer = hand.ask(CREATE_CHILD_SA, child());
    if (answer.some(([type]) => type === SA)) continue;
    assert.is(notifyType(answer[0]), NO_ADDITIONAL_SAS);
    break;
  }
  assert.is(count, 64);
  hand.alive();
  const gone = Buffer.alloc(8);
  gone.set([3, 4, 0, 1]);
  gone.writeUInt32BE(spis - 1, 4);
  assert.is(hand.ask(INFORMATIONAL, [[DELETE, gone]])[0]![0], DELETE);
  assert.ok(hand.ask(CREATE_CHILD_SA, child()).some(([type]) => type === SA));
});

// RFC 7296 2.25.2: "a peer ... rekeying the IKE_SA ... SHOULD reply with TEMPORARY_FAILURE".
test("2.25: TEMPORARY_FAILURE while we rekey the IKE_SA; told so ourselves, we come again later and not at once", () => {
  const hand = new Hand().up();
  hand.core.command(M.MANAGEMENT_REKEY, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
  const [ours] = hand.exchange(undefined);
  assert.is(ours![18], CREATE_CHILD_SA);
  const [refusal] = hand.ask(CREATE_CHILD_SA, child());
  assert.is(notifyType(refusal), TEMPORARY_FAILURE);
  const answer = hand.peer.request(
    CREATE_CHILD_SA,
    ours!.readUInt32BE(20),
    [notify(TEMPORARY_FAILURE, Buffer.alloc(0))],
    0x28,
  );
  assert.equal(hand.exchange(answer), []);
  assert.ok(
    hand.ask(CREATE_CHILD_SA, child()).some(([type]) => type === SA),
    "it goes on meanwhile",
  );
  assert.equal(hand.exchange(undefined, 2), []);
  const later = Array.from({ length: 12 }, () => hand.exchange(undefined, 1)).flat();
  assert.ok(
    later.some((message) => message[18] === CREATE_CHILD_SA && message.readUInt32BE(20) > ours!.readUInt32BE(20)),
  );
});

test("2.25: a peer that refuses for minutes what should be temporary is out of step: the IKE_SA ends", () => {
  const hand = new Hand().up();
  hand.core.command(M.MANAGEMENT_REKEY, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
  let deletes = 0;
  for (let second = 0; second < 400 && deletes === 0; second++)
    for (const message of hand.exchange(undefined, 1)) {
      if ((message[19]! & 0x20) !== 0) continue;
      if (message[18] === INFORMATIONAL) deletes += 1;
      else
        hand.exchange(
          hand.peer.request(
            CREATE_CHILD_SA,
            message.readUInt32BE(20),
            [notify(TEMPORARY_FAILURE, Buffer.alloc(0))],
            0x28,
          ),
        );
    }
  assert.is(deletes, 1);
});

test("2.1: an answer that nobody asked for, or to a request of long ago, does nothing", () => {
  const hand = new Hand().up();
  for (const id of [0, 1, 2, 77])
    assert.equal(hand.exchange(hand.peer.request(INFORMATIONAL, id, [[DELETE, Buffer.of(1, 0, 0, 0)]], 0x28)), []);
  hand.alive();
});

test("1.4: an exchange that is not known is not answered, and takes no message id", () => {
  const hand = new Hand().up();
  assert.equal(hand.exchange(hand.peer.request(50, hand.id, [])), []);
  hand.alive();
});

/** A request sealed with keys that are all zero, with an unknown critical payload. */
function sealedWithZeros(spiI: Buffer, spiR: bigint): Buffer {
  const plain = Buffer.of(0, 0x80, 0, 4, 0);
  const message = Buffer.alloc(28 + 4 + 8 + plain.length + 16);
  spiI.copy(message, 0);
  message.writeBigUInt64LE(BigInt.asUintN(64, spiR), 8);
  message.set([46, 0x20, IKE_AUTH, 0x08], 16);
  message.writeUInt32BE(message.length, 24);
  message.writeUInt8(UNKNOWN, 28);
  message.writeUInt16BE(message.length - 28, 30);
  const cipher = createCipheriv("aes-128-gcm", Buffer.alloc(16), Buffer.alloc(12));
  cipher.setAAD(message.subarray(0, 32));
  Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]).copy(message, 40);
  return message;
}

test("2.21.2: the initiator gives up within IKE_AUTH, and may say nothing else by INFORMATIONAL", () => {
  const hand = new Hand();
  hand.exchange(undefined);
  const first = hand.peer.begin();
  assert.ok("send" in first);
  hand.peer.take(hand.exchange(first.send)[0]!);
  const free = hand.core.wasm.freeIkeSas();
  const dropped = hand.core.drops();
  assert.equal(hand.exchange(hand.peer.request(INFORMATIONAL, 1, [])), []);
  assert.is(hand.core.drops(), dropped + 1n);
  const [answer] = hand.exchange(hand.peer.request(INFORMATIONAL, 1, [notify(AUTHENTICATION_FAILED, Buffer.alloc(0))]));
  assert.equal(hand.peer.open(answer!), []);
  assert.ok(hand.core.alerts().some((text) => text.includes("gives up")));
  hand.exchange(undefined, 120);
  assert.is(hand.core.wasm.freeIkeSas(), free + 1);
});

test("2.18: nobody can speak on an IKE_SA that a rekey has begun and which has no keys yet", () => {
  const hand = new Hand().up();
  hand.core.slow.add(PSA_RAW_KEY_AGREEMENT);
  const spi = Buffer.alloc(8, 7);
  const keyExchange = Buffer.concat([Buffer.of(0, 31, 0, 0), SHARE.publicValue]);
  const transforms = [transform(false, 1, 20, 128), transform(false, 2, 5), transform(true, 4, 31)];
  const rekey: Payload[] = [
    [SA, proposal(1, spi, transforms)],
    [NONCE, Buffer.alloc(32, 9)],
    [KE, keyExchange],
  ];
  hand.exchange(hand.peer.request(CREATE_CHILD_SA, hand.id, rekey));
  const unborn = hand.core.wasm.unbornSpi() as unknown as bigint;
  assert.is.not(unborn, 0n, "the secret is being agreed on");
  // The SPI is random and was told to nobody; that is not what it rests on.
  const dropped = hand.core.drops();
  assert.equal(hand.exchange(sealedWithZeros(spi, unborn)), []);
  assert.is(hand.core.drops(), dropped + 1n);
  hand.core.performAll();
  const [answer] = hand.exchange(undefined);
  assert.ok(
    hand.peer.open(answer!).some(([type]) => type === SA),
    "the rekey goes on",
  );
});

test("2.25.2: an answer on the old IKE_SA about a CHILD_SA that went over to the new one, and is gone", () => {
  const hand = new Hand().up();
  const { core } = hand;
  core.slow.add(PSA_RAW_KEY_AGREEMENT);
  const transforms = [transform(false, 1, 20, 128), transform(false, 2, 5), transform(true, 4, 31)];
  const rekey: Payload[] = [
    [SA, proposal(1, Buffer.alloc(8, 7), transforms)],
    [NONCE, Buffer.alloc(32, 9)],
    [KE, Buffer.concat([Buffer.of(0, 31, 0, 0), SHARE.publicValue])],
  ];
  hand.exchange(hand.peer.request(CREATE_CHILD_SA, hand.id, rekey));
  core.command(M.MANAGEMENT_REKEY, [[M.CHILD_NAME, Buffer.from("net")]]);
  const [ours] = hand.exchange(undefined);
  assert.is(ours![18], CREATE_CHILD_SA, "we rekey the CHILD_SA while the peer's rekey is being answered");
  core.slow.clear();
  core.performAll();
  hand.exchange(undefined);
  assert.is(hand.states(M.MANAGEMENT_IKE_SA), 2, "the new IKE_SA is there, the old one not gone");
  // The peer answers nothing on the new one: the Delete of it gives up, and its CHILD_SAs end.
  const free = core.wasm.freeChildSas();
  core.command(M.MANAGEMENT_TERMINATE, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
  for (let second = 0; second < 30 && core.wasm.freeChildSas() === free; second++) hand.exchange(undefined, 1);
  assert.is(core.wasm.freeChildSas(), free + 2, "of the CHILD_SAs nothing is left");
  assert.is(hand.states(M.MANAGEMENT_IKE_SA), 1, "but the old IKE_SA is there");
  const id = ours!.readUInt32BE(20);
  hand.exchange(hand.peer.request(CREATE_CHILD_SA, id, [notify(NO_PROPOSAL_CHOSEN, Buffer.alloc(0))], 0x28));
  assert.is(core.wasm.freeChildSas(), free + 2);
});

test("what the operator hears of a peer's refusals names the notify", () => {
  const hand = new Hand().up();
  hand.core.command(M.MANAGEMENT_REKEY, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
  const [ours] = hand.exchange(undefined);
  hand.exchange(
    hand.peer.request(CREATE_CHILD_SA, ours!.readUInt32BE(20), [notify(NO_ADDITIONAL_SAS, Buffer.alloc(0))], 0x28),
  );
  const notifies = hand.core.messages
    .filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT)
    .flatMap((m) => itemsOf(m.subarray(12)).filter(([type]) => type === M.EVENT_NOTIFY))
    .map(([, value]) => value.readUInt32LE(0));
  assert.ok(notifies.includes(NO_ADDITIONAL_SAS));
  hand.alive();
});

test.run();
