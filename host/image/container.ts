/**
 * The container of firmware images (.cci) and of sets of them (.ccm): MCUboot's shape, little-endian.
 *
 *      0        4        6        8        12       16                24                32
 *      +--------+--------+--------+--------+--------+--------+--------+--------+--------+
 *      | magic  | header | protec-| payload| flags  | version                  | 0      |
 *      | CCI1   | size:  | ted    | size   | 0      | major u8, minor u8,      |        |
 *      | CCM1   | 32     | size   |        |        | revision u16, build u32  |        |
 *   32 +--------+--------+--------+--------+--------+--------------------------+--------+
 *      | payload: a WebAssembly module, or a list of images                             |
 *      +--------+--------+--------------------------------------------------------------+
 *      | 0x6908 | size   | protected TLVs, in the order of their types                  |
 *      +--------+--------+------------------------------------------ all of this is signed
 *      | 0x6907 | size   | SHA-256 [, key hash, Ed25519 signature]                      |
 *      +--------+--------+--------------------------------------------------------------+
 *
 * A TLV is its type (u16), the length of its value (u16) and the value; the size of an area counts its own four octets. The
 * SHA-256 and the signature cover everything in front of the second area; the signature is over these octets, not over their digest,
 * and the key hash is the SHA-256 of the signer's SubjectPublicKeyInfo. Numbers are MCUboot's where it has one.
 *
 * One contents has one spelling: what is reserved is 0, types rise, nothing stands behind the end. So there is no octet in a
 * file that could be another one. Refuses what it does not know; a reader that skips is a reader that can be misled.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ImageRefused } from "./refusal.ts";
import { readVersion, type Version, writeVersion } from "./version.ts";

export type Magic = "CCI1" | "CCM1";

const HEADER = 32;
const AREA_HEADER = 4;
const TLV_HEADER = 4;
const AREA_PROTECTED = 0x6908;
const AREA_PLAIN = 0x6907;
const TLV_KEY_HASH = 0x01;
const TLV_SHA256 = 0x10;
const TLV_ED25519 = 0x24;
const DIGEST = 32;
const SIGNATURE = 64;

/** The largest payload, octets. */
export const PAYLOAD_MAX = 32 << 20;
/** The largest file, octets: whoever reads one looks at its size first. */
export const FILE_MAX = HEADER + PAYLOAD_MAX + 2 * 65536;

export interface Tlv {
  type: number;
  value: Uint8Array;
}

export interface Contents {
  version: Version;
  payload: Uint8Array;
  /** In the order of their types. */
  tlvs: readonly Tlv[];
}

export interface Container extends Contents {
  /** What the digest and the signature cover. */
  covered: Uint8Array;
  sha256: Uint8Array;
  /** Absent: nobody has signed it. */
  signed?: { keyHash: Uint8Array; signature: Uint8Array };
}

const sha256 = (octets: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(octets).digest());

function area(magic: number, tlvs: readonly Tlv[]): Uint8Array {
  const size = tlvs.reduce((sum, { value }) => sum + TLV_HEADER + value.length, AREA_HEADER);
  if (size > 0xffff) throw new RangeError(`TLVs of ${size} octets: an area has at most 65535`);
  const octets = new Uint8Array(size);
  const view = new DataView(octets.buffer);
  view.setUint16(0, magic, true);
  view.setUint16(2, size, true);
  let at = AREA_HEADER;
  for (const { type, value } of tlvs) {
    view.setUint16(at, type, true);
    view.setUint16(at + 2, value.length, true);
    octets.set(value, at + TLV_HEADER);
    at += TLV_HEADER + value.length;
  }
  return octets;
}

/** Writes a container, signed when `sign` is given: it gets the octets to sign. Throws RangeError for what does not fit. */
export function emitContainer(
  magic: Magic,
  { version, payload, tlvs }: Contents,
  sign?: (covered: Uint8Array) => { keyHash: Uint8Array; signature: Uint8Array },
): Uint8Array {
  if (payload.length > PAYLOAD_MAX)
    throw new RangeError(`a payload of ${payload.length} octets: ${PAYLOAD_MAX} at most`);
  const protectedArea = area(AREA_PROTECTED, tlvs);
  const covered = new Uint8Array(HEADER + payload.length + protectedArea.length);
  const view = new DataView(covered.buffer);
  for (let i = 0; i < 4; i++) covered[i] = magic.charCodeAt(i);
  view.setUint16(4, HEADER, true);
  view.setUint16(6, protectedArea.length, true);
  view.setUint32(8, payload.length, true);
  writeVersion(view, 16, version);
  covered.set(payload, HEADER);
  covered.set(protectedArea, HEADER + payload.length);
  const plain: Tlv[] = [{ type: TLV_SHA256, value: sha256(covered) }];
  if (sign) {
    const { keyHash, signature } = sign(covered);
    plain.push({ type: TLV_KEY_HASH, value: keyHash }, { type: TLV_ED25519, value: signature });
  }
  const tail = area(AREA_PLAIN, plain);
  const file = new Uint8Array(covered.length + tail.length);
  file.set(covered);
  file.set(tail, covered.length);
  return file;
}

/** Reads an area's TLVs; `end` is where it ends. */
function readArea(octets: Uint8Array, at: number, end: number, magic: number): Tlv[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (end - at < AREA_HEADER) throw new ImageRefused("truncated", "it ends in front of a TLV area");
  if (view.getUint16(at, true) !== magic) throw new ImageRefused("bad_tlv", "a TLV area does not begin as one");
  if (view.getUint16(at + 2, true) !== end - at) throw new ImageRefused("bad_tlv", "the size of a TLV area is wrong");
  const tlvs: Tlv[] = [];
  let next = at + AREA_HEADER;
  while (next < end) {
    if (end - next < TLV_HEADER) throw new ImageRefused("bad_tlv", "a TLV area ends inside a TLV");
    const length = view.getUint16(next + 2, true);
    if (length > end - next - TLV_HEADER) throw new ImageRefused("bad_tlv", "a TLV is longer than its area");
    tlvs.push({
      type: view.getUint16(next, true),
      value: octets.subarray(next + TLV_HEADER, next + TLV_HEADER + length),
    });
    next += TLV_HEADER + length;
  }
  return tlvs;
}

/**
 * Reads a container of that kind and checks its digest; whether the signature is anyone's is for signature.ts to say.
 * Throws ImageRefused for anything that emitContainer() would not have written.
 */
export function parseContainer(magic: Magic, octets: Uint8Array): Container {
  if (octets.length > FILE_MAX) throw new ImageRefused("too_large");
  for (let i = 0; i < 4 && i < octets.length; i++) {
    if (octets[i] !== magic.charCodeAt(i)) throw new ImageRefused("bad_magic", `it does not begin with ${magic}`);
  }
  if (octets.length < HEADER) throw new ImageRefused("truncated", "it ends inside its header");
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (view.getUint16(4, true) !== HEADER) throw new ImageRefused("bad_header", "the size of its header is not 32");
  if (view.getUint32(12, true) !== 0) throw new ImageRefused("bad_header", "it has flags; none are defined");
  if (view.getBigUint64(24, true) !== 0n) throw new ImageRefused("bad_header", "what is reserved is not 0");
  const payloadEnd = HEADER + view.getUint32(8, true);
  const coveredEnd = payloadEnd + view.getUint16(6, true);
  if (payloadEnd - HEADER > PAYLOAD_MAX) throw new ImageRefused("too_large", "its payload is larger than any may be");
  if (coveredEnd + AREA_HEADER > octets.length)
    throw new ImageRefused("truncated", "it ends inside its payload or TLVs");
  const tlvs = readArea(octets, payloadEnd, coveredEnd, AREA_PROTECTED);
  const wrong = tlvs.find(({ type }, i) => i > 0 && type < tlvs[i - 1]!.type);
  if (wrong) throw new ImageRefused("bad_tlv", `TLV 0x${wrong.type.toString(16)} is out of order`);
  const end = coveredEnd + view.getUint16(coveredEnd + 2, true);
  if (end > octets.length) throw new ImageRefused("truncated", "it ends inside its last TLVs");
  if (end < octets.length) throw new ImageRefused("trailing_octets");
  const plain = readArea(octets, coveredEnd, end, AREA_PLAIN);
  const shape = plain.map(({ type, value }) => `${type}:${value.length}`).join();
  const bare = `${TLV_SHA256}:${DIGEST}`;
  if (shape !== bare && shape !== `${bare},${TLV_KEY_HASH}:${DIGEST},${TLV_ED25519}:${SIGNATURE}`) {
    throw new ImageRefused("bad_tlv", "the last TLVs are not SHA-256, key hash and signature");
  }
  const covered = octets.subarray(0, coveredEnd);
  const digest = plain[0]!.value;
  if (!timingSafeEqual(sha256(covered), digest)) throw new ImageRefused("digest_mismatch");
  return {
    version: readVersion(view, 16),
    payload: octets.subarray(HEADER, payloadEnd),
    tlvs,
    covered,
    sha256: digest,
    ...(plain.length === 3 ? { signed: { keyHash: plain[1]!.value, signature: plain[2]!.value } } : {}),
  };
}
