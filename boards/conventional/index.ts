/**
 * The conventional board: IKE and ESP/AH on one processor, the gateway of figure 9. It is what the others are measured against, with
 * the same cores, transforms and tables; it serves whoever negotiates with it, and has no other board beside it.
 *
 *   one poll    1 all of the IKE board's: SAs, timers, IKE; packets looked up, and on the ring to the board of their SA (S601 - S605)
 *               2 that ring, which no chassis has seen, back again: to the IPsec core, a batch at a time (S701 - S706)
 *               3 what the cores have to tell each other, until neither has anything to say
 *
 * Frames stay where they are: nothing is copied, no link is crossed, nobody is woken up. What is left of an internal path is what the
 * cores know it by: 8 octets of LLC/SNAP in front of a packet (LINK_ATM; 34 with LINK_ETHERNET), and control messages under a key that
 * never leaves this RAM. A packet has two look-ups, as it has on two boards: its link, and its SA.
 *
 * Two tables of selectors, one for each core, take turns (selectorTableExchange). Refuses a chassis with a classifier, and has no
 * checkpoint: with its board the SAs are gone.
 */
import {
  POLL_BATCH,
  POLL_MORE_WORK,
  POLL_TRANSMIT_READY,
  REFUSAL_CONFIG,
  REFUSAL_RAM,
  STATE_ONLINE,
} from "../../assembly/abi/board";
import { CONFIG_CHECKPOINT, CONFIG_CLASSIFIER, CONFIG_SA_CAPACITY } from "../../assembly/abi/config";
import { DROP_CHANNEL_MALFORMED } from "../../assembly/abi/drop";
import { PORT_CHANNEL, RING_SIZE_CHANNEL } from "../../assembly/abi/ring";
import { Frame } from "../../assembly/bus/frame";
import { drop, portsDrained, portsRefill, portsSettle, recall } from "../../assembly/bus/port";
import {
  CHANNEL_CONTROL,
  CHANNEL_DROPPED,
  CHANNEL_IPV4,
  CHANNEL_IPV6,
  channelPull,
  channelSourceSlot,
} from "../../assembly/channel/channel";
import { CONTROL_KEY_OCTETS, controlKey, controlOpen } from "../../assembly/channel/control";
import { linkIkeSlot, linkSpeakFor } from "../../assembly/channel/link";
import { drbgGenerate } from "../../assembly/crypto/drbg";
import { handleControl as handleAnswer } from "../../assembly/distribution/control_in";
import { boardUp } from "../../assembly/distribution/establish";
import { handleControl } from "../../assembly/ipsec/install";
import { leaseReset, leaseTimeout } from "../../assembly/ipsec/lease";
import { loadReset, loadTimeout } from "../../assembly/ipsec/load";
import { SA_CAPACITY_MAX, localDatabaseReset } from "../../assembly/ipsec/local_database";
import { mssReset } from "../../assembly/ipsec/mss";
import { pathMtuReset } from "../../assembly/ipsec/path_mtu";
import { process } from "../../assembly/ipsec/process";
import { SELECTOR_TABLE_ASIDE, selectorTableExchange } from "../../assembly/policy/selector_table";
import { arenaExhausted } from "../../assembly/rt/arena";
import { zeroize } from "../../assembly/rt/bytes";
import { itemFind, itemU32 } from "../../assembly/rt/items";
import {
  configAddress,
  configLength,
  deadline,
  generation,
  refuse,
  setDeadline,
  setState,
  state,
} from "../../assembly/rt/registers";
import { boardPoll as ikePoll, boardReset as ikeReset } from "../ike/index";

export { boardMap } from "../ike/index";

/** What the IKE core takes for CONFIG_SA_CAPACITY where there is none. */
const DEFAULT_SA_CAPACITY: u32 = 1024;

/** Frames that one core has for the other. */
const handed: usize = memory.data(RING_SIZE_CHANNEL * 4, 16);
const batch: usize = memory.data(POLL_BATCH * 4, 16);
/** The table of selectors of the core that is not at work. */
const aside: usize = memory.data(64, 8); // SELECTOR_TABLE_ASIDE
const key: usize = memory.data(32, 8); // CONTROL_KEY_OCTETS
/** What the IKE core knows the IPsec core by. */
let ipsecSlot: u32 = 0;
let serving: bool = false;

export function boardReset(): void {
  serving = false;
  memory.fill(aside, 0, SELECTOR_TABLE_ASIDE);
  ikeReset();
  if (state() != STATE_ONLINE) return;
  const start = configAddress();
  const end = start + configLength();
  if (isSet(start, end, CONFIG_CLASSIFIER) || isSet(start, end, CONFIG_CHECKPOINT)) {
    refuse(REFUSAL_CONFIG);
    return;
  }
  const item = itemFind(start, end, CONFIG_SA_CAPACITY);
  const capacity = item != 0 ? itemU32(item) : DEFAULT_SA_CAPACITY;
  ipsecSlot = linkIkeSlot() == 0 ? 1 : 0;
  drbgGenerate(key, CONTROL_KEY_OCTETS);
  const up = capacity <= SA_CAPACITY_MAX && boardUp(ipsecSlot, generation(), capacity, key);
  toIpsec();
  controlKey(linkIkeSlot(), generation(), key);
  zeroize(key, CONTROL_KEY_OCTETS);
  mssReset(start, end);
  const built = up && pathMtuReset(start, end) && localDatabaseReset(capacity);
  toIke();
  if (!built) {
    refuse(arenaExhausted() ? REFUSAL_RAM : REFUSAL_CONFIG);
    return;
  }
  loadReset();
  leaseReset(true);
  setState(STATE_ONLINE); // with the RAM that is used now
  serving = true;
}

function isSet(start: usize, end: usize, type: u32): bool {
  const item = itemFind(start, end, type);
  return item != 0 && itemU32(item) != 0;
}

export function boardPoll(): u32 {
  if (!serving) return 0;
  let bits = ikePoll() & POLL_MORE_WORK;
  const expiry = deadline();
  let told: bool = false;
  toIpsec();
  take(recall(PORT_CHANNEL, handed));
  const due = min<u64>(leaseTimeout(), loadTimeout());
  for (let frames = recall(PORT_CHANNEL, handed); frames != 0; frames = recall(PORT_CHANNEL, handed)) {
    told = true;
    toIke();
    hear(frames);
    toIpsec();
    take(recall(PORT_CHANNEL, handed));
  }
  toIke();
  setDeadline(min<u64>(expiry, due));
  portsRefill();
  portsSettle();
  if (told) bits |= POLL_MORE_WORK; // events that the IKE core has not looked at
  return portsDrained() ? bits : bits | POLL_TRANSMIT_READY;
}

/** From here on the IPsec core is at work. */
function toIpsec(): void {
  selectorTableExchange(aside);
  linkSpeakFor(ipsecSlot);
}

/** From here on the IKE core is. */
function toIke(): void {
  selectorTableExchange(aside);
  linkSpeakFor(linkIkeSlot());
}

/** The IPsec core takes what the IKE core has for it, packets together and control where it stands among them. */
function take(frames: u32): void {
  let packets: u32 = 0;
  for (let i: u32 = 0; i < frames; i++) {
    const frame = changetype<Frame>(<usize>load<u32>(handed + ((<usize>i) << 2)));
    const verdict = channelPull(frame);
    if (verdict == CHANNEL_IPV4 || verdict == CHANNEL_IPV6) {
      store<u32>(batch + ((<usize>packets) << 2), <u32>changetype<usize>(frame));
      packets += 1;
    }
    if (packets == POLL_BATCH || (packets != 0 && verdict == CHANNEL_CONTROL)) {
      process(batch, packets);
      packets = 0;
    }
    if (verdict == CHANNEL_CONTROL && controlOpen(frame, channelSourceSlot())) handleControl(frame);
  }
  if (packets != 0) process(batch, packets);
}

/** The IKE core hears what the IPsec core has to say. */
function hear(frames: u32): void {
  for (let i: u32 = 0; i < frames; i++) {
    const frame = changetype<Frame>(<usize>load<u32>(handed + ((<usize>i) << 2)));
    const verdict = channelPull(frame);
    if (verdict == CHANNEL_DROPPED) continue;
    if (verdict != CHANNEL_CONTROL) drop(frame, DROP_CHANNEL_MALFORMED);
    else if (controlOpen(frame, ipsecSlot)) handleAnswer(frame, ipsecSlot);
  }
}
