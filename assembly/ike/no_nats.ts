/**
 * NO_NATS_ALLOWED (RFC 4555 3.9): without NAT traversal a message that changes addresses says between which ends it was sent, and one
 * that arrives between others has met a NAT.
 *
 *   0 source address   4 or 16 destination address   8 or 32 source port   10 or 34 destination port
 */
import { storeBE16 } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { NOTIFY_NO_NATS_ALLOWED, notifyData, notifyDataOctets, notifyWrite } from "../wire/ike_payload/notify";
import { IpAddress, addressOctets, addressOnWire } from "../wire/ip_address";
import { IkeSa } from "./ike_sa";
import { notifyFind, soleLength } from "./negotiation";
import { pathLocal, pathLocalPort, pathRemote, pathRemotePort } from "./path";

const NO_NATS_MAX: u32 = 36;
const data: usize = memory.data(NO_NATS_MAX, 8);

function fill(source: IpAddress, sourcePort: u32, destination: IpAddress, destinationPort: u32): u32 {
  const octets = addressOctets(source);
  memory.copy(data, addressOnWire(source), octets);
  memory.copy(data + octets, addressOnWire(destination), octets);
  storeBE16(data + (octets << 1), sourcePort);
  storeBE16(data + (octets << 1) + 2, destinationPort);
  return (octets << 1) + 4;
}

/** Writes it for a message that goes between the IKE_SA's ends. */
export function noNatsWrite(w: Writer, sa: IkeSa): void {
  const octets = fill(sa.local, sa.localPort, sa.remote, sa.remotePort);
  notifyWrite(w, NOTIFY_NO_NATS_ALLOWED, data, octets);
}

/** True when the message in hand forbids NATs and has met one. */
export function noNatsBroken(): bool {
  const notify = notifyFind(NOTIFY_NO_NATS_ALLOWED);
  if (notify == 0) return false;
  const given = notifyDataOctets(notify, soleLength);
  const octets = fill(pathRemote, pathRemotePort, pathLocal, pathLocalPort);
  return given != octets || memory.compare(notifyData(notify), data, octets) != 0;
}
