/**
 * The IKE board (11, 81): main loop.
 *
 * It joins two strangers by their events: ike negotiates (phase 1, figure 4), distribution hands packets to the IPsec
 * boards (phase 2, figure 6). One poll takes a bounded batch from each port, control before data:
 *
 *   MANAGEMENT      boards up and down: distribution; the rest: ike
 *   SECURE_ELEMENT  ike
 *   CHANNEL         answers of the IPsec boards: distribution
 *   UNPROTECTED     forward: ESP and AH to a board, IKE datagrams to ike
 *   PROTECTED       forward
 *
 * Negotiation takes a thousand times as long as handing a packet over. So while packets come, and for CALM_NS after, a poll takes no more than IKE_BATCH of its
 * messages: IKE datagrams wait for their turn in a queue of their own, packets behind them do not.
 */
import {
  BOARD_CLASS_IKE,
  POLL_BATCH,
  POLL_MORE_WORK,
  POLL_TRANSMIT_READY,
  REFUSAL_CONFIG,
  REFUSAL_RAM,
  REFUSAL_SELF_TEST,
  REG_ENTROPY_OCTETS,
  STATE_ONLINE,
  STATE_SELF_TEST,
} from "../../assembly/abi/board";
import { BOARD_WEIGHT_DEFAULT, CONFIG_SA_CAPACITY } from "../../assembly/abi/config";
import { MANAGEMENT_CLASSIFIED } from "../../assembly/abi/classifier";
import { MANAGEMENT_EXPLAIN } from "../../assembly/abi/explain";
import { DROP_BACKPLANE_CONGESTION, DROP_CHANNEL_MALFORMED, DROP_MANAGEMENT_MALFORMED } from "../../assembly/abi/drop";
import {
  MANAGEMENT_BOARD_DOWN,
  MANAGEMENT_BOARD_DRAIN,
  MANAGEMENT_BOARD_SETTLED,
  MANAGEMENT_BOARD_UP,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_LIST_BOARDS,
  MANAGEMENT_LIST_POLICIES,
  MANAGEMENT_LOCAL_ADDRESSES,
  MANAGEMENT_REBALANCE,
  MANAGEMENT_RESTORE,
  MANAGEMENT_RESTORED,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  POLICY_TRAP,
} from "../../assembly/abi/management";
import { DIRECTION_INBOUND, LINK_MAX, SELECTOR_OCTETS } from "../../assembly/abi/message";
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_SECURE_ELEMENT,
  PORT_UNPROTECTED,
} from "../../assembly/abi/ring";
import {
  TRACE_BOARD_DOWN,
  TRACE_BOARD_RESET,
  TRACE_BOARD_UP,
  TRACE_MASK_BOARD,
  TRACE_SELF_TEST,
} from "../../assembly/abi/trace";
import { Flow } from "../../assembly/policy/flow";
import { arenaExhausted, arenaReset } from "../../assembly/rt/arena";
import { zeroize } from "../../assembly/rt/bytes";
import { itemFind, itemU32, itemsValid } from "../../assembly/rt/items";
import {
  configAddress,
  configLength,
  countPoll,
  entropy,
  generation,
  mapReset,
  now,
  refuse,
  setDeadline,
  setState,
} from "../../assembly/rt/registers";
import { trace } from "../../assembly/rt/trace";
import { dropsReset } from "../../assembly/bus/drop";
import { Frame } from "../../assembly/bus/frame";
import { poolReset } from "../../assembly/bus/pool";
import {
  consume,
  drop,
  portPending,
  portsDrained,
  portsReclaim,
  portsRefill,
  portsReset,
  portsSettle,
  receive,
  transmitRoom,
} from "../../assembly/bus/port";
import { drbgSeed } from "../../assembly/crypto/drbg";
import { hashSelfTest } from "../../assembly/crypto/hash_self_test";
import { gcmSelfTest } from "../../assembly/crypto/gcm_self_test";
import { chachaSelfTest } from "../../assembly/crypto/chacha_self_test";
import { keyCacheReset } from "../../assembly/crypto/key_cache";
import { suiteSelfTest } from "../../assembly/crypto/suite_self_test";
import {
  CHANNEL_CONTROL,
  CHANNEL_DROPPED,
  channelPull,
  channelReset,
  channelSourceSlot,
} from "../../assembly/channel/channel";
import { controlOpen } from "../../assembly/channel/control";
import { auditReset, auditTimeout } from "../../assembly/distribution/audit";
import { boardLoadsReset } from "../../assembly/distribution/board_load";
import { reportBoards } from "../../assembly/distribution/board_report";
import { boardIsOnline, boardUnsettle, boardsReset } from "../../assembly/distribution/board_table";
import {
  classifierConfigure,
  classifierIsFitted,
  classifierPoll,
  classifierReset,
} from "../../assembly/distribution/classifier";
import { handleControl } from "../../assembly/distribution/control_in";
import {
  boardDown,
  boardUp,
  establish,
  establishReset,
  establishTimeout,
  withdraw,
} from "../../assembly/distribution/establish";
import {
  DISTRIBUTION_ACQUIRE,
  DISTRIBUTION_EXPIRING,
  DISTRIBUTION_INSTALLED,
  DISTRIBUTION_LOST,
  DISTRIBUTION_MOVED,
  DISTRIBUTION_NOT_UPDATED,
  DISTRIBUTION_REFUSED,
  DISTRIBUTION_USED,
  DistributionEvent,
  eventsReset,
  pollDistributionEvent,
} from "../../assembly/distribution/event";
import { drain, drainPending, drainPoll, rebalance } from "../../assembly/distribution/drain";
import { explainRoute } from "../../assembly/distribution/explain";
import {
  FORWARD_IKE,
  forwardAhead,
  forwardMoved,
  forwardProtected,
  forwardProtectedAhead,
  forwardUnprotected,
} from "../../assembly/distribution/forward";
import { heldNext, heldReset, heldTimeout } from "../../assembly/distribution/held";
import { localAddressReset, localAddressTake } from "../../assembly/policy/local_address";
import { Link, linkAt, localDatabaseReset } from "../../assembly/distribution/local_database";
import { leasesReset } from "../../assembly/distribution/lease";
import { moveClassified, moveTimeout } from "../../assembly/distribution/move";
import { outboundIndexReset } from "../../assembly/distribution/outbound_index";
import {
  childPolicyInsert,
  childPolicyRemove,
  isLink,
  policyAction,
  policyChild,
  policyHits,
  policyReset,
} from "../../assembly/distribution/policy";
import {
  LISTING_END,
  LISTING_ROW,
  listedLocal,
  listedPriority,
  listedRemote,
  listedSerial,
  listedValue,
  policyListBusy,
  policyListDone,
  policyListNext,
  policyListPoll,
  policyListReset,
  policyListStart,
  policyListTransaction,
} from "../../assembly/distribution/policy_listing";
import { ROUTE_NONE } from "../../assembly/distribution/route";
import { query } from "../../assembly/distribution/query";
import { reassemblyReset, reassemblyTimeout } from "../../assembly/distribution/reassembly";
import { removalReset, removalTimeout } from "../../assembly/distribution/removal";
import { recallPoll, recallReset } from "../../assembly/distribution/recall";
import { reportPlacement } from "../../assembly/distribution/report";
import { update } from "../../assembly/distribution/update";
import { historyReset } from "../../assembly/distribution/passage";
import { takeoverPending, takeoverPoll } from "../../assembly/distribution/takeover";
import { selectionReset } from "../../assembly/distribution/selection";
import {
  handleAcquire,
  handleDatagram,
  handleExpiring,
  handleInstalled,
  handleManagement,
  handleMoved,
  handleNotUpdated,
  handleRestoring,
  handleSaLost,
  handleSecureElement,
  handleTimeout,
  handleUsed,
  ikeDeadline,
  ikePollEvent,
  ikeReset,
  setChildPlacement,
} from "../../assembly/ike/endpoint";
import { explained } from "../../assembly/ike/explain";
import {
  EVENT_ACTION,
  EVENT_DIRECTION,
  EVENT_INSTALL,
  EVENT_KIND,
  EVENT_LINK,
  EVENT_LOCAL,
  EVENT_PEER,
  EVENT_PLACEMENT,
  EVENT_PRIORITY,
  EVENT_QUERY,
  EVENT_RECORD,
  EVENT_REMOTE,
  EVENT_REMOVE,
  EVENT_SPI,
  EVENT_TRAP,
  EVENT_UP,
  EVENT_UPDATE,
} from "../../assembly/ike/event";
import { policiesReported, policyRefused, policyReport } from "../../assembly/ike/policy_report";
import {
  checkpointAnswer,
  checkpointDeadline,
  checkpointHolds,
  checkpointIsKept,
  checkpointPoll,
  checkpointReset,
  checkpointRestore,
  checkpointStart,
  checkpointWaits,
  checkpointWrite,
  restored,
} from "./checkpoint";

const DEFAULT_SA_CAPACITY: u32 = 1024;
const REMOVALS: u32 = 1024;
/** Exchanges of events between the cores in one poll, POLL_BATCH each way. */
const JOIN_ROUNDS: u32 = 16;
/** Links that one poll looks at after a board came or went. */
const TAKEOVER_BUDGET: u32 = 4096;

/** Places of the management ring that a listing of policies leaves to events and replies. */
const RESERVE: u32 = 24;

/** Expanded keys in the cache (31 KiB each with SIMD): those of control messages, one an IPsec board, and what SK payloads use. */
const EXPANDED_KEYS: u32 = 16;

/** Messages of negotiation in a poll that has packets to hand over: of each kind, IKE datagrams and answers of the secure element. */
const IKE_BATCH: u32 = 1;
/** How long after a packet others are to be expected, ns. */
const CALM_NS: u64 = 10_000_000;
/** IKE datagrams that wait at most; the chassis's ring has as many more. */
const IKE_WAITING_MAX: u32 = 128;

let online: bool = false;
/** IKE datagrams that wait, by Frame.next. */
let firstWaiting: usize = 0;
let lastWaiting: usize = 0;
let waiting: u32 = 0;
/** NOW of the last poll that handed packets over, or dropped them; 0 none. */
let carriedAt: u64 = 0;

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IKE);
}

export function boardReset(): void {
  online = false;
  firstWaiting = 0;
  lastWaiting = 0;
  waiting = 0;
  carriedAt = 0;
  mapReset(BOARD_CLASS_IKE);
  setState(STATE_SELF_TEST);
  arenaReset();
  dropsReset();
  setDeadline(u64.MAX_VALUE);
  trace(TRACE_MASK_BOARD, TRACE_BOARD_RESET, BOARD_CLASS_IKE, generation());
  const passed = gcmSelfTest() && hashSelfTest() && chachaSelfTest() && suiteSelfTest();
  trace(TRACE_MASK_BOARD, TRACE_SELF_TEST, passed ? 1 : 0);
  if (!passed) {
    refuse(REFUSAL_SELF_TEST);
    return;
  }
  const config = configAddress();
  const end = config + configLength();
  const understood = itemsValid(config, end) && localAddressReset(config, end) && classifierConfigure(config, end);
  if (!understood || !channelReset() || !selectionReset(config, end)) {
    refuse(REFUSAL_CONFIG);
    return;
  }
  const item = itemFind(config, end, CONFIG_SA_CAPACITY);
  const links = item != 0 ? itemU32(item) : DEFAULT_SA_CAPACITY;
  if (links == 0 || links > LINK_MAX) {
    refuse(REFUSAL_CONFIG);
    return;
  }
  drbgSeed(entropy(), REG_ENTROPY_OCTETS);
  zeroize(entropy(), REG_ENTROPY_OCTETS);
  boardsReset();
  boardLoadsReset();
  auditReset();
  establishReset(config, end);
  eventsReset();
  heldReset();
  recallReset();
  policyListReset();
  const built =
    keyCacheReset(EXPANDED_KEYS, EXPANDED_KEYS) &&
    poolReset() &&
    portsReset(PORT_COUNT_IKE) &&
    checkpointReset(config, end) &&
    localDatabaseReset(links, checkpointIsKept(), classifierIsFitted()) &&
    classifierReset(links) &&
    leasesReset(links, config, end) &&
    historyReset() &&
    policyReset(links) &&
    removalReset(REMOVALS) &&
    reassemblyReset() &&
    outboundIndexReset(links) &&
    ikeReset(checkpointIsKept());
  if (!built || arenaExhausted()) {
    refuse(REFUSAL_RAM);
    return;
  }
  checkpointStart();
  setState(STATE_ONLINE);
  online = true;
}

export function boardPoll(): u32 {
  countPoll();
  if (!online) return 0;
  portsReclaim();
  portsRefill();
  checkpointPoll();
  pollManagement();
  pollSecureElement();
  pollChannel();
  if (checkpointHolds()) return restoringPoll();
  forwardMoved();
  pollUnprotected();
  pollProtected();
  pollIke();
  handleTimeout();
  const establishAt = establishTimeout();
  const removalAt = min<u64>(removalTimeout(), auditTimeout());
  const heldAt = min<u64>(heldTimeout(), reassemblyTimeout());
  const quiet = joinCores();
  const takeoverAt = min<u64>(
    min<u64>(takeoverPoll(TAKEOVER_BUDGET), recallPoll()),
    min<u64>(moveTimeout(), drainPoll(TAKEOVER_BUDGET)),
  );
  listPolicies();
  for (let frame = heldNext(); frame; frame = heldNext()) forwardProtected(frame);
  forwardMoved();
  const untold = classifierPoll();
  const unwritten = checkpointWrite();
  portsRefill();
  portsSettle();
  const coresAt = min<u64>(ikeDeadline(), checkpointDeadline());
  setDeadline(min<u64>(min<u64>(coresAt, heldAt), min<u64>(min<u64>(establishAt, removalAt), takeoverAt)));
  let bits: u32 = portsDrained() ? 0 : POLL_TRANSMIT_READY;
  if (waiting != 0 || unwritten || untold || !quiet || takeoverPending() || drainPending() || policyListBusy())
    bits |= POLL_MORE_WORK;
  for (let port: u32 = 0; port < PORT_COUNT_IKE; port++) {
    if (portPending(port) != 0) bits |= POLL_MORE_WORK;
  }
  return bits;
}

/** The rest of a poll while SAs come back: packets wait on their rings, timers where they are. */
function restoringPoll(): u32 {
  handleRestoring();
  const quiet = joinCores();
  const unwritten = checkpointWrite();
  portsRefill();
  portsSettle();
  setDeadline(checkpointDeadline());
  const news = portPending(PORT_MANAGEMENT) != 0 && !checkpointWaits();
  const bits: u32 = portsDrained() ? 0 : POLL_TRANSMIT_READY;
  return !quiet || unwritten || news || portPending(PORT_CHANNEL) != 0 ? bits | POLL_MORE_WORK : bits;
}

function pollManagement(): void {
  for (let i: u32 = 0; i < POLL_BATCH && !checkpointWaits(); i++) {
    const frame = receive(PORT_MANAGEMENT);
    if (!frame) return;
    if (frame.length < MANAGEMENT_HEADER || load<u32>(frame.start + MANAGEMENT_LENGTH) != frame.length) {
      drop(frame, DROP_MANAGEMENT_MALFORMED);
      continue;
    }
    const type = <u32>load<u16>(frame.start + MANAGEMENT_TYPE);
    if (type == MANAGEMENT_RESTORE) {
      checkpointRestore(frame);
      continue;
    }
    if (type == MANAGEMENT_RESTORED) {
      consume(frame);
      restored();
      continue;
    }
    if (type == MANAGEMENT_REBALANCE) {
      rebalance(false);
      consume(frame);
      continue;
    }
    const board = type == MANAGEMENT_BOARD_UP || type == MANAGEMENT_BOARD_DOWN;
    if (board || type == MANAGEMENT_BOARD_DRAIN || type == MANAGEMENT_BOARD_SETTLED) {
      handleBoard(frame, type);
      continue;
    }
    if (type == MANAGEMENT_CLASSIFIED && frame.length >= MANAGEMENT_HEADER + 4) {
      moveClassified(load<u32>(frame.start + MANAGEMENT_HEADER));
      consume(frame);
      continue;
    }
    if (type == MANAGEMENT_LIST_BOARDS) {
      reportBoards(load<u32>(frame.start + MANAGEMENT_TRANSACTION));
      consume(frame);
      continue;
    }
    if (type == MANAGEMENT_EXPLAIN) {
      explain(frame);
      continue;
    }
    // The SPD is the board's; the answers are ike's.
    if (type == MANAGEMENT_LIST_POLICIES && policyListStart(load<u32>(frame.start + MANAGEMENT_TRANSACTION))) {
      consume(frame);
      continue;
    }
    // Both cores have to know; ike answers.
    if (type == MANAGEMENT_LOCAL_ADDRESSES)
      localAddressTake(frame.start + MANAGEMENT_HEADER, frame.start + frame.length);
    handleManagement(frame);
  }
}

/** What would become of a packet is distribution's to say, whose it is is ike's. */
function explain(frame: Frame): void {
  const transaction = load<u32>(frame.start + MANAGEMENT_TRANSACTION);
  const route = explainRoute(frame);
  const child = route && route.policy != ROUTE_NONE ? <i32>policyChild(route.policy) : -1;
  explained(transaction, route != null, route ? <i32>route.link : -1, child);
  consume(frame);
}

/** BOARD_UP, BOARD_DOWN, BOARD_DRAIN and BOARD_SETTLED: the chassis announces its IPsec boards. */
function handleBoard(frame: Frame, type: u32): void {
  const body = frame.start + MANAGEMENT_HEADER;
  const octets = frame.length - MANAGEMENT_HEADER;
  let known = false;
  if (type == MANAGEMENT_BOARD_UP && octets >= 44) {
    const weight = octets >= 48 ? load<u32>(body, 44) : BOARD_WEIGHT_DEFAULT;
    const slot = load<u32>(body);
    const number = octets >= 52 ? load<u32>(body, 48) : slot;
    known = boardUp(slot, load<u32>(body, 4), load<u32>(body, 8), body + 12, weight, number);
    if (known) boardUnsettle(slot, octets >= 56 && load<u32>(body, 52) != 0);
    zeroize(body + 12, 32);
    if (known) trace(TRACE_MASK_BOARD, TRACE_BOARD_UP, load<u32>(body), load<u32>(body, 4));
  } else if (type == MANAGEMENT_BOARD_DRAIN && octets >= 12) {
    known = drain(load<u32>(body), load<u32>(body, 4), load<u32>(body, 8) != 0);
  } else if (type == MANAGEMENT_BOARD_SETTLED && octets >= 8) {
    known = boardIsOnline(load<u32>(body), load<u32>(body, 4));
    if (known) boardUnsettle(load<u32>(body), false);
  } else if (type == MANAGEMENT_BOARD_DOWN && octets >= 8) {
    known = boardDown(load<u32>(body), load<u32>(body, 4));
    if (known) trace(TRACE_MASK_BOARD, TRACE_BOARD_DOWN, load<u32>(body), load<u32>(body, 4));
  }
  if (known) consume(frame);
  else drop(frame, DROP_MANAGEMENT_MALFORMED);
}

/** Goes on with LIST_POLICIES as far as the management ring has room. */
function listPolicies(): void {
  policyListPoll();
  while (policyListBusy() && transmitRoom(PORT_MANAGEMENT) > RESERVE) {
    const found = policyListNext();
    if (found == LISTING_ROW) {
      reportRow();
    } else if (found == LISTING_END) {
      policiesReported(policyListTransaction());
      policyListDone();
    } else {
      return;
    }
  }
}

function reportRow(): void {
  const value = listedValue;
  const link = isLink(value) ? linkAt(value) : null;
  policyReport(
    policyListTransaction(),
    link ? <i32>value : -1,
    policyChild(value),
    link ? changetype<Link>(link).slot : 0,
    policyAction(value),
    listedPriority,
    listedSerial,
    listedLocal,
    listedRemote,
    link ? 0 : policyHits(value, false),
    link ? 0 : policyHits(value, true),
  );
}

function pollSecureElement(): void {
  for (let i = negotiationBatch(); i > 0; i--) {
    const frame = receive(PORT_SECURE_ELEMENT);
    if (!frame) return;
    if (!checkpointAnswer(frame)) handleSecureElement(frame);
  }
}

/** On its channel the IKE board hears control messages only: packets never come back through it (S706). */
function pollChannel(): void {
  for (let i: u32 = 0; i < POLL_BATCH; i++) {
    const frame = receive(PORT_CHANNEL);
    if (!frame) return;
    const verdict = channelPull(frame);
    if (verdict == CHANNEL_DROPPED) continue;
    if (verdict != CHANNEL_CONTROL) {
      drop(frame, DROP_CHANNEL_MALFORMED);
      continue;
    }
    const slot = channelSourceSlot();
    if (controlOpen(frame, slot)) handleControl(frame, slot);
  }
}

function pollUnprotected(): void {
  forwardAhead(min<u32>(portPending(PORT_UNPROTECTED), POLL_BATCH));
  for (let i: u32 = 0; i < POLL_BATCH; i++) {
    const frame = receive(PORT_UNPROTECTED);
    if (!frame) return;
    if (forwardUnprotected(frame) == FORWARD_IKE) wait(frame);
    else carriedAt = now();
  }
}

/** How many messages of negotiation are taken at once. */
function negotiationBatch(): u32 {
  return carriedAt != 0 && now() < carriedAt + CALM_NS ? IKE_BATCH : POLL_BATCH;
}

/** An IKE datagram waits for its turn. */
function wait(frame: Frame): void {
  if (waiting == IKE_WAITING_MAX) {
    drop(frame, DROP_BACKPLANE_CONGESTION);
    return;
  }
  frame.next = 0;
  const address = changetype<usize>(frame);
  if (waiting == 0) firstWaiting = address;
  else changetype<Frame>(lastWaiting).next = address;
  lastWaiting = address;
  waiting += 1;
}

function pollIke(): void {
  for (let i = negotiationBatch(); i > 0 && waiting != 0; i--) {
    const frame = changetype<Frame>(firstWaiting);
    firstWaiting = frame.next;
    frame.next = 0;
    waiting -= 1;
    handleDatagram(frame);
  }
}

function pollProtected(): void {
  forwardProtectedAhead(min<u32>(portPending(PORT_PROTECTED), POLL_BATCH));
  for (let i: u32 = 0; i < POLL_BATCH; i++) {
    const frame = receive(PORT_PROTECTED);
    if (!frame) break;
    forwardProtected(frame);
    carriedAt = now();
  }
  forwardProtectedAhead(0);
}

/** Carries the events of one core to the other; false when rounds ran out before both were quiet. */
function joinCores(): bool {
  for (let round: u32 = 0; round < JOIN_ROUNDS; round++) {
    let quiet = true;
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      const event = pollDistributionEvent();
      if (!event) break;
      quiet = false;
      toIke(event);
    }
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      const event = ikePollEvent();
      if (event == 0) break;
      quiet = false;
      toDistribution(event);
    }
    if (quiet) return true;
  }
  return false;
}

function toIke(event: DistributionEvent): void {
  if (event.kind == DISTRIBUTION_INSTALLED) {
    const link = linkAt(event.link);
    if (link && event.direction == DIRECTION_INBOUND) {
      const l = changetype<Link>(link);
      setChildPlacement(event.link, l.slot, l.generation);
      reportPlacement(event.link, event.spi, l.slot, l.generation, 0, event.reason != 0);
    }
    handleInstalled(event.link, event.spi, event.direction, 0);
  } else if (event.kind == DISTRIBUTION_REFUSED) {
    reportPlacement(event.link, event.spi, 0, 0, event.reason);
    handleInstalled(event.link, event.spi, event.direction, event.reason);
  } else if (event.kind == DISTRIBUTION_LOST) {
    reportPlacement(event.link, event.spi, 0, 0, event.reason);
    handleSaLost(event.link);
  } else if (event.kind == DISTRIBUTION_EXPIRING) {
    handleExpiring(event.link, event.spi, event.reason);
  } else if (event.kind == DISTRIBUTION_USED) {
    handleUsed(event.link, event.spi, event.direction, event.time);
  } else if (event.kind == DISTRIBUTION_ACQUIRE) {
    handleAcquire(event.spi, changetype<Flow>(event.ends));
  } else if (event.kind == DISTRIBUTION_MOVED) {
    handleMoved(event.ends);
  } else if (event.kind == DISTRIBUTION_NOT_UPDATED) {
    handleNotUpdated(event.link);
  }
}

function toDistribution(event: usize): void {
  const kind = load<u32>(event + EVENT_KIND);
  const link = load<u32>(event + EVENT_LINK);
  if (kind == EVENT_INSTALL) {
    const record = <usize>load<u32>(event + EVENT_RECORD);
    establish(record, load<u32>(event + EVENT_PLACEMENT), load<u64>(event + EVENT_PEER));
  } else if (kind == EVENT_UPDATE) {
    update(<usize>load<u32>(event + EVENT_RECORD));
  } else if (kind == EVENT_REMOVE) {
    withdraw(link, load<u32>(event + EVENT_SPI), load<u32>(event + EVENT_DIRECTION));
  } else if (kind == EVENT_QUERY) {
    query(link);
  } else if (kind == EVENT_TRAP) {
    const action = load<u32>(event + EVENT_ACTION);
    if (load<u32>(event + EVENT_UP) == 0) {
      childPolicyRemove(link, action);
      return;
    }
    const local = <usize>load<u32>(event + EVENT_RECORD);
    const count = load<u32>(event + EVENT_LOCAL);
    const remote = local + <usize>count * SELECTOR_OCTETS;
    const priority = load<u32>(event + EVENT_PRIORITY);
    const placed = childPolicyInsert(link, action, priority, local, count, remote, load<u32>(event + EVENT_REMOTE));
    if (!placed && action != POLICY_TRAP) policyRefused(link);
  }
}
