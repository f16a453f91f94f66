/**
 * AES-CMAC (RFC 4493, RFC 4494) and AES-XCBC-MAC (RFC 3566) for batches: up to 16 packets of any lengths, under one key or
 * several; with SIMD abreast, a lane each. The octets are those of cmac.ts and xcbc.ts.
 *
 * Refuses to truncate and to compare: the caller does.
 */
import { zeroize } from "../rt/bytes";
import { aesKey } from "./aes_key";
import { LANE_END, LANE_TAIL, LANES, laneBegin, laneOf, laneRun, lanesRun, lanesWipe } from "./aes_lanes";
import { CBC_MAC_CONTEXT_OCTETS, CBC_MAC_WHOLE, cbcMacFinal, cbcMacReset, cbcMacUpdate } from "./cbc_mac";
import { AES_CONTEXT_OCTETS } from "./aes";
import { CIPHER_BATCH, CONTEXT_MAC, CipherJob, jobOf } from "./job";
import { AES_SLOT_MASKS, AES_SLOT_SCHEDULE } from "./key_cache";

/** From one MAC to the next in `macs`. */
const MAC_STRIDE: usize = 64;

const stream: usize = memory.data(CBC_MAC_CONTEXT_OCTETS, 16);

/** A lane for the text of a job: all whole blocks but the last, then the last, padded (RFC 4493, 2.4) where it is not whole. */
function textLane(job: CipherJob, index: u32): void {
  const lane = laneOf(index);
  const tail = changetype<usize>(lane) + LANE_TAIL;
  const whole = job.textLength != 0 ? (job.textLength - 1) >>> 4 : 0;
  const rest = job.textLength - (whole << 4);
  laneBegin(lane, <usize>job.context + CONTEXT_MAC, 0);
  laneRun(lane, job.text, whole);
  memory.copy(tail, job.text + (whole << 4), rest);
  if (rest != 16) {
    lane.mask = 16;
    memory.fill(tail + rest, 0, 16 - rest);
    store<u8>(tail + rest, 0x80);
  }
  laneRun(lane, tail, 1);
}

/**
 * The MACs (`mac`: MAC_AES_CMAC or MAC_AES_XCBC) of the texts of the `count` (at most CIPHER_BATCH) jobs of `list`, 16 octets each
 * at `macs` + 64 * i, under the key records (16 octets of key) at their contexts' CONTEXT_MAC.
 */
export function cbcMacBatch(mac: u32, list: usize, count: u32, macs: usize): void {
  assert(count <= CIPHER_BATCH, "CBC-MAC batch too large");
  if (ASC_FEATURE_SIMD) {
    for (let i: u32 = 0; i < count; i++) textLane(jobOf(list, i), i);
    lanesRun(count, mac, false);
    for (let i: u32 = 0; i < count; i++) {
      v128.store(macs + <usize>i * MAC_STRIDE, v128.load(changetype<usize>(laneOf(i)) + LANE_END));
    }
    lanesWipe(count);
  } else {
    for (let i: u32 = 0; i < count; i++) {
      const job = jobOf(list, i);
      const slot = aesKey(<usize>job.context + CONTEXT_MAC, mac);
      memory.copy(stream, slot + AES_SLOT_SCHEDULE, AES_CONTEXT_OCTETS);
      memory.copy(stream + CBC_MAC_WHOLE, slot + AES_SLOT_MASKS, 32);
      cbcMacReset(stream);
      cbcMacUpdate(stream, job.text, job.textLength);
      cbcMacFinal(stream, macs + <usize>i * MAC_STRIDE);
    }
    zeroize(stream, CBC_MAC_CONTEXT_OCTETS);
  }
}

if (CIPHER_BATCH > LANES) ERROR("a lane for each job of a batch");
