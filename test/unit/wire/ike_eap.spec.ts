/** EAP payload (RFC 7296 3.16): what is written is read, and what is no EAP packet is refused. */
import { storeBE16 } from "../../../assembly/rt/bytes";
import {
  EXCHANGE_IKE_AUTH,
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_EAP,
  WALK_OK,
  messageBegin,
  messageEnd,
  payloadBody,
  payloadFind,
  payloadLength,
  payloadsClear,
  payloadsWalk,
} from "../../../assembly/wire/ike_message";
import {
  EAP_FAILURE,
  EAP_OCTETS_MAX,
  EAP_REQUEST,
  EAP_RESPONSE,
  EAP_SUCCESS,
  eapCheck,
  eapCode,
  eapWrite,
} from "../../../assembly/wire/ike_payload/eap";

const p: usize = memory.data(1024, 16);
const packet: usize = memory.data(8192, 16);

/** A packet of `length` octets that says it has `told`. */
function checks(code: u32, length: u32, told: u32): bool {
  store<u8>(packet, <u8>code);
  store<u8>(packet, 7, 1);
  storeBE16(packet + 2, told);
  return eapCheck(packet, length);
}

describe("EAP", () => {
  it("goes out as it stands and is found", () => {
    expect(checks(EAP_REQUEST, 20, 20)).toBe(true);
    const w = messageBegin(p, 1024, 1, 2, EXCHANGE_IKE_AUTH, 0, 1);
    eapWrite(w, packet, 20);
    const length = messageEnd(w);
    payloadsClear();
    expect(payloadsWalk(<u32>load<u8>(p, IKE_NEXT_PAYLOAD), p + IKE_HEADER, p + length)).toBe(WALK_OK);
    const i = payloadFind(PAYLOAD_EAP);
    expect(payloadLength(<u32>i)).toBe(20);
    expect(memory.compare(payloadBody(<u32>i), packet, 20)).toBe(0);
    expect(eapCode(payloadBody(<u32>i))).toBe(EAP_REQUEST);
  });

  it("wants the length that it has, and a type with requests and responses alone", () => {
    expect(checks(EAP_RESPONSE, 5, 5)).toBe(true);
    expect(checks(EAP_RESPONSE, 4, 4)).toBe(false);
    expect(checks(EAP_RESPONSE, 6, 5)).toBe(false);
    expect(checks(EAP_RESPONSE, 5, 6)).toBe(false);
    expect(checks(EAP_SUCCESS, 4, 4)).toBe(true);
    expect(checks(EAP_FAILURE, 4, 4)).toBe(true);
    expect(checks(EAP_FAILURE, 5, 5)).toBe(false);
    expect(checks(EAP_SUCCESS, 3, 3)).toBe(false);
    expect(checks(EAP_REQUEST, 0, 0)).toBe(false);
  });

  it("refuses codes that are none, and packets that no method makes", () => {
    expect(checks(0, 5, 5)).toBe(false);
    expect(checks(5, 5, 5)).toBe(false);
    expect(checks(EAP_REQUEST, EAP_OCTETS_MAX, EAP_OCTETS_MAX)).toBe(true);
    expect(checks(EAP_REQUEST, EAP_OCTETS_MAX + 1, EAP_OCTETS_MAX + 1)).toBe(false);
  });
});
