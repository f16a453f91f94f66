/**
 * Packets through the firmware's cipher suites (assembly/crypto/suite.ts): header | IV | data | ICV, of ESP, AH and IKE alike.
 *
 * Every packet is run alone and in a list among others of its own and of another transform, on every build.
 */
import { createDecipheriv } from "node:crypto";
import type { Kernels, Scratch } from "./kernels.ts";

/** IANA identifiers, and KEYMAT as RFC 7296, 2.17 orders it: key | salt | integrity key. */
export interface SuiteKeys {
  encryption: number;
  keyBits: number;
  integrity: number;
  keymat: Buffer;
}

export const ENCR = {
  null: 11,
  cbc: 12,
  ctr: 13,
  ccm: { 8: 14, 12: 15, 16: 16 } as Record<number, number>,
  gcm: { 8: 18, 12: 19, 16: 20 } as Record<number, number>,
  gmac: 21,
  chacha: 28,
};
/** Integrity transforms by hash identifier, and the octets of their ICVs. */
export const INTEG_OF_HASH: Record<number, number> = { 1: 2, 2: 12, 3: 13, 4: 14 };
export const ICV_OF_HASH: Record<number, number> = { 1: 12, 2: 16, 3: 24, 4: 32 };

const JOB_OCTETS = 128;
const DONE = 40;
const CONTEXT_OCTETS = 192;
/** In front of each packet: an extended sequence number takes four octets there for a while. */
const LEAD = 16;
/** A transform of another kind for the packets that go along: NULL with HMAC-SHA-1-96. */
const OTHER: SuiteKeys = { encryption: ENCR.null, keyBits: 0, integrity: 2, keymat: Buffer.alloc(20, 0x5c) };

function openContext(s: Scratch, keys: SuiteKeys): number {
  const row: number = s.call.transformFind(keys.encryption, keys.keyBits, keys.integrity);
  if (row === 0) throw new Error(`no transform ${keys.encryption}/${keys.keyBits} with ${keys.integrity}`);
  const octets: number = s.call.suiteKeymatOctets(row);
  if (octets !== keys.keymat.length) throw new Error(`the transform wants ${octets} octets of KEYMAT`);
  const context = s.take(CONTEXT_OCTETS);
  s.call.suiteInit(context, row, s.put(keys.keymat));
  return context;
}

interface Placed {
  job: number;
  at: number;
  octets: Buffer;
}

/** A packet in memory, with its job. `length` is that of the data; what `octets` holds beyond stays as it is. */
function place(
  s: Scratch,
  context: number,
  octets: Buffer,
  headerOctets: number,
  length: number,
  high: number | undefined,
): Placed {
  const at = s.put(Buffer.concat([Buffer.alloc(LEAD, 0xb7), octets])) + LEAD;
  const job = s.take(JOB_OCTETS);
  if (high === undefined) s.call.suiteJob(job, context, at, headerOctets, length);
  else s.call.suiteJobExtended(job, context, at, length, high);
  return { job, at, octets };
}

function finish(s: Scratch, { job, at, octets }: Placed): { done: boolean; octets: Buffer } {
  if (!s.get(at - LEAD, LEAD).equals(Buffer.alloc(LEAD, 0xb7))) throw new Error("octets before the packet changed");
  return { done: s.get(job + DONE, 4).readUInt32LE() === 1, octets: s.get(at, octets.length) };
}

/** Runs a packet alone, then twice in a list with a garbled one and one of another transform; what became of it. */
function run(
  kernels: Kernels,
  seal: boolean,
  keys: SuiteKeys,
  packet: Buffer,
  headerOctets: number,
  dataOctets: number,
  high: number | undefined,
): Buffer | null {
  return kernels.agree("suiteOpenBatch", (s) => {
    const context = openContext(s, keys);
    const put = (octets: Buffer): Placed => place(s, context, octets, headerOctets, dataOctets, high);
    const alone = put(packet);
    const accepted = !!(seal ? s.call.suiteSeal : s.call.suiteOpen)(alone.job);
    const first = finish(s, alone);
    if (accepted !== first.done) throw new Error("answered otherwise than marked");
    if (!first.done && !first.octets.equals(packet)) throw new Error("refused, but the packet is not as it came");

    const garbled = Buffer.from(packet);
    if (!seal) garbled[packet.length - 1]! ^= 1;
    const foreign = place(s, openContext(s, OTHER), Buffer.alloc(64, 0x3a), 8, 44, undefined);
    const list = [put(packet), foreign, put(garbled), put(packet)];
    const addresses = Buffer.alloc(4 * list.length);
    list.forEach(({ job }, i) => addresses.writeUInt32LE(job, 4 * i));
    const count: number = (seal ? s.call.suiteSealBatch : s.call.suiteOpenBatch)(s.put(addresses), list.length);
    const results = list.map((placed) => finish(s, placed));
    if (count !== results.filter(({ done }) => done).length) throw new Error("counted otherwise than marked");
    for (const i of [0, 3]) {
      if (results[i]!.done !== first.done || !results[i]!.octets.equals(first.octets)) {
        throw new Error(`place ${i} of a list gives another packet than alone`);
      }
    }
    if (!seal && first.done && (results[2]!.done || !results[2]!.octets.equals(garbled))) {
      throw new Error("a garbled packet was touched");
    }
    if (results[1]!.done !== seal) throw new Error("the packet of another transform went the wrong way");
    s.call.suiteWipe(context);
    if (s.get(context, CONTEXT_OCTETS).some((octet) => octet !== 0)) throw new Error("a wiped context is not empty");
    return first.done ? first.octets : null;
  });
}

/** The data of a packet in the clear, or null when the suite refuses it. */
export function suiteOpen(
  kernels: Kernels,
  keys: SuiteKeys,
  packet: Buffer,
  headerOctets: number,
  ivOctets: number,
  icvOctets: number,
  high?: number,
): Buffer | null {
  const dataOctets = packet.length - headerOctets - ivOctets - icvOctets;
  if (dataOctets < 0) return null;
  const opened = run(kernels, false, keys, packet, headerOctets, dataOctets, high);
  if (opened === null) return null;
  const data = headerOctets + ivOctets;
  const rest = [opened.subarray(0, data), opened.subarray(data + dataOctets)];
  if (!Buffer.concat([rest[0]!, packet.subarray(data, data + dataOctets), rest[1]!]).equals(packet)) {
    throw new Error("opening changed more than the data");
  }
  return opened.subarray(data, data + dataOctets);
}

/** The sealed packet for a header, an IV as it shall stand in it, and data; null when the suite refuses. */
export function suiteSeal(
  kernels: Kernels,
  keys: SuiteKeys,
  header: Buffer,
  iv: Buffer,
  data: Buffer,
  icvOctets: number,
  high?: number,
): Buffer | null {
  let given = iv;
  if (keys.encryption === ENCR.cbc) {
    // The suite encrypts what stands in the IV's place: that is the IV decrypted.
    const block = createDecipheriv(`aes-${keys.keyBits}-ecb`, keys.keymat.subarray(0, keys.keyBits / 8), null);
    block.setAutoPadding(false);
    given = Buffer.concat([block.update(iv), block.final()]);
  }
  const packet = Buffer.concat([header, given, data, Buffer.alloc(icvOctets, 0xee)]);
  return run(kernels, true, keys, packet, header.length, data.length, high);
}
