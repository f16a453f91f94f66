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
import { CONFIG_SA_CAPACITY } from "../../assembly/abi/config";
import { DROP_CHANNEL_MALFORMED, DROP_MANAGEMENT_MALFORMED } from "../../assembly/abi/drop";
import {
  MANAGEMENT_BOARD_DOWN,
  MANAGEMENT_BOARD_UP,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management";
import { DIRECTION_INBOUND, LINK_MAX, SA_DIRECTION, SA_LINK, SA_SPI } from "../../assembly/abi/message";
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
} from "../../assembly/bus/port";
import { drbgSeed } from "../../assembly/crypto/drbg";
import { gcmSelfTest } from "../../assembly/crypto/gcm";
import { CHANNEL_CONTROL, CHANNEL_DROPPED, channelPull, channelReset, channelSourceSlot } from "../../assembly/channel/channel";
import { controlOpen } from "../../assembly/channel/control";
import { boardsReset } from "../../assembly/distribution/board_table";
import { handleControl } from "../../assembly/distribution/control_in";
import {
  boardDown,
  boardUp,
  establish,
  establishReset,
  establishTimeout,
  lostPending,
  pollLost,
  withdraw,
} from "../../assembly/distribution/establish";
import {
  DISTRIBUTION_ACQUIRE,
  DISTRIBUTION_EXPIRING,
  DISTRIBUTION_INSTALLED,
  DISTRIBUTION_REFUSED,
  DistributionEvent,
  eventsReset,
  pollDistributionEvent,
} from "../../assembly/distribution/event";
import { FORWARD_IKE, forwardProtected, forwardUnprotected } from "../../assembly/distribution/forward";
import { localAddressReset } from "../../assembly/distribution/local_address";
import { Link, linkAt, localDatabaseReset } from "../../assembly/distribution/local_database";
import { policyReset, trapInsert, trapRemove } from "../../assembly/distribution/policy";
import { removalReset, removalTimeout } from "../../assembly/distribution/removal";
import { reportPlacement } from "../../assembly/distribution/report";
import { selectionReset } from "../../assembly/distribution/selection";
