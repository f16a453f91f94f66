/**
 * AES-CMAC (RFC 4493, RFC 4494) and AES-XCBC-MAC (RFC 3566) for batches: up to 16 packets of any lengths, under one key or
 * several. The octets are those of cmac.ts and xcbc.ts; the caller truncates and compares.
 */
import { CBC_MAC_CONTEXT_OCTETS, cbcMacFinal, cbcMacUpdate, cbcMacWipe } from "./cbc_mac";
import { cmacInit } from "./cmac";
import { CIPHER_BATCH, CONTEXT_MAC, jobOf } from "./job";
import { keyRecordOctets } from "./key_cache";
import { MAC_AES_CMAC } from "./transform";
import { xcbcInit } from "./xcbc";

const expanded: usize = memory.data(CBC_MAC_CONTEXT_OCTETS, 16);

/** From one MAC to the next in `macs`. */
const MAC_STRIDE: usize = 64;

/**
 * The MACs (`mac`: MAC_AES_CMAC or MAC_AES_XCBC) of the texts of the `count` (at most CIPHER_BATCH) jobs of `list`, 16 octets each
 * at `macs` + 64 * i, under the key records at their contexts' CONTEXT_MAC.
 */
export function cbcMacBatch(mac: u32, list: usize, count: u32, macs: usize): void {
  assert(count <= CIPHER_BATCH, "CBC-MAC batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const record = <usize>job.context + CONTEXT_MAC;
    if (mac == MAC_AES_CMAC) cmacInit(expanded, record, keyRecordOctets(record));
    else xcbcInit(expanded, record);
    cbcMacUpdate(expanded, job.text, job.textLength);
    cbcMacFinal(expanded, macs + <usize>i * MAC_STRIDE);
  }
  cbcMacWipe(expanded);
}
