/** Configuration payloads in exchanges (RFC 7296 2.19): what is taken of an answer, what a request in INFORMATIONAL gets, and hostile ones. */
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { VIRTUAL_IP4, VIRTUAL_IP6, connectionAt, connectionsReset } from "../../../assembly/ike/connection";
import {
  configurationAnswered,
  configurationGrant,
  configurationInform,
} from "../../../assembly/ike/exchange/configuration";
import { IkeSa, ikeLink, ikeSaTake, ikeSasReset } from "../../../assembly/ike/ike_sa";
import { poolsReset } from "../../../assembly/ike/pool";
import { virtualAddress, virtualTake } from "../../../assembly/ike/virtual_ip";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE32 } from "../../../assembly/rt/bytes";
import {
  EXCHANGE_INFORMATIONAL,
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_CP,
  Writer,
  messageBegin,
  messageEnd,
  payloadBody,
  payloadEnd,
  payloadFind,
  payloadLength,
  payloadsClear,
  payloadsWalk,
} from "../../../assembly/wire/ike_message";
import {
  CFG_ACK,
  CFG_REPLY,
  CFG_REQUEST,
  CFG_SET,
  INTERNAL_IP4_ADDRESS,
  INTERNAL_IP6_ADDRESS,
  attributeWrite,
  cpBegin,
  cpType,
} from "../../../assembly/wire/ike_payload/configuration";
import { NOTIFY_FAILED_CP_REQUIRED, NOTIFY_INTERNAL_ADDRESS_FAILURE } from "../../../assembly/wire/ike_payload/notify";

const arena: usize = memory.data(16 << 20, 64);
const message: usize = memory.data(1024, 16);
const answer: usize = memory.data(1024, 16);
const value: usize = memory.data(64, 16);

function fresh(initiator: bool): IkeSa {
  memory.fill(value, 0x5a, 64);
  drbgSeed(value, 64);
  arenaResetAt(arena, 16 << 20);
  assert(poolsReset() && connectionsReset() && ikeSasReset(), "room");
  connectionAt(0).firstSa = -1;
  const sa = ikeSaTake(initiator)!;
  ikeLink(sa, 0);
  return sa;
}

function begun(type: u32): Writer {
  const w = messageBegin(message, 1024, 1, 2, EXCHANGE_INFORMATIONAL, 0, 1);
  cpBegin(w, type);
  return w;
}

function walk(p: usize, length: u32): void {
  payloadsClear();
  payloadsWalk(<u32>load<u8>(p, IKE_NEXT_PAYLOAD), p + IKE_HEADER, p + length);
}

/** Ends the message and makes it the one in hand. */
function inHand(w: Writer): void {
  payloadEnd(w);
  walk(message, messageEnd(w));
}

function address4(w: Writer, address: u32, octets: u32 = 4): void {
  storeBE32(value, address);
  attributeWrite(w, INTERNAL_IP4_ADDRESS, value, octets);
}

/** What is held after an answer with one IPv4 address. */
function answered(address: u32, octets: u32 = 4, type: u32 = CFG_REPLY): u32 {
  const sa = fresh(true);
  sa.virtualAsked = VIRTUAL_IP4;
  const w = begun(type);
  address4(w, address, octets);
  inHand(w);
  configurationAnswered(sa);
  return sa.virtualHeld;
}

describe("an answer", () => {
  it("gives what was asked for, the first of each family", () => {
    const sa = fresh(true);
    sa.virtualAsked = VIRTUAL_IP4;
    const w = begun(CFG_REPLY);
    memory.fill(value, 0x20, 17);
    attributeWrite(w, INTERNAL_IP6_ADDRESS, value, 17);
    address4(w, 0x0a030001);
    address4(w, 0x0a030002);
    inHand(w);
    configurationAnswered(sa);
    expect(sa.virtualHeld).toBe(VIRTUAL_IP4);
    expect(load<u32>(virtualAddress(sa, VIRTUAL_IP4))).toBe(bswap<u32>(0x0a030001));
    expect(sa.virtualAsked).toBe(0);
  });

  it("gives nothing that no host can have, or that is cut", () => {
    expect(answered(0x0a030001)).toBe(VIRTUAL_IP4);
    expect(answered(0)).toBe(0);
    expect(answered(0x7f000001)).toBe(0);
    expect(answered(0xe0000001)).toBe(0);
    expect(answered(0xffffffff)).toBe(0);
    expect(answered(0x0a030001, 3)).toBe(0);
    expect(answered(0x0a030001, 0)).toBe(0);
    expect(answered(0x0a030001, 4, CFG_REQUEST)).toBe(0);
  });

  it("of IPv6 neither", () => {
    for (let first: u32 = 0; first < 256; first++) {
      const sa = fresh(true);
      sa.virtualAsked = VIRTUAL_IP6;
      const w = begun(CFG_REPLY);
      memory.fill(value, 0x80, 17);
      store<u8>(value, <u8>first);
      attributeWrite(w, INTERNAL_IP6_ADDRESS, value, 17);
      inHand(w);
      configurationAnswered(sa);
      const usable = first != 0 && first != 0xff && first != 0xfe;
      if ((sa.virtualHeld != 0) != usable) expect(first).toBe(256);
    }
  });

  it("gives nothing that was not asked for", () => {
    const sa = fresh(true);
    const w = begun(CFG_REPLY);
    address4(w, 0x0a030001);
    inHand(w);
    configurationAnswered(sa);
    expect(sa.virtualHeld).toBe(0);
  });
});

describe("a request", () => {
  it("for addresses where there are none is refused, one without is not", () => {
    const sa = fresh(false);
    const w = begun(CFG_REQUEST);
    address4(w, 0, 0);
    inHand(w);
    expect(configurationGrant(sa)).toBe(NOTIFY_INTERNAL_ADDRESS_FAILURE);
    inHand(begun(CFG_REQUEST));
    expect(configurationGrant(sa)).toBe(0);
  });

  it("that is none, or does not add up, is as good as none", () => {
    const sa = fresh(false);
    connectionAt(0).poolCount = 1;
    inHand(begun(CFG_SET));
    expect(configurationGrant(sa)).toBe(NOTIFY_FAILED_CP_REQUIRED);
    const w = begun(CFG_REQUEST);
    address4(w, 0, 4);
    inHand(w);
    // The attribute is longer than the payload.
    store<u8>(payloadBody(0), 200, 7);
    expect(configurationGrant(sa)).toBe(NOTIFY_FAILED_CP_REQUIRED);
  });

  it("in INFORMATIONAL is answered with what the peer has, a CFG_SET without taking anything", () => {
    const sa = fresh(false);
    storeBE32(value, 0x0a030001);
    virtualTake(sa, VIRTUAL_IP4, value);
    sa.virtualOurs = 0;
    for (let type = CFG_REQUEST; type <= CFG_ACK; type++) {
      const w = begun(type);
      address4(w, 0x0a0a0a0a);
      inHand(w);
      const reply = messageBegin(answer, 1024, 1, 2, EXCHANGE_INFORMATIONAL, 0, 1);
      configurationInform(reply, sa);
      walk(answer, messageEnd(reply));
      const at = payloadFind(PAYLOAD_CP);
      if (type == CFG_REQUEST) {
        expect(cpType(payloadBody(<u32>at))).toBe(CFG_REPLY);
        expect(payloadLength(<u32>at)).toBe(4 + 8);
        expect(load<u32>(payloadBody(<u32>at), 8)).toBe(bswap<u32>(0x0a030001));
      } else if (type == CFG_SET) {
        expect(cpType(payloadBody(<u32>at))).toBe(CFG_ACK);
        expect(payloadLength(<u32>at)).toBe(4);
      } else expect(at).toBe(-1);
      expect(load<u32>(virtualAddress(sa, VIRTUAL_IP4))).toBe(bswap<u32>(0x0a030001));
    }
  });
});
