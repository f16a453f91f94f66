/**
 * pcapng (draft-ietf-opsawg-pcapng): the blocks that a capture of a gateway consists of, little-endian, time in nanoseconds.
 *
 *   section header        who wrote it
 *   interface             name and link type, before its first packet
 *   enhanced packet       time, direction, octets, a comment
 *   interface statistics  at the end: what was not captured
 */

/** https://www.tcpdump.org/linktypes.html */
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_SUNATM = 123;

const SECTION = 0x0a0d0d0a;
const ORDER = 0x1a2b3c4d;
const INTERFACE = 1;
const STATISTICS = 5;
const ENHANCED_PACKET = 6;

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const IF_FCSLEN = 13;
const EPB_FLAGS = 2;
const ISB_IFDROP = 5;
/** Of if_tsresol: 10^-9. */
const NANOSECONDS = 9;
/** Of epb_flags. */
const INBOUND = 1;
const OUTBOUND = 2;

type Option = readonly [code: number, value: Uint8Array];

const text = (value: string): Uint8Array => Buffer.from(value, "utf8").subarray(0, 65535);

const padded = (length: number): number => (length + 3) & ~3;

function optionsOctets(options: readonly Option[]): Buffer {
  if (options.length === 0) return Buffer.alloc(0);
  const size = options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4);
  const octets = Buffer.alloc(size);
  let at = 0;
  for (const [code, value] of options) {
    octets.writeUInt16LE(code, at);
    octets.writeUInt16LE(value.length, at + 2);
    octets.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  octets.writeUInt16LE(OPTION_END, at);
  return octets;
}

/** A block: its type, its body in parts, its options. */
function block(type: number, parts: readonly Uint8Array[], options: readonly Option[]): Buffer {
  const all = [...parts, optionsOctets(options)];
  const body = all.reduce((sum, part) => sum + padded(part.length), 0);
  const octets = Buffer.alloc(body + 12);
  octets.writeUInt32LE(type, 0);
  octets.writeUInt32LE(octets.length, 4);
  let at = 8;
  for (const part of all) {
    octets.set(part, at);
    at += padded(part.length);
  }
  octets.writeUInt32LE(octets.length, at);
  return octets;
}

/** Begins a file. `application` is who writes it. */
export function sectionHeader(application: string): Buffer {
  const body = Buffer.alloc(16, 0xff); // the section's length is not known
  body.writeUInt32LE(ORDER, 0);
  body.writeUInt16LE(1, 4);
  body.writeUInt16LE(0, 6);
  return block(SECTION, [body], [[SHB_USERAPPL, text(application)]]);
}

/** The next interface: they count from 0 in the order of their blocks. `fcs`: octets of a frame check sequence at the end of each packet. */
export function interfaceDescription(name: string, linkType: number, description: string, fcs = 0): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16LE(linkType, 0);
  const options: Option[] = [
    [IF_NAME, text(name)],
    [IF_DESCRIPTION, text(description)],
    [IF_TSRESOL, Uint8Array.of(NANOSECONDS)],
  ];
  if (fcs > 0) options.push([IF_FCSLEN, Uint8Array.of(fcs)]);
  return block(INTERFACE, [body], options);
}

function timeOctets(time: bigint): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeUInt32LE(Number(time >> 32n), 0);
  octets.writeUInt32LE(Number(time & 0xffff_ffffn), 4);
  return octets;
}

export interface CapturedPacket {
  /** Number of its interface. */
  interface: number;
  /** Nanoseconds since 1970. */
  time: bigint;
  octets: Uint8Array;
  direction?: "in" | "out";
  comment?: string;
}

export function enhancedPacket({ interface: index, time, octets, direction, comment }: CapturedPacket): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(index, 0);
  head.set(timeOctets(time), 4);
  head.writeUInt32LE(octets.length, 12);
  head.writeUInt32LE(octets.length, 16);
  const options: Option[] = [];
  if (comment !== undefined) options.push([OPTION_COMMENT, text(comment)]);
  if (direction !== undefined) {
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(direction === "in" ? INBOUND : OUTBOUND, 0);
    options.push([EPB_FLAGS, flags]);
  }
  return block(ENHANCED_PACKET, [head, octets], options);
}

/** Of an interface, at the end: packets that were seen and not written. */
export function interfaceStatistics(index: number, time: bigint, dropped: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(index, 0);
  head.set(timeOctets(time), 4);
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(dropped), 0);
  return block(STATISTICS, [head], [[ISB_IFDROP, count]]);
}
