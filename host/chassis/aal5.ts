/**
 * AAL5 (ITU-T I.363.5), the ATM backplane's frame layer: what an ATM card's hardware does behind the firmware's back.
 *
 *   CPCS-PDU   +---------------------------+-----------+-----+-----+-----------+-----------+
 *              | payload, 0..65535 octets  | pad 0..47 | UU  | CPI | LENGTH 16 | CRC-32    |
 *              +---------------------------+-----------+-----+-----+-----------+-----------+
 *              <------------------------- a multiple of 48 octets ------------------------->
 *
 *   cell       +---------------------+-----+------------------------+    HEC: CRC-8 over the header, + 55h (I.432.1).
 *              | GFC VPI VCI PTI CLP | HEC | 48 octets of PDU       |    The PTI's low bit marks a PDU's last cell.
 *              +---------------------+-----+------------------------+
 *
 * In frame mode a whole PDU crosses the backplane at once, with its trailer and CRC; in cell mode it is cut into cells and
 * put together again. LENGTH and CRC are big-endian; UU and CPI are 0. Refuses PDUs whose pad is longer than 47 octets.
 */

export const AAL5_TRAILER = 8;
export const CELL_PAYLOAD = 48;
export const CELL_HEADER = 5;
export const CELL_OCTETS = 53;
export const CELL_BITS = 424;

/** Generator x^32 + x^26 + ... + 1, most significant bit first. Eight tables: CRC of a byte with 0..7 zero octets behind. */
const POLYNOMIAL = 0x04c11db7;
const TABLES = crcTables();

function crcTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    tables[octet] = crc;
  }
  for (let i = 256; i < 8 * 256; i++) {
    const shorter = tables[i - 256]!;
    tables[i] = (shorter << 8) ^ tables[shorter >>> 24]!;
  }
  return tables;
}

/** CRC-32 of AAL5 (initial value and final exclusive-or all ones) over octets [start, end). Returns an unsigned number. */
export function aal5Crc(octets: Uint8Array, start: number, end: number): number {
  const t = TABLES;
  let crc = -1;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    crc ^= (octets[i]! << 24) | (octets[i + 1]! << 16) | (octets[i + 2]! << 8) | octets[i + 3]!;
    crc =
      t[1792 + (crc >>> 24)]! ^
      t[1536 + ((crc >>> 16) & 255)]! ^
      t[1280 + ((crc >>> 8) & 255)]! ^
      t[1024 + (crc & 255)]! ^
      t[768 + octets[i + 4]!]! ^
      t[512 + octets[i + 5]!]! ^
      t[256 + octets[i + 6]!]! ^
      t[octets[i + 7]!]!;
  }
  for (; i < end; i++) crc = (crc << 8) ^ t[(crc >>> 24) ^ octets[i]!]!;
  return ~crc >>> 0;
}

/** Octets of the CPCS-PDU for a payload: pad and trailer included. */
export function cpcsOctets(payload: number): number {
  return Math.ceil((payload + AAL5_TRAILER) / CELL_PAYLOAD) * CELL_PAYLOAD;
}

/** Completes a CPCS-PDU in place: `payload` octets stand at `start`, room for cpcsOctets follows. Returns its octets. */
export function cpcsSeal(octets: Uint8Array, start: number, payload: number): number {
  if (payload > 65535) throw new RangeError(`an AAL5 payload has at most 65535 octets, not ${payload}`);
  const size = cpcsOctets(payload);
  const end = start + size;
  octets.fill(0, start + payload, end - 6);
  octets[end - 6] = payload >>> 8;
  octets[end - 5] = payload & 255;
  const crc = aal5Crc(octets, start, end - 4);
  octets[end - 4] = crc >>> 24;
  octets[end - 3] = (crc >>> 16) & 255;
  octets[end - 2] = (crc >>> 8) & 255;
  octets[end - 1] = crc & 255;
  return size;
}

export const CPCS_BAD_CRC = -1;
export const CPCS_BAD_LENGTH = -2;

/** Checks a CPCS-PDU of `size` octets at `start`. Returns the payload's octets, CPCS_BAD_CRC or CPCS_BAD_LENGTH. */
export function cpcsOpen(octets: Uint8Array, start: number, size: number): number {
  if (size < CELL_PAYLOAD || size % CELL_PAYLOAD !== 0) return CPCS_BAD_LENGTH;
  const end = start + size;
  const crc = ((octets[end - 4]! << 24) | (octets[end - 3]! << 16) | (octets[end - 2]! << 8) | octets[end - 1]!) >>> 0;
  if (aal5Crc(octets, start, end - 4) !== crc) return CPCS_BAD_CRC;
  const payload = (octets[end - 6]! << 8) | octets[end - 5]!;
  // A length of 0 would be an abort request (I.363.5 9.2.1.2).
  if (payload === 0 || cpcsOctets(payload) !== size) return CPCS_BAD_LENGTH;
  return payload;
}

/** Header error control over the first four octets of a cell header (I.432.1: x^8 + x^2 + x + 1, coset 55h). */
export function hec(octets: Uint8Array, start: number): number {
  let crc = 0;
  for (let i = 0; i < 4; i++) {
    crc ^= octets[start + i]!;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 255 : crc << 1;
  }
  return crc ^ 0x55;
}

/** Cuts a CPCS-PDU into cells for the VC `vpi`/`vci` (UNI header: VPI 0..255, VCI 0..65535). */
export function segment(pdu: Uint8Array, vpi: number, vci: number): Uint8Array {
  if (pdu.length === 0 || pdu.length % CELL_PAYLOAD !== 0) {
    throw new RangeError(`a CPCS-PDU is a multiple of ${CELL_PAYLOAD} octets, not ${pdu.length}`);
  }
  const count = pdu.length / CELL_PAYLOAD;
  const cells = new Uint8Array(count * CELL_OCTETS);
  for (let i = 0; i < count; i++) {
    const at = i * CELL_OCTETS;
    cells[at] = (vpi >>> 4) & 15;
    cells[at + 1] = ((vpi & 15) << 4) | ((vci >>> 12) & 15);
    cells[at + 2] = (vci >>> 4) & 255;
    cells[at + 3] = ((vci & 15) << 4) | (i === count - 1 ? 2 : 0);
    cells[at + 4] = hec(cells, at);
    cells.set(pdu.subarray(i * CELL_PAYLOAD, (i + 1) * CELL_PAYLOAD), at + CELL_HEADER);
  }
  return cells;
}

export type Reassembled = { vpi: number; vci: number; pdu: Uint8Array };

/**
 * Puts cells together again, one CPCS-PDU per VC at a time. Cells with a bad HEC are counted and lost, and so is a PDU
 * that outgrows `limit` octets; whether a PDU is whole is for cpcsOpen to say.
 */
export class Reassembler {
  badHec = 0;
  tooLong = 0;
  readonly #parts = new Map<number, { octets: Uint8Array; used: number; lost: boolean }>();

  constructor(readonly limit = 65568) {}

  /** Takes whole cells; returns the PDUs that they complete. Octets behind the last whole cell are ignored. */
  push(cells: Uint8Array): Reassembled[] {
    const complete: Reassembled[] = [];
    for (let at = 0; at + CELL_OCTETS <= cells.length; at += CELL_OCTETS) {
      if (hec(cells, at) !== cells[at + 4]) {
        this.badHec += 1;
        continue;
      }
      const vpi = ((cells[at]! & 15) << 4) | (cells[at + 1]! >>> 4);
      const vci = ((cells[at + 1]! & 15) << 12) | (cells[at + 2]! << 4) | (cells[at + 3]! >>> 4);
      const key = (vpi << 16) | vci;
      let part = this.#parts.get(key);
      if (!part) this.#parts.set(key, (part = { octets: new Uint8Array(this.limit), used: 0, lost: false }));
      if (part.used + CELL_PAYLOAD > this.limit) {
        part.lost = true;
      } else {
        part.octets.set(cells.subarray(at + CELL_HEADER, at + CELL_OCTETS), part.used);
        part.used += CELL_PAYLOAD;
      }
      if (cells[at + 3]! & 2) {
        if (part.lost) this.tooLong += 1;
        else complete.push({ vpi, vci, pdu: part.octets.slice(0, part.used) });
        part.used = 0;
        part.lost = false;
      }
    }
    return complete;
  }
}
