/**
 * A clear packet that is larger than its SA carries whole.
 *
 *   IPv4 with DF      not sent, its source is told; copy_df = no changes nothing of that, as on Linux
 *   IPv6              the same, above 1280 octets: nothing smaller may be asked of a source (RFC 8200 5), so that up to there the
 *                     outer packet goes in fragments
 *   IPv4 without DF   in tunnel mode the packet in fragments, each sealed by itself; where the selectors name ports, which later
 *                     fragments do not show (RFC 4301 7), and in transport mode the sealed packet in fragments
 *
 * The answer to a clear packet that is too big for its SA (RFC 4301 8.2.1): ICMP fragmentation needed or ICMPv6 packet too
 * big, by the family of that packet, to the protected side.
 *
 * It comes from the SA's own end, or from another of our addresses when the SA's is of the other family; where we have none of
 * the packet's family, the packet's destination speaks, for whom the tunnel stands.
 */
import { DROP_PACKET_TOO_BIG } from "../abi/drop";
import { PORT_PROTECTED } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { now } from "../rt/registers";
import { icmpEmitFragmentationNeeded, icmpMayAnswer } from "../wire/icmp";
import { icmpv6EmitTooBig, icmpv6MayAnswer } from "../wire/icmpv6";
import { ipv4Destination } from "../wire/ipv4";
import { IPV6_DESTINATION, IPV6_MTU_MIN } from "../wire/ipv6";
import { firstLocalAddress, firstLocalAddress6 } from "../policy/local_address";
import { rehearsing } from "./rehearsal";
import { SHAPE_PORTS, SHAPE_TRANSPORT, Sa, isIpv6, localAddress6 } from "./sa";
import { IN_PIECES, MARK_IPV6, MARK_WHOLE, PASS } from "./tunnel";

/** ICMP answers: so many at once, and one more each ICMP_INTERVAL ns (RFC 1812 4.3.2.8, RFC 4443 2.4 f). */
const ICMP_BURST: u64 = 64;
const ICMP_INTERVAL: u64 = 10_000_000;
let spent: u64 = 0;
let at: u64 = 0;

/**
 * What becomes of a clear packet of which `sa` carries `largest` octets whole, and no more; `mark` is its MARK_*. PASS: it is sealed as
 * it is, and goes in fragments then.
 */
export function oversize(frame: Frame, sa: Sa, mark: u32, largest: u32): u32 {
  if ((mark & MARK_IPV6) != 0) {
    if (frame.length <= IPV6_MTU_MIN) return PASS;
    largest = max<u32>(largest, IPV6_MTU_MIN);
  }
  if ((mark & MARK_WHOLE) != 0) {
    tellTooBig(frame, sa, largest);
    return DROP_PACKET_TOO_BIG;
  }
  return ((<u32>sa.shape) & (SHAPE_PORTS | SHAPE_TRANSPORT)) == 0 ? IN_PIECES : PASS;
}

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
  const own = firstLocalAddress();
  return own != 0 ? own : ipv4Destination(packet);
}

function speaker6(packet: usize, sa: Sa): usize {
  if (isIpv6(sa)) return localAddress6(sa);
  const own = firstLocalAddress6();
  return own != 0 ? own : packet + IPV6_DESTINATION;
}
