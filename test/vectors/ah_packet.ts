/**
 * An AH packet (RFC 4302) as its ICV sees it: mutable fields of the IP header and the ICV itself zero (3.3.3.1), laid out so that a
 * cipher suite takes it as header | IV | data | ICV. The product builds no AH; its transforms can be held against AH packets.
 */

const PROTOCOL_AH = 51;
const IPV6_EXTENSIONS = [0, 43, 60];

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
  const ip = Buffer.from(packet);
  let at: number;
  let protocol: number;
  if (ip[0]! >>> 4 === 6) {
    ip.writeUInt32BE(0x60000000, 0); // class and flow label
    ip[7] = 0; // hop limit
    [at, protocol] = [40, ip[6]!];
    while (IPV6_EXTENSIONS.includes(protocol)) {
      protocol = ip[at]!;
      at += (ip[at + 1]! + 1) * 8;
    }
  } else {
    [at, protocol] = [(ip[0]! & 15) * 4, ip[9]!];
    if (at !== 20) throw new Error("IPv4 options are not dealt with");
    ip[1] = 0; // TOS
    ip.writeUInt16BE(0, 6); // flags and fragment offset
    ip[8] = 0; // TTL
    ip.writeUInt16BE(0, 10); // checksum
  }
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
