/** Gateways of REDIRECT and REDIRECTED_FROM (RFC 5685 8): what is written is read, and hostile ones are refused. */
import {
  GATEWAY_FQDN,
  GATEWAY_IPV4,
  GATEWAY_IPV6,
  gatewayAddress,
  gatewayCheck,
  gatewayOctets,
  gatewayWrite,
} from "../../../assembly/wire/ike_payload/redirect";
import { addressAt, addressIpv4, addressRead, addressSetIpv4 } from "../../../assembly/wire/ip_address";

const p: usize = memory.data(300, 8);
const a: usize = memory.data(16, 8);
const b: usize = memory.data(16, 8);

function given(type: u32, octets: u32): void {
  store<u8>(p, <u8>type);
  store<u8>(p, <u8>octets, 1);
}

describe("a gateway", () => {
  it("is read as it was written, of either family", () => {
    addressSetIpv4(addressAt(a), 0xc0000203);
    expect(gatewayWrite(p, addressAt(a))).toBe(6);
    expect(gatewayCheck(p, 6)).toBe(true);
    expect(gatewayAddress(p, addressAt(b))).toBe(true);
    expect(addressIpv4(addressAt(b))).toBe(0xc0000203);
    memory.fill(p + 100, 0x20, 16);
    addressRead(addressAt(a), p + 100, 16);
    expect(gatewayWrite(p, addressAt(a))).toBe(18);
    expect(gatewayCheck(p, 18)).toBe(true);
    expect(gatewayAddress(p, addressAt(b))).toBe(true);
    expect(addressAt(a) == addressAt(b)).toBe(true);
  });

  it("of an unknown type, or whose length is not its type's, is none", () => {
    let good: u32 = 0;
    for (let type: u32 = 0; type < 256; type++)
      for (let octets: u32 = 0; octets < 256; octets++) {
        given(type, octets);
        const fits =
          (type == GATEWAY_IPV4 && octets == 4) ||
          (type == GATEWAY_IPV6 && octets == 16) ||
          (type == GATEWAY_FQDN && octets != 0);
        if (gatewayCheck(p, 300) != fits) good += 1;
      }
    expect(good).toBe(0);
  });

  it("that is cut anywhere is none, and one with something behind it is", () => {
    given(GATEWAY_FQDN, 20);
    for (let length: u32 = 0; length < 22; length++) if (gatewayCheck(p, length)) expect(length).toBe(22);
    expect(gatewayCheck(p, 22) && gatewayCheck(p, 60)).toBe(true);
    expect(gatewayOctets(p)).toBe(22);
  });

  it("by name has no address", () => {
    given(GATEWAY_FQDN, 4);
    expect(gatewayAddress(p, addressAt(b))).toBe(false);
  });
});
