/**
 * A set of images (.ccm): a signed list of image files that belong together and are switched together.
 *
 *   payload: for each file
 *     0        1        2        4                 36                     36 + length
 *     +--------+--------+--------+-----------------+----------------------+
 *     | slot   | 0      | length | SHA-256 of the  | name of the file     |
 *     | u8     |        | u16    | whole file      | beside the set       |
 *     +--------+--------+--------+-----------------+----------------------+
 *   protected TLVs: none
 *
 * slot is 255 for every slot of the image's class. Of one class and slot a set may hold every build; a chassis takes the
 * fastest that its engine runs. Names have no directory in them. The container is container.ts's, with magic CCM1.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Container, emitContainer, parseContainer } from "./container.ts";
import { type ImageFile, parseImageFile } from "./image_file.ts";
import { ImageRefused } from "./refusal.ts";
import type { Version } from "./version.ts";

/** Slot of an entry that is for all slots of its image's class. */
export const ANY_SLOT = 255;
/** The highest slot number. */
export const SLOT_MAX = 63;
export const SET_ENTRIES_MAX = 64;

const ENTRY_HEADER = 36;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

export interface SetEntry {
  slot: number;
  /** SHA-256 of the whole .cci file, signature and all. */
  sha256: Uint8Array;
  file: string;
}

export interface SetFile {
  version: Version;
  entries: readonly SetEntry[];
  sha256: Uint8Array;
  container: Container;
}

export const fileDigest = (octets: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(octets).digest());

/** An unsigned set of these files. Throws RangeError for names and slots that no set may have. */
export function buildSetFile(version: Version, entries: readonly SetEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { slot, sha256, file } of entries) {
    const part = new Uint8Array(ENTRY_HEADER + file.length);
    part[0] = slot;
    new DataView(part.buffer).setUint16(2, file.length, true);
    part.set(sha256, 4);
    part.set(Buffer.from(file, "latin1"), ENTRY_HEADER);
    parts.push(part);
  }
  const octets = emitContainer("CCM1", { version, payload: Buffer.concat(parts), tlvs: [] });
  parseSetFile(octets);
  return octets;
}

export function signSetFile(octets: Uint8Array, signer: NonNullable<Parameters<typeof emitContainer>[2]>): Uint8Array {
  return emitContainer("CCM1", parseSetFile(octets).container, signer);
}

function readEntries(payload: Uint8Array): SetEntry[] {
  const entries: SetEntry[] = [];
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < ENTRY_HEADER) throw new ImageRefused("bad_set", "its list ends inside an entry");
    const slot = payload[at]!;
    const length = payload[at + 2]! | (payload[at + 3]! << 8);
    if (slot > SLOT_MAX && slot !== ANY_SLOT) throw new ImageRefused("bad_set", `there is no slot ${slot}`);
    if (payload[at + 1] !== 0) throw new ImageRefused("bad_set", "what is reserved is not 0");
    if (length > payload.length - at - ENTRY_HEADER) throw new ImageRefused("bad_set", "its list ends inside a name");
    const end = at + ENTRY_HEADER + length;
    const file = Buffer.from(payload.subarray(at + ENTRY_HEADER, end)).toString("latin1");
    if (!FILE_NAME.test(file)) throw new ImageRefused("bad_set", "it names a file as no set may");
    if (entries.some((entry) => entry.file === file && entry.slot === slot))
      throw new ImageRefused("bad_set", `it names ${file} twice for the same slots`);
    entries.push({ slot, sha256: payload.subarray(at + 4, at + ENTRY_HEADER), file });
    if (entries.length > SET_ENTRIES_MAX)
      throw new ImageRefused("bad_set", `it names more than ${SET_ENTRIES_MAX} files`);
    at = end;
  }
  if (entries.length === 0) throw new ImageRefused("bad_set", "it names no file");
  return entries;
}

/** Reads a set; who signed it is checkSignature()'s question. Throws ImageRefused. */
export function parseSetFile(octets: Uint8Array): SetFile {
  const container = parseContainer("CCM1", octets);
  if (container.tlvs.length > 0) throw new ImageRefused("bad_tlv", "a set has no protected TLVs");
  return { version: container.version, entries: readEntries(container.payload), sha256: container.sha256, container };
}

/** A file of a set, in its octets. */
export interface SetMember {
  slot: number;
  file: string;
  octets: Uint8Array;
  image: ImageFile;
}

/** Fetches every file of a set and holds it against the list. Throws ImageRefused; what `read` throws goes through. */
export function openSet(set: SetFile, read: (file: string) => Uint8Array): SetMember[] {
  return set.entries.map(({ slot, sha256, file }) => {
    const octets = read(file);
    if (!timingSafeEqual(fileDigest(octets), sha256))
      throw new ImageRefused("set_mismatch", `${file} is not the file that the set names`);
    return { slot, file, octets, image: parseImageFile(octets) };
  });
}
