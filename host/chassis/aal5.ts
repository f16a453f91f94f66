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
  const size = cpcsFinish(octets, start, payload);
  cpcsSum(octets, start, size);
  return size;
}

/** The same but for the CRC. */
export function cpcsFinish(octets: Uint8Array, start: number, payload: number): number {
  if (payload > 65535) throw new RangeError(`an AAL5 payload has at most 65535 octets, not ${payload}`);
  const size = cpcsOctets(payload);
  const end = start + size;
  octets.fill(0, start + payload, end - 6);
  octets[end - 6] = payload >>> 8;
  octets[end - 5] = payload & 255;
  return size;
}

/** Puts the CRC of a CPCS-PDU of `size` octets in. */
export function cpcsSum(octets: Uint8Array, start: number, size: number): void {
  const end = start + size;
  const crc = aal5Crc(octets, start, end - 4);
  octets[end - 4] = crc >>> 24;
  octets[end - 3] = (crc >>> 16) & 255;
  octets[end - 2] = (crc >>> 8) & 255;
  octets[end - 1] = crc & 255;
}

export const CPCS_BAD_CRC = -1;
export const CPCS_BAD_LENGTH = -2;

/**
 * Checks a CPCS-PDU of `size` octets at `start`, its CRC where it is `summed`. Returns the payload's octets, CPCS_BAD_CRC or CPCS_BAD_LENGTH.
 */
export function cpcsOpen(octets: Uint8Array, start: number, size: number, summed = true): number {
  if (size < CELL_PAYLOAD || size % CELL_PAYLOAD !== 0) return CPCS_BAD_LENGTH;
  const end = start + size;
  const crc = ((octets[end - 4]! << 24) | (octets[end - 3]! << 16) | (octets[end - 2]! << 8) | octets[end - 1]!) >>> 0;
  if (summed && aal5Crc(octets, start, end - 4) !== crc) return CPCS_BAD_CRC;
  const payload = (octets[end - 6]! << 8) | octets[end - 5]!;
  // A length of 0 would be an abort request (I.363.5 9.2.1.2).
  if (payload === 0 || cpcsOctets(payload) !== size) return CPCS_BAD_LENGTH;
  return payload;
}

/** HEC of one octet of header, the rest 0: I.432.1's generator x^8 + x^2 + x + 1. */
const HEC_TABLE = Uint8Array.from({ length: 256 }, (_, octet) => {
  let crc = octet;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 255 : crc << 1;
  return crc;
});

/** Header error control over the first four octets of a cell header (I.432.1: x^8 + x^2 + x + 1, coset 55h). */
export function hec(octets: Uint8Array, start: number): number {
  let crc = HEC_TABLE[octets[start]!]!;
  crc = HEC_TABLE[crc ^ octets[start + 1]!]!;
  crc = HEC_TABLE[crc ^ octets[start + 2]!]!;
  return HEC_TABLE[crc ^ octets[start + 3]!]! ^ 0x55;
}

/** Octets of the cells for a payload. */
export function cellsOctets(payload: number): number {
  return Math.ceil((payload + AAL5_TRAILER) / CELL_PAYLOAD) * CELL_OCTETS;
}

/**
 * Cuts the CPCS-PDU of `size` octets at pdu[start] into cells for the VC (VPI << 16 | VCI; UNI header: VPI 0..255, VCI 0..65535),
 * written to `cells` at `at`. Returns their octets. Throws RangeError for what is no multiple of 48 octets.
 */
export function segment(
  pdu: Uint8Array,
  start: number,
  size: number,
  vc: number,
  cells: Uint8Array,
  at: number,
): number {
  if (size === 0 || size % CELL_PAYLOAD !== 0) {
    throw new RangeError(`a CPCS-PDU is a multiple of ${CELL_PAYLOAD} octets, not ${size}`);
  }
  const vpi = (vc >>> 16) & 255;
  let cell = at;
  for (let from = start; from < start + size; from += CELL_PAYLOAD, cell += CELL_OCTETS) {
    cells[cell] = vpi >>> 4;
    cells[cell + 1] = ((vpi & 15) << 4) | ((vc >>> 12) & 15);
    cells[cell + 2] = (vc >>> 4) & 255;
    cells[cell + 3] = ((vc & 15) << 4) | (from + CELL_PAYLOAD === start + size ? CELL_LAST : 0);
    cells[cell + 4] = hec(cells, cell);
    cells.set(pdu.subarray(from, from + CELL_PAYLOAD), cell + CELL_HEADER);
  }
  return cell - at;
}

/** In the fourth octet of a header: the PTI's low bit, AAL5's mark of a PDU's last cell. */
const CELL_LAST = 2;

/** Verdicts of Reassembler.push beside payload octets. */
export const CELL_MORE = 0;
export const CELL_BAD_HEC = -3;
export const CELL_OTHER_VC = -4;
export const CPCS_TOO_LONG = -5;

/**
 * Puts the cells of one VC together again, a CPCS-PDU at a time, in `limit` octets of memory and no more.
 *
 * A cell with a bad HEC is not to be believed at all, and gone; nothing is corrected. A PDU that grows beyond the limit is given up at its
 * last cell. A lost last cell makes one of two PDUs, which fails as a whole: AAL5 has no other mark. Of a PDU that fails
 * LENGTH tells of cells that are missing or too many, the CRC of those that are damaged or in another order.
 */
export class Reassembler {
  /** The PDU so far; behind its last cell, the payload stands at the front. */
  readonly octets: Uint8Array;
  used = 0;
  #tooLong = false;

  constructor(limit: number) {
    this.octets = new Uint8Array(Math.ceil(limit / CELL_PAYLOAD) * CELL_PAYLOAD);
  }

  /**
   * Takes a cell of the VC. Returns the payload's octets when it completes a PDU that is whole, CELL_MORE, or why it, or the PDU
   * that it ends, is lost.
   */
  push(cells: Uint8Array, at: number, vc: number): number {
    if (hec(cells, at) !== cells[at + 4]) return CELL_BAD_HEC;
    if (vcOf(cells, at) !== vc) return CELL_OTHER_VC;
    if (this.used + CELL_PAYLOAD > this.octets.length) {
      this.#tooLong = true;
    } else {
      this.octets.set(cells.subarray(at + CELL_HEADER, at + CELL_OCTETS), this.used);
      this.used += CELL_PAYLOAD;
    }
    if ((cells[at + 3]! & CELL_LAST) === 0) return CELL_MORE;
    const size = this.used;
    const tooLong = this.#tooLong;
    this.reset();
    if (tooLong) return CPCS_TOO_LONG;
    const payload = cpcsOpen(this.octets, 0, size);
    return payload === CPCS_BAD_CRC && !lengthFits(this.octets, size) ? CPCS_BAD_LENGTH : payload;
  }

  reset(): void {
    this.used = 0;
    this.#tooLong = false;
  }
}

/** VPI << 16 | VCI of a cell. */
export function vcOf(cells: Uint8Array, at: number): number {
  const vpi = ((cells[at]! & 15) << 4) | (cells[at + 1]! >>> 4);
  return (vpi << 16) | ((cells[at + 1]! & 15) << 12) | (cells[at + 2]! << 4) | (cells[at + 3]! >>> 4);
}

/** Whether a PDU has the octets that its trailer's LENGTH asks for. */
function lengthFits(pdu: Uint8Array, size: number): boolean {
  const payload = (pdu[size - 6]! << 8) | pdu[size - 5]!;
  return payload > 0 && cpcsOctets(payload) === size;
}
