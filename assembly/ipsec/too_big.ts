/**
 * The answer to a clear packet that is too big for its SA (RFC 4301 8.2.1): ICMP fragmentation needed or ICMPv6 packet too
 * big, by the family of that packet, to the protected side.
 *
 * It comes from the SA's own end, or from another of our addresses when the SA's is of the other family; where we have none of
 * the packet's family, the packet's destination speaks, for whom the tunnel stands.
 */
import { PORT_PROTECTED } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { now } from "../rt/registers";
import { icmpEmitFragmentationNeeded, icmpMayAnswer } from "../wire/icmp";
import { icmpv6EmitTooBig, icmpv6MayAnswer } from "../wire/icmpv6";
import { ipv4Destination } from "../wire/ipv4";
import { IPV6_DESTINATION } from "../wire/ipv6";
import { firstLocal, firstLocal6 } from "./local_address";
import { rehearsing } from "./rehearsal";
import { Sa, isIpv6, localAddress6 } from "./sa";

/** ICMP answers: so many at once, and one more each ICMP_INTERVAL ns (RFC 1812 4.3.2.8, RFC 4443 2.4 f). */
const ICMP_BURST: u64 = 64;
const ICMP_INTERVAL: u64 = 10_000_000;
let spent: u64 = 0;
let at: u64 = 0;

/** Tells the source of the packet in `frame` that at most `mtu` octets go through `sa`. */
export function tellTooBig(frame: Frame, sa: Sa, mtu: u32): void {
  if (rehearsing()) return;
  const p = frame.start;
  const six = (<u32>load<u8>(p)) >> 4 == 6;
  if (six ? !icmpv6MayAnswer(p, frame.length) : !icmpMayAnswer(p, frame.length)) return;
  const earned = (now() - at) / ICMP_INTERVAL;
  at += earned * ICMP_INTERVAL;
  spent -= min<u64>(spent, earned);
  if (spent >= ICMP_BURST) return;
  spent += 1;
  const answer = originate();
  if (!answer) return;
  answer.length = six
    ? icmpv6EmitTooBig(answer.start, p, frame.length, speaker6(p, sa), mtu)
    : icmpEmitFragmentationNeeded(answer.start, p, frame.length, speaker(p, sa), mtu);
  transmit(PORT_PROTECTED, answer);
}

function speaker(packet: usize, sa: Sa): u32 {
  if (!isIpv6(sa)) return sa.localAddress;
  const own = firstLocal();
  return own != 0 ? own : ipv4Destination(packet);
}

function speaker6(packet: usize, sa: Sa): usize {
  if (isIpv6(sa)) return localAddress6(sa);
  const own = firstLocal6();
  return own != 0 ? own : packet + IPV6_DESTINATION;
}
