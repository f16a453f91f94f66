/**
 * The expansion of a plain AES key in its cache slot: the schedule of this build's cipher, and for a MAC the two masks of its
 * last block.
 *
 * Refuses key sizes other than 16, 24 and 32 octets (assert: the table of transforms names no other).
 */
import { zeroize } from "../rt/bytes";
import { aesEncryptBlock, aesInit } from "./aes";
import { expandKey } from "./aes_bitslice";
import { fixsliceSchedule } from "./aes_fixslice";
import { fixsliceEncryptBlock } from "./aes_fixslice_ctr";
import { cmacMasks } from "./cmac";
import {
  AES_PLAIN_OCTETS,
  AES_SLOT_MASKS,
  AES_SLOT_OCTETS,
  AES_SLOT_PLAIN,
  AES_SLOT_SCHEDULE,
  SLOT_BUILT,
  SLOT_ROUNDS,
  aesSlot,
  keyRecordOctets,
  slotWritten,
} from "./key_cache";
import { MAC_AES_CMAC, MAC_NONE } from "./transform";

const plain: usize = memory.data(240, 16);
const derived: usize = memory.data(16, 16);

function expand(slot: usize, key: usize, keyOctets: u32): void {
  assert(keyOctets == 16 || keyOctets == 24 || keyOctets == 32, "AES key size");
  if (ASC_FEATURE_SIMD) {
    const rounds = expandKey(plain, key, keyOctets);
    fixsliceSchedule(plain, rounds, slot + AES_SLOT_SCHEDULE);
    memory.copy(slot + AES_SLOT_PLAIN, plain, AES_PLAIN_OCTETS);
    zeroize(plain, AES_PLAIN_OCTETS);
    store<u32>(slot, rounds, SLOT_ROUNDS);
  } else {
    aesInit(slot + AES_SLOT_SCHEDULE, key, keyOctets);
  }
}

function encrypt(slot: usize, block: usize): void {
  if (ASC_FEATURE_SIMD) fixsliceEncryptBlock(slot + AES_SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), block, block);
  else aesEncryptBlock(slot + AES_SLOT_SCHEDULE, block, block);
}

function expandCmac(slot: usize, record: usize): void {
  expand(slot, record, keyRecordOctets(record));
  encrypt(slot, slot + AES_SLOT_MASKS);
  cmacMasks(slot + AES_SLOT_MASKS);
}

/** RFC 3566, 4: K1, K2 and K3 are the encryptions of 01.., 02.. and 03..; K1 is the key of the chain. */
function expandXcbc(slot: usize, record: usize): void {
  expand(slot, record, 16);
  memory.fill(derived, 1, 16);
  memory.fill(slot + AES_SLOT_MASKS, 2, 16);
  memory.fill(slot + AES_SLOT_MASKS + 16, 3, 16);
  encrypt(slot, derived);
  encrypt(slot, slot + AES_SLOT_MASKS);
  encrypt(slot, slot + AES_SLOT_MASKS + 16);
  expand(slot, derived, 16);
  zeroize(derived, 16);
}

/**
 * The slot of a key record: its schedule, and with `mac` MAC_AES_CMAC or MAC_AES_XCBC the masks of a whole and of a padded last
 * block. The address holds until the next key is asked for.
 */
export function aesKey(record: usize, mac: u32 = MAC_NONE): usize {
  const slot = aesSlot(record);
  if (load<u32>(slot, SLOT_BUILT) == mac + 1) return slot;
  slotWritten(slot, AES_SLOT_OCTETS);
  zeroize(slot + AES_SLOT_MASKS, 32);
  if (mac == MAC_NONE) expand(slot, record, keyRecordOctets(record));
  else if (mac == MAC_AES_CMAC) expandCmac(slot, record);
  else expandXcbc(slot, record);
  store<u32>(slot, mac + 1, SLOT_BUILT);
  return slot;
}
