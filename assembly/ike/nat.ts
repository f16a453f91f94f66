/**
 * NAT detection (RFC 7296 section 2.23): SHA-1(SPIi | SPIr | address | port), of the sender and of the receiver, as they
 * sent it, compared with what arrived.
 */
import { HASH_CONTEXT_OCTETS, HASH_SHA1, hashFinal, hashInit, hashUpdate } from "../crypto/hash";
import { drbgDraw } from "../crypto/drbg";
import { storeBE16 } from "../rt/bytes";
import { PAYLOAD_NOTIFY, Writer, payloadBody, payloadFind, payloadLength } from "../wire/ike_message";
import {
  NOTIFY_NAT_DETECTION_DESTINATION_IP,
  NOTIFY_NAT_DETECTION_SOURCE_IP,
  notifyCheck,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../wire/ike_payload/notify";
import { IpAddress, addressOctets, addressOnWire } from "../wire/ip_address";
import { NAT_LOCAL, NAT_REMOTE } from "./ike_sa";

export const NAT_HASH: u32 = 20;
const context: usize = memory.data(HASH_CONTEXT_OCTETS, 16);
const spis: usize = memory.data(16, 8);
const ports: usize = memory.data(2, 2);
const digest: usize = memory.data(NAT_HASH, 8);

function natHash(spiI: u64, spiR: u64, address: IpAddress, port: u32): void {
  store<u64>(spis, spiI);
  store<u64>(spis, spiR, 8);
  storeBE16(ports, port);
  hashInit(context, HASH_SHA1);
  hashUpdate(context, spis, 16);
  hashUpdate(context, addressOnWire(address), addressOctets(address));
  hashUpdate(context, ports, 2);
  hashFinal(context, digest);
}

/** Writes both notifies. `force` makes the source hash one that cannot match, so that the peer sees a NAT (encap = yes). */
export function natWrite(
  w: Writer,
  spiI: u64,
  spiR: u64,
  local: IpAddress,
  localPort: u32,
  remote: IpAddress,
  remotePort: u32,
  force: bool,
): void {
  if (force) drbgDraw(digest, NAT_HASH);
  else natHash(spiI, spiR, local, localPort);
  notifyWrite(w, NOTIFY_NAT_DETECTION_SOURCE_IP, digest, NAT_HASH);
  natHash(spiI, spiR, remote, remotePort);
  notifyWrite(w, NOTIFY_NAT_DETECTION_DESTINATION_IP, digest, NAT_HASH);
}

/** NAT_* from the notifies of the message in hand; 0 also when it has none. */
export function natDetect(
  spiI: u64,
  spiR: u64,
  local: IpAddress,
  localPort: u32,
  remote: IpAddress,
  remotePort: u32,
): u32 {
  let nat: u32 = 0;
  natHash(spiI, spiR, remote, remotePort);
  if (mismatch(NOTIFY_NAT_DETECTION_SOURCE_IP)) nat |= NAT_REMOTE;
  natHash(spiI, spiR, local, localPort);
  if (mismatch(NOTIFY_NAT_DETECTION_DESTINATION_IP)) nat |= NAT_LOCAL;
  return nat;
}

/** The hash of our address and port as the peer of the message in hand sees them, or 0. */
export function natDestination(): usize {
  for (let i = payloadFind(PAYLOAD_NOTIFY); i >= 0; i = payloadFind(PAYLOAD_NOTIFY, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    const length = payloadLength(<u32>i);
    if (!notifyCheck(body, length) || notifyType(body) != NOTIFY_NAT_DETECTION_DESTINATION_IP) continue;
    if (notifyDataOctets(body, length) == NAT_HASH) return notifyData(body);
  }
  return 0;
}

/** True when there are notifies of this type and none of them carries the digest in hand. */
function mismatch(type: u32): bool {
  let seen = false;
  for (let i = payloadFind(PAYLOAD_NOTIFY); i >= 0; i = payloadFind(PAYLOAD_NOTIFY, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    const length = payloadLength(<u32>i);
    if (!notifyCheck(body, length) || notifyType(body) != type) continue;
    seen = true;
    if (notifyDataOctets(body, length) == NAT_HASH && memory.compare(notifyData(body), digest, NAT_HASH) == 0)
      return false;
  }
  return seen;
}
