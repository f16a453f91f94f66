/** CERT and CERTREQ (RFC 7296 3.6, 3.7): what is written is read, and what we cannot meet is told apart. */
import {
  EXCHANGE_IKE_AUTH,
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_CERT,
  PAYLOAD_CERTREQ,
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
  CERT_RAW_PUBLIC_KEY,
  CERT_X509_SIGNATURE,
  certCheck,
  certEncoding,
  certWrite,
} from "../../../assembly/wire/ike_payload/cert";
import { AUTHORITY_OCTETS, certreqCheck, certreqWrite } from "../../../assembly/wire/ike_payload/certreq";

const p: usize = memory.data(1024, 16);
const value: usize = memory.data(256, 16);

function walk(length: u32): u32 {
  payloadsClear();
  return payloadsWalk(<u32>load<u8>(p, IKE_NEXT_PAYLOAD), p + IKE_HEADER, p + length);
}

describe("CERT", () => {
  it("goes out as it stands, encoding first, and is found in order", () => {
    for (let i: u32 = 0; i < 100; i++) store<u8>(value + i, <u8>i);
    const w = messageBegin(p, 1024, 1, 2, EXCHANGE_IKE_AUTH, 0, 1);
    store<u8>(value, <u8>CERT_X509_SIGNATURE);
    certWrite(w, value, 100);
    store<u8>(value, <u8>CERT_RAW_PUBLIC_KEY);
    certWrite(w, value, 2);
    expect(walk(messageEnd(w))).toBe(WALK_OK);
    const first = payloadFind(PAYLOAD_CERT);
    const second = payloadFind(PAYLOAD_CERT, <u32>first + 1);
    expect(payloadLength(<u32>first)).toBe(100);
    expect(certEncoding(payloadBody(<u32>first))).toBe(CERT_X509_SIGNATURE);
    expect(memory.compare(payloadBody(<u32>first) + 1, value + 1, 99)).toBe(0);
    expect(certEncoding(payloadBody(<u32>second))).toBe(CERT_RAW_PUBLIC_KEY);
  });

  it("without a certificate is none", () => {
    expect(certCheck(value, 0)).toBe(false);
    expect(certCheck(value, 1)).toBe(false);
    expect(certCheck(value, 2)).toBe(true);
  });

  it("that does not fit overflows the message", () => {
    const w = messageBegin(p, 100, 1, 2, EXCHANGE_IKE_AUTH, 0, 1);
    certWrite(w, value, 100);
    expect(messageEnd(w)).toBe(0);
  });
});

describe("CERTREQ", () => {
  it("names authorities by 20 octets each", () => {
    const w = messageBegin(p, 1024, 1, 2, EXCHANGE_IKE_AUTH, 0, 1);
    certreqWrite(w, value, 3);
    expect(walk(messageEnd(w))).toBe(WALK_OK);
    const i = <u32>payloadFind(PAYLOAD_CERTREQ);
    expect(payloadLength(i)).toBe(1 + 3 * AUTHORITY_OCTETS);
    expect(<u32>load<u8>(payloadBody(i))).toBe(CERT_X509_SIGNATURE);
    expect(certreqCheck(payloadBody(i), payloadLength(i))).toBe(true);
  });

  it("is met for X.509, of whatever authorities or of any, and for bare keys", () => {
    store<u8>(value, <u8>CERT_X509_SIGNATURE);
    let met: u32 = 0;
    for (let length: u32 = 0; length < 100; length++) if (certreqCheck(value, length)) met += 1;
    expect(met).toBe(5);
    expect(certreqCheck(value, 1)).toBe(true);
    expect(certreqCheck(value, 22)).toBe(false);
    store<u8>(value, <u8>CERT_RAW_PUBLIC_KEY);
    expect(certreqCheck(value, 1)).toBe(true);
    store<u8>(value, 12);
    expect(certreqCheck(value, 21)).toBe(false);
  });
});
