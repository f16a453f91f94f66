import {
  EXCHANGE_INFORMATIONAL,
  IKE_HEADER,
  PAYLOAD_NONCE,
  PAYLOAD_SA,
  WALK_CRITICAL,
  WALK_MALFORMED,
  WALK_OK,
  ikeCheck,
  messageBegin,
  messageEnd,
  payloadBody,
  payloadFind,
  payloadLength,
  payloadsClear,
  payloadsWalk,
} from "../../../assembly/wire/ike_message";
import { nonceWrite } from "../../../assembly/wire/ike_payload/nonce";
import {
  proposalBegin,
  proposalEnd,
  saBegin,
  saCheck,
  saEnd,
  transformFirst,
  transformKeyBits,
  transformWrite,
} from "../../../assembly/wire/ike_payload/sa";

const buffer: usize = memory.data(1024, 8);
const nonce: usize = memory.data(32, 8);

function build(): u32 {
  const w = messageBegin(buffer, 1024, 1, 2, EXCHANGE_INFORMATIONAL, 8, 5);
  saBegin(w);
  const p = proposalBegin(w, 1, 3, nonce, 4);
  transformWrite(w, 1, 20, 256, false);
  transformWrite(w, 5, 0, 0, true);
  proposalEnd(w, p, 2, true);
  saEnd(w);
  nonceWrite(w, nonce, 32);
  return messageEnd(w);
}

function walk(length: u32): u32 {
  payloadsClear();
  return payloadsWalk(<u32>load<u8>(buffer, 16), buffer + IKE_HEADER, buffer + length);
}

describe("IKE message", () => {
  it("walks what it wrote", () => {
    const length = build();
    expect(ikeCheck(buffer, length)).toBe(true);
    expect(walk(length)).toBe(WALK_OK);
    const sa = <u32>payloadFind(PAYLOAD_SA);
    expect(saCheck(payloadBody(sa), payloadLength(sa))).toBe(true);
    expect(transformKeyBits(transformFirst(payloadBody(sa)))).toBe(256);
    expect(payloadLength(<u32>payloadFind(PAYLOAD_NONCE))).toBe(32);
  });

  it("refuses every truncation of the chain and of the SA payload", () => {
    const length = build();
    let refused = true;
    for (let n = IKE_HEADER; n < length; n++) if (walk(n) != WALK_MALFORMED) refused = false;
    walk(length);
    for (let n: u32 = 0; n < payloadLength(0); n++) if (saCheck(payloadBody(0), n)) refused = false;
    expect(refused).toBe(true);
  });

  it("tells an unknown critical payload from one that may be passed over", () => {
    const length = build();
    store<u8>(buffer, 99, 16);
    expect(walk(length)).toBe(WALK_OK);
    store<u8>(buffer + IKE_HEADER, 0x80, 1);
    expect(walk(length)).toBe(WALK_CRITICAL);
  });
});
