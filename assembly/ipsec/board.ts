/**
 * What every IPsec board does in the same way, whatever it does with packets on their way to the core (process.ts): its reset, its commands, and
 * how a poll begins and ends.
 *
 * Packets straight from a network come when the chassis has a classifier (abi/classifier.ts): sealed ones from the unprotected side, clear
 * ones from the protected side. Without it they are to be refused: each arrives through the IKE board.
 */
import {
  BOARD_CLASS_IPSEC,
  POLL_BATCH,
  POLL_MORE_WORK,
  POLL_TRANSMIT_READY,
  REFUSAL_CONFIG,
  REFUSAL_RAM,
  REFUSAL_SELF_TEST,
  STATE_ONLINE,
  STATE_SELF_TEST,
} from "../abi/board";
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../abi/classifier";
import { CONFIG_CLASSIFIER, CONFIG_CONTROL_KEY, CONFIG_SA_CAPACITY } from "../abi/config";
import { PORT_CHANNEL, PORT_COUNT_IPSEC, PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../abi/ring";
import { TRACE_BOARD_RESET, TRACE_MASK_BOARD, TRACE_SELF_TEST } from "../abi/trace";
import { dropsReset } from "../bus/drop";
import { Frame } from "../bus/frame";
import { poolReset } from "../bus/pool";
import {
  portHeader,
  portPending,
  portsDrained,
  portsReclaim,
  portsRefill,
  portsReset,
  portsSettle,
  receive,
} from "../bus/port";
import { channelCapsuleOctets, channelReset } from "../channel/channel";
import { CONTROL_KEY_OCTETS, controlKey } from "../channel/control";
import { linkIkeSlot, linkIsIkeBoard } from "../channel/link";
import { chachaSelfTest } from "../crypto/chacha_self_test";
import { gcmSelfTest } from "../crypto/gcm_self_test";
import { hashSelfTest } from "../crypto/hash_self_test";
import { suiteSelfTest } from "../crypto/suite_self_test";
import { localAddressReset } from "../policy/local_address";
import { arenaExhausted, arenaReset } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { itemFind, itemLength, itemU32, itemValue } from "../rt/items";
import {
  configAddress,
  configLength,
  countPoll,
  generation,
  mapReset,
  refuse,
  setDeadline,
  setState,
  state,
} from "../rt/registers";
import { trace } from "../rt/trace";
import { givesUp, leases } from "./install";
import { leaseReset, leaseTimeout } from "./lease";
import { leaseIsSettled } from "./lease_orphaned";
import { handleManagement, listingBusy, listingContinue, listingReset } from "./listing";
import { loadReset, loadTimeout } from "./load";
import { SA_CAPACITY_MAX, localDatabaseReset } from "./local_database";
import { mssReset } from "./mss";
import { pathMtuReset } from "./path_mtu";

const SA_CAPACITY: u32 = 1024;

/** CLASSIFIER_*: the chassis has a classifier, and NICs hand packets over; 0: they do not. */
let classifier: u32 = 0;

/**
 * Proves the ciphers, reads CONFIG, takes all tables from RAM. False: the board has refused service (REFUSAL_*) rather than serve with less.
 * True: it is online as soon as it has taken what else it needs, and says so (STATE_ONLINE).
 */
export function ipsecReset(): bool {
  mapReset(BOARD_CLASS_IPSEC);
  setState(STATE_SELF_TEST);
  setDeadline(u64.MAX_VALUE);
  trace(TRACE_MASK_BOARD, TRACE_BOARD_RESET, BOARD_CLASS_IPSEC, generation());
  arenaReset();
  dropsReset();
  const proved = gcmSelfTest() && hashSelfTest() && chachaSelfTest() && suiteSelfTest();
  trace(TRACE_MASK_BOARD, TRACE_SELF_TEST, proved ? 1 : 0);
  if (!proved) {
    refuse(REFUSAL_SELF_TEST);
    return false;
  }
  if (!poolReset() || !portsReset(PORT_COUNT_IPSEC)) {
    refuse(REFUSAL_RAM);
    return false;
  }
  if (!configure()) {
    refuse(arenaExhausted() ? REFUSAL_RAM : REFUSAL_CONFIG);
    return false;
  }
  listingReset();
  loadReset();
  leaseReset(classifier != CLASSIFIER_CUT_THROUGH);
  return true;
}

/** Reads CONFIG and builds what it sizes. */
function configure(): bool {
  if (!channelReset() || linkIsIkeBoard()) return false;
  portHeader(PORT_CHANNEL, channelCapsuleOctets());
  const start = configAddress();
  const end = start + configLength();
  const keyItem = itemFind(start, end, CONFIG_CONTROL_KEY);
  if (keyItem == 0 || itemLength(keyItem) != CONTROL_KEY_OCTETS) return false;
  controlKey(linkIkeSlot(), generation(), itemValue(keyItem));
  zeroize(itemValue(keyItem), CONTROL_KEY_OCTETS);
  const capacityItem = itemFind(start, end, CONFIG_SA_CAPACITY);
  const capacity = capacityItem != 0 ? itemU32(capacityItem) : SA_CAPACITY;
  if (capacity == 0 || capacity > SA_CAPACITY_MAX) return false;
  const classifierItem = itemFind(start, end, CONFIG_CLASSIFIER);
  classifier = classifierItem != 0 ? itemU32(classifierItem) : 0;
  mssReset(start, end);
  return localAddressReset(start, end) && pathMtuReset(start, end) && localDatabaseReset(capacity);
}

/** Frames come back and are posted again, commands are done. False: a board that is not online takes nothing from its rings. */
export function pollBegin(): bool {
  countPoll();
  if (state() != STATE_ONLINE) return false;
  portsReclaim();
  portsRefill();
  // Commands and listings share one small ring: a listing goes on, or a few commands are taken.
  for (let i: u32 = 0; i < POLL_BATCH / 4 && !listingBusy(); i++) {
    const frame = receive(PORT_MANAGEMENT);
    if (!frame) break;
    handleManagement(frame);
  }
  listingContinue();
  return true;
}

/** The last of a poll; returns its bits (POLL_*). */
export function pollEnd(): u32 {
  setDeadline(min<u64>(leaseTimeout(), loadTimeout()));
  portsRefill();
  portsSettle();
  const more =
    listingBusy() ||
    leaseIsSettled() ||
    portPending(PORT_CHANNEL) != 0 ||
    portPending(PORT_MANAGEMENT) != 0 ||
    portPending(PORT_UNPROTECTED) != 0 ||
    portPending(PORT_PROTECTED) != 0;
  return (portsDrained() ? 0 : POLL_TRANSMIT_READY) | (more ? POLL_MORE_WORK : 0);
}

/** True when NICs hand packets over: the chassis has a classifier. */
export function isClassified(): bool {
  return classifier != 0;
}

/**
 * Of a control message that was opened: whether all packets that have arrived from networks by now come before it. An SA that is given up
 * has packets among them; and with the first lease of an IKE board that comes back it is over with those that came while there was none
 * (distribution/forwarded.ts).
 */
export function comesBehindArrivals(frame: Frame): bool {
  return classifier != 0 && (givesUp(frame) || (classifier == CLASSIFIER_STANDBY && leases(frame)));
}
