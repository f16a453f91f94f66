/**
 * A frame of a capture file as the IP packet in it: classic pcap (both octet orders, micro- and nanoseconds) and pcapng (enhanced,
 * simple and the older packet blocks). Link types: Ethernet with VLAN tags, raw IP, Linux cooked, BSD loopback, and SunATM with
 * LLC/SNAP, as the boards' PVCs are captured.
 *
 * Reads whole files that fit into memory; refuses frames that were cut off by the snap length, because what is asked about is the packet.
 */

/** What is wrong with a file or a frame; the message is for people. */
export class CaptureError extends Error {}

interface Frame {
  linkType: number;
  octets: Buffer;
  /** Of the frame on the wire. */
  length: number;
}

/** https://www.tcpdump.org/linktypes.html */
const LINKTYPE_NULL = 0;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = [101, 12, 14, 228, 229];
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_SUNATM = 123;
const LINKTYPE_LINUX_SLL2 = 276;

const ETHERTYPES_IP = [0x0800, 0x86dd];
const ETHERTYPES_VLAN = [0x8100, 0x88a8, 0x9100];

const PCAPNG_SECTION = 0x0a0d0d0a;
const PCAPNG_ORDER = 0x1a2b3c4d;
const PCAPNG_INTERFACE = 1;
const PCAPNG_OBSOLETE_PACKET = 2;
const PCAPNG_SIMPLE_PACKET = 3;
const PCAPNG_ENHANCED_PACKET = 6;

type Read = (at: number) => number;

function* classicFrames(file: Buffer): Generator<Frame> {
  const little = file.readUInt32LE(0);
  const isLittle = little === 0xa1b2c3d4 || little === 0xa1b23c4d;
  const u32: Read = (at) => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const linkType = u32(20) & 0xffff;
  for (let at = 24; at + 16 <= file.length; ) {
    const captured = u32(at + 8);
    const end = at + 16 + captured;
    if (end > file.length) throw new CaptureError("the file ends within a frame");
    yield { linkType, octets: file.subarray(at + 16, end), length: u32(at + 12) };
    at = end;
  }
}

function* nextGenerationFrames(file: Buffer): Generator<Frame> {
  let isLittle = true;
  let linkTypes: number[] = [];
  let snap: number[] = [];
  const u32: Read = (at) => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const u16: Read = (at) => (isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at));
  for (let at = 0; at + 12 <= file.length; ) {
    const section = file.readUInt32BE(at) === PCAPNG_SECTION;
    if (section) {
      isLittle = file.readUInt32LE(at + 8) === PCAPNG_ORDER;
      if (!isLittle && file.readUInt32BE(at + 8) !== PCAPNG_ORDER)
        throw new CaptureError("a section has no octet order");
      linkTypes = [];
      snap = [];
    }
    const type = u32(at);
    const total = u32(at + 4);
    if (total < 12 || total % 4 !== 0 || at + total > file.length)
      throw new CaptureError("the file ends within a block");
    const body = at + 8;
    const end = at + total - 4;
    const frame = (linkType: number | undefined, start: number, captured: number, length: number): Frame => {
      if (linkType === undefined) throw new CaptureError("a packet names an interface that is not described");
      if (start + captured > end) throw new CaptureError("a packet is longer than its block");
      return { linkType, octets: file.subarray(start, start + captured), length };
    };
    if (type === PCAPNG_INTERFACE && total >= 20) {
      linkTypes.push(u16(body));
      snap.push(u32(body + 4));
    } else if (type === PCAPNG_ENHANCED_PACKET && total >= 32) {
      yield frame(linkTypes[u32(body)], body + 20, u32(body + 12), u32(body + 16));
    } else if (type === PCAPNG_OBSOLETE_PACKET && total >= 32) {
      yield frame(linkTypes[u16(body)], body + 20, u32(body + 12), u32(body + 16));
    } else if (type === PCAPNG_SIMPLE_PACKET && total >= 16) {
      const length = u32(body);
      yield frame(linkTypes[0], body + 4, Math.min(length, snap[0] || length), length);
    }
    at += total;
  }
}

/** True when octets begin like a capture file. */
export function isCapture(file: Buffer): boolean {
  if (file.length < 24) return false;
  const magics = [0xa1b2c3d4, 0xa1b23c4d];
  return (
    file.readUInt32BE(0) === PCAPNG_SECTION ||
    magics.includes(file.readUInt32LE(0)) ||
    magics.includes(file.readUInt32BE(0))
  );
}

/** The IP packet in frame `number`, from 1 on as Wireshark counts. Throws CaptureError. */
export function capturedPacket(file: Buffer, number: number): Buffer {
  if (!isCapture(file)) throw new CaptureError("is neither pcap nor pcapng");
  const frames = file.readUInt32BE(0) === PCAPNG_SECTION ? nextGenerationFrames(file) : classicFrames(file);
  let count = 0;
  for (const { linkType, octets, length } of frames) {
    count += 1;
    if (count !== number) continue;
    if (octets.length < length) {
      throw new CaptureError(`frame ${number} is cut off: ${octets.length} of ${length} octets (capture with -s 0)`);
    }
    const packet = packetOf(linkType, octets);
    if (!packet) throw new CaptureError(`frame ${number} (link type ${linkType}) holds no IP packet`);
    return packet;
  }
  throw new CaptureError(`there is no frame ${number}: the file has ${count}`);
}

/** Without its link layer; undefined when it is no IP. */
function packetOf(linkType: number, octets: Buffer): Buffer | undefined {
  if (LINKTYPE_RAW.includes(linkType)) return isIp(octets) ? octets : undefined;
  const behind = (typeAt: number, start: number): Buffer | undefined =>
    octets.length >= start && ETHERTYPES_IP.includes(octets.readUInt16BE(typeAt)) ? octets.subarray(start) : undefined;
  switch (linkType) {
    case LINKTYPE_NULL:
      return isIp(octets.subarray(4)) ? octets.subarray(4) : undefined;
    case LINKTYPE_ETHERNET: {
      let type = 12;
      while (octets.length >= type + 6 && ETHERTYPES_VLAN.includes(octets.readUInt16BE(type))) type += 4;
      return behind(type, type + 2);
    }
    case LINKTYPE_LINUX_SLL:
      return behind(14, 16);
    case LINKTYPE_LINUX_SLL2:
      return behind(0, 20);
    case LINKTYPE_SUNATM:
      // Flags, VPI, VCI, then LLC AA-AA-03 and OUI 0.
      return octets.subarray(4, 10).toString("hex") === "aaaa03000000" ? behind(10, 12) : undefined;
    default:
      return undefined;
  }
}

const isIp = (octets: Buffer): boolean => octets.length > 0 && [4, 6].includes(octets[0]! >> 4);
