/**
 * What the IKE core takes from CONFIG (abi/config.ts), and the limits that are its own.
 */
import {
  CONFIG_CRASH_DETECTION,
  CONFIG_FRAGMENT_SIZE,
  CONFIG_IKE_SA_CAPACITY,
  CONFIG_KEEPALIVE,
  CONFIG_KEY_EXPORT,
  CONFIG_PORT_IKE,
  CONFIG_PORT_NATT,
  CONFIG_RETRANSMIT_MS,
  CONFIG_RETRANSMIT_TRIES,
  CONFIG_SA_CAPACITY,
} from "../abi/config";
import { LINK_MAX } from "../abi/message";
import { itemFind, itemU32, itemsValid } from "../rt/items";
import { configAddress, configLength } from "../rt/registers";

export const SECOND: u64 = 1000000000;
export const MILLISECOND: u64 = 1000000;
/** A half-open IKE_SA ends after this. */
export const HALF_OPEN_TIME: u64 = 30 * SECOND;
/** An answer of the secure element's, and one of the boards', that takes longer does not come. */
export const JOB_TIME: u64 = 10 * SECOND;
export const INSTALL_TIME: u64 = 10 * SECOND;
/** A peer that rekeys in steps comes back for the next one within this. */
export const FOLLOWUP_TIME: u64 = 30 * SECOND;
/** What a rekey replaced is deleted by the peer; by us when that takes longer. */
export const REPLACED_TIME: u64 = 30 * SECOND;
/** How long the boards keep what a rekey replaced once it is deleted: packets are still on their way. */
export const CHILD_LINGER_TIME: u64 = SECOND;
/** A peer that refuses for the time being for so long is out of step for good (RFC 7296 2.25). */
export const TEMPORARY_TIME: u64 = 300 * SECOND;
/** How long an IKE_SA that is gone still answers the last request again. */
export const LINGER_TIME: u64 = 5 * SECOND;
/** Transmissions of the Delete of an IKE_SA. */
export const DELETE_TRIES: u32 = 3;
/** Pause before a failed attempt that start_action wants is made again: doubles from first to last. */
export const RETRY_FIRST: u64 = 5 * SECOND;
export const RETRY_LAST: u64 = 300 * SECOND;
/** IP packets that every IPv4 host takes (RFC 791), and the most that a frame holds. */
const FRAGMENT_SIZE_MIN: u32 = 576;
const FRAGMENT_SIZE_MAX: u32 = 9000;
const IKE_SA_CAPACITY_MAX: u32 = 16384;

export let ikeSaCapacity: u32 = 256;
export let childSaCapacity: u32 = 1024;
export let retransmitTime: u64 = 0; // ns; set at reset
export let retransmitTries: u32 = 6;
/** Octets of an IP packet that a fragment of an IKE message may fill. */
export let fragmentSize: u32 = 1280;
/** Tokens after RFC 6290 are given and taken. */
export let crashDetection: bool = false;
/** Keys of IKE_SAs may be told (key_export.ts). */
export let keyExport: bool = false;
export let portIke: u32 = 500;
export let portNatt: u32 = 4500;
/** Between two NAT keepalives (RFC 3948 section 4); 0 none. */
export let keepaliveTime: u64 = 0; // ns; set at reset

/** Reads CONFIG; false when it is malformed or asks for what the tables cannot be. */
export function settingsReset(): bool {
  const start = configAddress();
  const end = start + configLength();
  if (!itemsValid(start, end)) return false;
  ikeSaCapacity = number(CONFIG_IKE_SA_CAPACITY, 256);
  childSaCapacity = number(CONFIG_SA_CAPACITY, 1024);
  retransmitTime = <u64>number(CONFIG_RETRANSMIT_MS, 2000) * MILLISECOND;
  retransmitTries = number(CONFIG_RETRANSMIT_TRIES, 6);
  fragmentSize = number(CONFIG_FRAGMENT_SIZE, 1280);
  if (fragmentSize < FRAGMENT_SIZE_MIN || fragmentSize > FRAGMENT_SIZE_MAX) return false;
  crashDetection = number(CONFIG_CRASH_DETECTION, 0) != 0;
  keyExport = number(CONFIG_KEY_EXPORT, 0) == 1;
  portIke = number(CONFIG_PORT_IKE, 500);
  portNatt = number(CONFIG_PORT_NATT, 4500);
  keepaliveTime = <u64>number(CONFIG_KEEPALIVE, 20) * SECOND;
  if (ikeSaCapacity == 0 || ikeSaCapacity > IKE_SA_CAPACITY_MAX) return false;
  if (childSaCapacity == 0 || childSaCapacity > LINK_MAX) return false;
  return retransmitTime != 0 && retransmitTries != 0 && portIke < 65536 && portNatt < 65536 && portIke != portNatt;
}

function number(type: u32, otherwise: u32): u32 {
  const start = configAddress();
  const item = itemFind(start, start + configLength(), type);
  return item != 0 ? itemU32(item) : otherwise;
}
