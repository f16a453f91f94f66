/** CP (RFC 7296 3.15): what is written is read, and what does not add up is refused wherever it is cut. */
import {
  EXCHANGE_IKE_AUTH,
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_CP,
  WALK_OK,
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
  CFG_REPLY,
  INTERNAL_IP4_ADDRESS,
  INTERNAL_IP6_ADDRESS,
  attributeFirst,
  attributeLength,
  attributeNext,
  attributeType,
  attributeValue,
  attributeWrite,
  cpBegin,
  cpCheck,
  cpType,
} from "../../../assembly/wire/ike_payload/configuration";

const p: usize = memory.data(512, 16);
const value: usize = memory.data(64, 16);

/** A reply with an empty attribute and one of 17 octets; its body. */
function written(): usize {
  const w = messageBegin(p, 512, 1, 2, EXCHANGE_IKE_AUTH, 0, 1);
  for (let i: u32 = 0; i < 17; i++) store<u8>(value + i, <u8>(0xc0 + i));
  cpBegin(w, CFG_REPLY);
  attributeWrite(w, INTERNAL_IP4_ADDRESS, value, 0);
  attributeWrite(w, INTERNAL_IP6_ADDRESS, value, 17);
  payloadEnd(w);
  payloadsClear();
  const length = messageEnd(w);
  assert(payloadsWalk(<u32>load<u8>(p, IKE_NEXT_PAYLOAD), p + IKE_HEADER, p + length) == WALK_OK);
  return payloadBody(<u32>payloadFind(PAYLOAD_CP));
}

describe("CP", () => {
  it("is read as it was written", () => {
    const body = written();
    const length = payloadLength(0);
    expect(length).toBe(4 + 4 + 4 + 17);
    expect(cpCheck(body, length)).toBe(true);
    expect(cpType(body)).toBe(CFG_REPLY);
    const first = attributeFirst(body, body + length);
    expect(attributeType(first)).toBe(INTERNAL_IP4_ADDRESS);
    expect(attributeLength(first)).toBe(0);
    const second = attributeNext(first, body + length);
    expect(attributeType(second)).toBe(INTERNAL_IP6_ADDRESS);
    expect(memory.compare(attributeValue(second), value, 17)).toBe(0);
    expect(attributeNext(second, body + length)).toBe(0);
  });

  it("is refused at every length at which an attribute is cut", () => {
    const body = written();
    let good: u32 = 0;
    for (let length: u32 = 0; length < 29; length++) if (cpCheck(body, length)) good |= 1 << length;
    // Without attributes, and behind the first one.
    expect(good).toBe((1 << 4) | (1 << 8));
  });

  it("is refused when an attribute is longer than what is left", () => {
    const body = written();
    store<u8>(body, 0xff, 4 + 4 + 2);
    expect(cpCheck(body, 29)).toBe(false);
    store<u8>(body, 0, 4 + 4 + 2);
    store<u8>(body, 18, 4 + 4 + 3);
    expect(cpCheck(body, 29)).toBe(false);
  });

  it("has no attribute when it is empty, and its reserved bit is passed over", () => {
    const body = written();
    expect(attributeFirst(body, body + 4)).toBe(0);
    store<u8>(body, 0x80, 4);
    expect(attributeType(attributeFirst(body, body + 29))).toBe(INTERNAL_IP4_ADDRESS);
  });
});
