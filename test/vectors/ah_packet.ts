/**
 * An AH packet (RFC 4302) as its ICV sees it: mutable fields of the IP header and the ICV itself zero (3.3.3.1), laid out so that a
 * cipher suite takes it as header | IV | data | ICV.
 */
import { PROTOCOL_AH, muted } from "../reference/ah.ts";

export interface AhPacket {
  /** IP header, and AH up to the ICV field. */
  header: Buffer;
  /** The IV of AES-GMAC, which stands at the front of the ICV field (RFC 4543, 5). */
  iv: Buffer;
  /** What the ICV covers behind it: zeros in its place, payload. */
  data: Buffer;
  icv: Buffer;
  sequence: number;
  nextHeader: number;
  payload: Buffer;
}

/** Null: not an AH packet. */
export function ahPacket(packet: Buffer, ivOctets: number, icvOctets: number): AhPacket | null {
  const { octets: ip, at, protocol } = muted(packet);
  if (protocol !== PROTOCOL_AH) return null;
  const ahOctets = (ip[at + 1]! + 2) * 4;
  const field = at + 12;
  const icvAt = field + ivOctets;
  if (ahOctets < 12 + ivOctets + icvOctets || ip.length < at + ahOctets) return null;
  const behind = ip.subarray(icvAt);
  const icv = Buffer.from(behind.subarray(0, icvOctets));
  behind.fill(0, 0, icvOctets);
  return {
    header: ip.subarray(0, field),
    iv: ip.subarray(field, icvAt),
    data: behind,
    icv,
    sequence: ip.readUInt32BE(at + 8),
    nextHeader: ip[at]!,
    payload: packet.subarray(at + ahOctets),
  };
}
