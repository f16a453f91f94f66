/**
 * An SA in the local database (16): what every packet needs, apart from what only its installation needs.
 *
 *            0                       16                      32                      48                    63
 *           +-----------+-----------+-----------+-----------+-----------+-----------+-----------+----------+
 *   line 0  | spi, link | flags..   | context, bitmap, mask.. | sequence              | ask at    | addrs  |
 *   line 1  | packets   | octets    | last used | drops     | expiring at | moved at | ...                 |
 *   line 2  | limits: soft packets, soft octets, hard packets, hard octets           | MTU, lease .. drops   |
 *           +-----------+-----------+-----------+-----------+-----------+-----------+-----------+----------+
 *
 * The cold half is the SA record as it was installed (abi/message.ts): selectors for RFC 4301 5.2, KEYMAT to tell a
 * repeated installation from a new one. It is wiped with the SA.
 */
import { SA_LOCAL_ADDRESS, SA_REMOTE_ADDRESS, STATUS_DROP_KINDS_COUNT } from "../abi/message";
import { Transform } from "../crypto/transform";


@unmanaged
export class Sa {
  /** 0: the record is free. */
  spi: u32;
  /** Of a free record: the next free one, number + 1. */
  link: u32;
  direction: u8;
  /** SA_FLAG_* */
  flags: u8;
  /** SHAPE_* of mode, protocol and outer header; 0: ESP in tunnel mode with an IPv4 header outside. */
  shape: u16;
  /** Row of crypto/transform.ts. */
  transform: usize;
  /** Keys and salt, as crypto/job.ts has them. */
  context: usize;
  /** Anti-replay (RFC 6479): packets, 0 off; ring of 64-bit words. */
  window: u32;
  bitmap: usize;
  bitmapMask: u32;
  /** The SA's ends as numbers; ours is local. IPv6 ones stand in the cold half, and these are 0. */
  localAddress: u32;
  remoteAddress: u32;
  /** Outbound: last number used. Inbound: right edge of the window. */
  sequence: u64;
  /** From this number on lease.ts has a word; u64.MAX_VALUE without a lease. */
  askAt: u64;
  localPort: u16;
  remotePort: u16;
  /** The SA record as installed (cold_record.ts). */
  cold: usize;

  packets: u64;
  /** Of clear packets. */
  octets: u64;
  lastUsed: u64;
  drops: u64;
  /** NOW from which SA_EXPIRING may be raised again. */
  expiringAt: u64;
  /** NOW of the last SA_MOVED, 0 none since the SA has its present ends; outbound, of the last LEASE_WANTED. */
  movedAt: u64;

  softPackets: u64;
  softOctets: u64;
  hardPackets: u64;
  hardOctets: u64;
  /** Largest clear packet that goes whole, and largest packet outside (path_mtu.ts). */
  innerMtu: u16;
  outerMtu: u16;
  /** Number of the record. */
  number: u32;
  /** NOW until which the path MTU that was learnt counts; 0: outerMtu is the link's. */
  mtuUntil: u64;
  /** Numbers up to this one may be used, or accepted; 0: all. */
  lease: u64;
  /** The first of SA_DROP_KINDS words (sa_drops.ts); the last field. */
  kinds: u32;
}

/** Drop reasons that an SA counts apart. */
export const SA_DROP_KINDS: u32 = STATUS_DROP_KINDS_COUNT;

export const SHAPE_TRANSPORT: u32 = 1;
export const SHAPE_AH: u32 = 2;
/** The outer header, of transport mode the packet's own, is IPv6. */
export const SHAPE_IPV6: u32 = 4;
/** Its selectors name ports, which later fragments do not show. */
export const SHAPE_PORTS: u32 = 8;
/** Its lease is of the board's own making (lease.ts). */
export const SHAPE_OWN_LEASE: u32 = 16;

/** From one SA to the next. */
export const SA_OCTETS: u32 = 192;

if (offsetof<Sa>("kinds") + SA_DROP_KINDS * 4 > SA_OCTETS) ERROR("an SA outgrew its record");
if (offsetof<Sa>("packets") > 80) ERROR("the per-packet fields of an SA outgrew their place");

// @ts-ignore: decorator
@inline
export function isTransport(sa: Sa): bool {
  return ((<u32>sa.shape) & SHAPE_TRANSPORT) != 0;
}

// @ts-ignore: decorator
@inline
export function hasOwnLease(sa: Sa): bool {
  return ((<u32>sa.shape) & SHAPE_OWN_LEASE) != 0;
}

// @ts-ignore: decorator
@inline
export function isAh(sa: Sa): bool {
  return ((<u32>sa.shape) & SHAPE_AH) != 0;
}

// @ts-ignore: decorator
@inline
export function isIpv6(sa: Sa): bool {
  return ((<u32>sa.shape) & SHAPE_IPV6) != 0;
}

/** Addresses of the ends of an IPv6 SA, 16 octets in network order. */
// @ts-ignore: decorator
@inline
export function localAddress6(sa: Sa): usize {
  return sa.cold + SA_LOCAL_ADDRESS;
}

// @ts-ignore: decorator
@inline
export function remoteAddress6(sa: Sa): usize {
  return sa.cold + SA_REMOTE_ADDRESS;
}

// @ts-ignore: decorator
@inline
export function transformOf(sa: Sa): Transform {
  return changetype<Transform>(sa.transform);
}
