/**
 * What every drop reason means, and what an operator can do about it: one entry per constant of assembly/abi/drop.ts and per
 * reason of the chassis, no more and no fewer. A reason without an entry, and an entry without a reason, do not compile.
 *
 * `linux` are the counters of the same thing in /proc/net/xfrm_stat, `vpp` that of VPP's ESP nodes, for whoever looks for what
 * he knows under another name.
 */
import type * as firmware from "../../assembly/abi/drop.ts";
import type { ChassisDrop } from "../chassis/vocabulary.ts";

type Identifier = Exclude<keyof typeof firmware, "DROP_COUNT">;

/** A drop reason of the firmware, as it is shown: DROP_ICV is `icv`. */
export type FirmwareDrop = Identifier extends infer Name
  ? Name extends `DROP_${infer Rest}`
    ? Lowercase<Rest>
    : never
  : never;

export interface DropReason {
  means: string;
  do: string;
  linux?: readonly string[];
  vpp?: string;
}

const PEER_LOG =
  "Compare the children and proposals of both ends; `cardcage events` and the peer's log say what was agreed.";
const OUR_FAULT =
  "This should not happen between boards of one chassis: report it, with `cardcage boards` and the board's image.";

export const DROP_REASONS: Readonly<Record<FirmwareDrop | ChassisDrop, DropReason>> = {
  no_sa_entry_ike_board: {
    means: "A sealed packet came with an SPI that no SA of this gateway has, so no board could be determined (S606).",
    do: "A few after a rekey or a restart are normal. If they go on, the peer holds an SA that was lost here: `cardcage initiate` the child, or terminate it at the peer.",
    linux: ["XfrmInNoStates"],
  },
  no_sa_entry_ipsec_board: {
    means:
      "The board that a packet was handed to has no such SA: it was removed, or its selectors are not the packet's (S707).",
    do: "A few while an SA is replaced are normal. If they go on, rekey the child: that installs its SAs anew.",
    linux: ["XfrmInNoStates", "XfrmOutNoStates"],
  },
  board_offline: {
    means: "The SA of this packet lives on a board that is offline.",
    do: "See `cardcage boards` for why it is. Its SAs go to the boards that are online as soon as there are any with room.",
  },
  backplane_congestion: {
    means: "A ring towards a board or a network was full, or no frame was free: more arrived than could be carried.",
    do: "If it goes on, spread the load: more IPsec boards, or more children, so that SAs come to lie on different ones.",
    linux: ["XfrmInBufferError"],
    vpp: "no_buffers",
  },
  channel_malformed: {
    means: "A capsule on the internal path was too short, addressed to another board, or not a capsule at all.",
    do: OUR_FAULT,
  },
  llc_unknown_pid: {
    means: "An LLC/SNAP header on an ATM channel named a protocol that boards do not exchange.",
    do: OUR_FAULT,
  },
  ethertype_unknown: {
    means: "A frame on the Ethernet backplane had an EtherType that boards do not exchange.",
    do: OUR_FAULT,
  },
  channel_source: {
    means: "A capsule came from a board that may not speak on this link.",
    do: OUR_FAULT,
  },
  control_malformed: {
    means: "A control message between boards was authentic, but did not add up.",
    do: OUR_FAULT,
  },
  control_authentication: {
    means:
      "The seal of a control message between boards did not verify: it was damaged, or made for another generation.",
    do: "A few while a board restarts are normal; repeats are sent. If they go on, look for damage on the backplane in `cardcage boards`.",
  },
  control_replay: {
    means: "A control message between boards came twice, too late, or from a board's earlier generation.",
    do: "Nothing: messages that matter are repeated until they are answered.",
  },
  lease_wait: {
    means: "The board has used all sequence numbers that the IKE board has leased to it for this SA.",
    do: "It ends when the next lease arrives. If it goes on, see in `cardcage boards` whether the IKE board is online.",
  },
  ip_malformed: {
    means: "The IP header is cut off, its length or version does not fit, or its checksum is wrong.",
    do: "Capture on the side that it comes from: its sender, or something on the way, damages packets.",
    linux: ["XfrmInHdrError"],
  },
  ip_not_for_us: {
    means:
      "A packet from the unprotected network is addressed to none of this gateway's own addresses; or one from the protected network is AH, " +
      "ESP or ESP in UDP to one of them.",
    do: "If it should be, name the address in local_addrs. If not, see why it is routed here.",
  },
  ip_fragment: {
    means: "A fragment where only whole packets can be dealt with: in transport mode, or one inside another.",
    do: "Lower the MTU of the sender, or let path MTU discovery work: do not filter ICMP on the way.",
  },
  ip_version: {
    means: "The packet in a capsule is of another IP version than its framing says.",
    do: OUR_FAULT,
  },
  packet_too_big: {
    means:
      "The packet does not fit through the tunnel and may not be fragmented; its source was told the size that fits.",
    do: "Nothing if the source learns from ICMP. If it goes on, ICMP is filtered on the way to it: allow it, or lower its MTU to the inner MTU.",
    linux: ["XfrmOutError"],
  },
  protocol_unknown: {
    means: "A packet to this gateway's own address on the unprotected side is neither ESP, AH nor UDP.",
    do: "Nothing: probes and pings end here; what is not IPsec is the host's business.",
  },
  udp_malformed: {
    means: "The UDP header is cut off, its length does not fit, or a datagram over IPv6 has no checksum.",
    do: "Capture on the unprotected side: something on the way damages packets.",
    linux: ["XfrmInHdrError"],
  },
  udp_port: {
    means: "A UDP datagram to this gateway's own address is for neither of its IKE ports.",
    do: "Nothing: other datagrams are not the gateway's. If the peer means IKE, its remote_port is wrong.",
  },
  no_policy: {
    means: "No policy covers this clear packet: it matches the local_ts and remote_ts of no child.",
    do: "If it should be protected, widen local_ts and remote_ts of a child at both ends; `cardcage explain` shows what a packet matches.",
  },
  policy_discard: {
    means: "A policy says that this traffic is to be discarded (RFC 4301 DISCARD).",
    do: "That is what was configured: `cardcage policies` shows the children with mode = drop, in order.",
    linux: ["XfrmOutPolBlock", "XfrmInPolBlock"],
  },
  protection_missing: {
    means:
      "A packet came in clear from the unprotected side, and the first policy that covers it is to protect it (RFC 4301 5.2): it was forged, or the peer has no such policy.",
    do: "Compare `cardcage policies` with the peer's; what may come in clear wants a child with mode = pass, and if the other is no wider a priority.",
    linux: ["XfrmInTmplMismatch"],
  },
  no_sa_acquiring: {
    means:
      "A policy wants this packet protected, and its SA is still being negotiated; one packet of each child waits for it, others do not.",
    do: "If it goes on, the negotiation fails: `cardcage connections` tells why.",
    linux: ["XfrmOutNoStates", "XfrmAcquireError"],
  },
  selector_mismatch: {
    means:
      "The packet is not what its SA was agreed for: addresses, protocol or ports lie outside its traffic selectors (RFC 4301 5.2).",
    do: `The other end sends what was not agreed. ${PEER_LOG}`,
    linux: ["XfrmInTmplMismatch", "XfrmInStateMismatch"],
  },
  esp_malformed: {
    means: "The ESP packet is too short for its SA, or is no whole number of cipher blocks.",
    do: "Capture on the unprotected side: something on the way cuts packets, or the two ends do not agree on the algorithms.",
    linux: ["XfrmInHdrError", "XfrmInStateProtoError"],
    vpp: "runt",
  },
  replay: {
    means: "The sequence number was seen before, or is older than the replay window reaches back.",
    do: "Duplicates are dropped rightly. Where the network reorders much (several paths, QoS), raise replay_window of the child.",
    linux: ["XfrmInStateSeqError"],
    vpp: "replay",
  },
  icv: {
    means: "The integrity check failed: the packet was changed on the way, or was not sealed with this SA's key.",
    do: "Single ones are damage or forgery. If all packets of an SA fail, the ends have different keys or algorithms: rekey it.",
    linux: ["XfrmInStateProtoError"],
    vpp: "integ_error",
  },
  esp_padding: {
    means: "The packet is authentic, but its padding is not what RFC 4303 says.",
    do: "The peer's implementation pads wrongly: report it to whoever makes it.",
    linux: ["XfrmInStateProtoError"],
  },
  esp_next_header: {
    means: "The packet is authentic, but what is inside is not what its next header or the SA's mode promises.",
    do: `See that both ends agree on tunnel or transport mode. ${PEER_LOG}`,
    linux: ["XfrmInStateModeError"],
    vpp: "unsup_payload",
  },
  sequence_cycled: {
    means: "The SA has used its last sequence number, and numbers are never used twice.",
    do: "A rekey was due long before: see in `cardcage connections` why it fails. Use ESN (`-esn`) for fast links.",
    linux: ["XfrmOutStateSeqError"],
    vpp: "seq_cycled",
  },
  sa_expired: {
    means: "The SA has done as many packets or octets as life_packets and life_bytes allow.",
    do: "A rekey was due before: see in `cardcage connections` why it fails, or leave more room between rekey_packets and life_packets, rekey_bytes and life_bytes.",
    linux: ["XfrmInStateExpired", "XfrmOutStateExpired"],
  },
  ike_malformed: {
    means: "An IKE message did not add up.",
    do: "Nothing if they come from strangers. From a peer, capture port 500 and 4500 and compare with its log.",
  },
  ike_version: {
    means: "An IKE message of another major version, such as IKEv1.",
    do: "Set the peer to IKEv2: IKEv1 is deprecated (RFC 9395) and not spoken here.",
  },
  ike_unknown_spi: {
    means: "An IKE message of an IKE_SA that is not, or no longer, here.",
    do: "A few after a restart are normal. If they go on, the peer has not noticed: its DPD will, or restart the connection there.",
  },
  ike_authentication: {
    means: "The encrypted payload of an IKE message did not verify.",
    do: "Single ones are damage or forgery. If they go on, capture the exchange and compare with the peer's log.",
  },
  ike_message_id: {
    means: "An IKE message with a message ID outside of the window: a late repeat, mostly.",
    do: "Nothing: repeats are normal on lossy paths.",
  },
  ike_state: {
    means: "A sound IKE message that nothing waits for in this state.",
    do: "Nothing, mostly: a late answer. If a negotiation fails as well, compare with the peer's log.",
  },
  ike_table_full: {
    means: "No IKE_SA or exchange is free.",
    do: "More peers than the IKE board is sized for, or a flood: see the half-open IKE_SAs in `cardcage sas`.",
  },
  ike_no_connection: {
    means: "An IKE_SA_INIT between addresses that no connection is configured for.",
    do: "If the peer is known, see that local_addrs and remote_addrs of its connection hold its address.",
  },
  management_malformed: {
    means: "A command to a board did not add up.",
    do: "The host and the boards' images are of different versions: install both from one release.",
  },
  secure_element_malformed: {
    means: "An answer of the secure element did not add up.",
    do: "The host and the IKE board's image are of different versions: install both from one release.",
  },
  secure_element_stale: {
    means: "The secure element answered a question that nobody waits for any more: the exchange or the board is gone.",
    do: "Nothing.",
  },
  ecn: {
    means:
      "The network marked congestion outside, but the packet inside says that its ends do not know ECN (RFC 6040).",
    do: "It is a loss by congestion, rightly signalled. If all packets are marked, a router on the way marks wrongly.",
  },
  ipv6_extension: {
    means: "IPv6 extension headers that are cut off, too many, out of order, or a route that is not yet at its end.",
    do: "Nothing if they come from strangers. Otherwise see what makes such packets.",
  },
  ip_option: {
    means:
      "AH cannot cover an IPv4 option of this packet: RFC 4302 appendix A does not class it, or it is a source route under way.",
    do: "See what sets IP options; or use ESP.",
  },
  ah_malformed: {
    means: "The AH header is cut off, or its length is not what the SA's algorithm makes.",
    do: "Capture on the unprotected side; see that both ends agree on the algorithm.",
    linux: ["XfrmInHdrError", "XfrmInStateProtoError"],
  },
  ike_fragment: {
    means:
      "A fragment of an IKE message (RFC 7383) that is malformed, of a message too long, or that never became whole.",
    do: "If negotiations fail, fragments are lost on the way: set a smaller fragment_size at both ends.",
  },
  frame_too_long: {
    means: "A packet longer than a board's frames take.",
    do: "Lower the MTU of the interface that it comes from.",
  },
  aal5_crc: {
    means: "The CRC of a PDU on an ATM channel is wrong: it was damaged, or its cells came in another order.",
    do: "The backplane is damaged, or a fault is injected.",
  },
  aal5_length: {
    means: "The LENGTH of a PDU on an ATM channel does not fit its cells: some were lost, or came twice.",
    do: "The backplane is damaged, or a fault is injected.",
  },
  aal5_oversize: {
    means:
      "Cells on an ATM channel went on beyond the longest PDU that a board takes: the mark of a last one was lost.",
    do: "The backplane is damaged, or a fault is injected.",
  },
  link_down: {
    means: "The link between a slot and the backplane is down; frames to and from its board are lost.",
    do: "The fault was injected: it ends by itself, or with `cardcage fault clear`.",
  },
  remote_lost: {
    means:
      "The network between the chassis and a shelf lost a frame, or its connection broke before the shelf had told that it had it.",
    do: "See that the network is not overloaded, takes packets of 1602 octets or fragments, and that net.core.rmem_max of both machines is some MiB.",
  },
  remote_forged: {
    means:
      "A datagram for a shelf's internal path was not sealed by the other end: damaged, made by a stranger, or of a connection that is over.",
    do: "Nothing if it is rare. If it goes on, somebody on the network between chassis and shelf sends such: capture there.",
  },
  remote_replayed: {
    means: "A datagram of a shelf's internal path came twice, or so late that it had been counted as lost.",
    do: "Nothing if it is rare: networks do that. If it goes on, somebody repeats them: capture between chassis and shelf.",
  },
  atm_hec: {
    means: "The header of a cell is damaged (HEC); the cell is gone, and the PDU that it was part of fails by itself.",
    do: "The backplane is damaged, or a fault is injected. These are cells, not packets.",
  },
  atm_unknown_vc: {
    means: "A board sent on a virtual channel that is not connected, or a cell came on another than its own.",
    do: OUR_FAULT,
  },
  ethernet_fcs: {
    means: "The checksum of a frame on the Ethernet backplane is wrong.",
    do: "The backplane is damaged, or a fault is injected.",
  },
  ethernet_malformed: {
    means: "A frame on the Ethernet backplane is shorter than its header.",
    do: OUR_FAULT,
  },
  ethernet_source: {
    means: "A board sent a frame under another slot's address.",
    do: OUR_FAULT,
  },
  ethernet_destination: {
    means: "A board sent a frame to a slot that is not there, or that it may not speak with.",
    do: OUR_FAULT,
  },
  fragment_malformed: {
    means:
      "A fragment of a packet to us is empty, of a length that is no multiple of 8, or reaches beyond what a packet can have.",
    do: "Nothing: no honest sender makes such fragments. If it goes on, capture on the unprotected side to see who does.",
  },
  fragment_overlap: {
    means:
      "Fragments of one packet overlap, or contradict each other about its end: all of it is discarded (RFC 5722).",
    do: "Nothing if it is rare: no honest sender makes such fragments. If a peer's packets are hit, something on the way forges some.",
  },
  fragment_duplicate: {
    means: "A fragment came twice; the first one counts.",
    do: "Nothing: networks do that.",
  },
  fragment_timeout: {
    means: "Fragments of a packet to us came, and the rest did not within 30 seconds.",
    do: "See whether the peer's large packets arrive at all: a NAT or firewall on the way may drop later fragments. Lower the MTU behind the peer.",
  },
  fragment_limit: {
    means: "Too many packets to us were in fragments at once, or too many of one source: the oldest was given up.",
    do: "If a peer sends large packets, lower the MTU behind it, so that they need no fragments. Otherwise it is an attack, and this its bound.",
  },
  icmp_quote: {
    means:
      "An ICMP or ICMPv6 error (packet too big) quotes no packet that one of the SAs has sent lately, or less of it than it takes to know.",
    do: "Nothing if it is rare: it came late. If it goes on while large packets vanish, a router on the way quotes too little: set the unprotected mtu.",
  },
  checkpoint: {
    means:
      "The IKE board was given a record of its checkpoint back that it cannot use: of other firmware, of a connection that is gone, or damaged.",
    do: "Nothing after an update of the IKE board's firmware or a change of its configuration: the SAs are negotiated anew.",
  },
  injected_loss: {
    means: "The fault injector took it: loss was asked for.",
    do: "Take the fault injection off.",
  },
  secure_element_absent: {
    means: "The IKE board asked a secure element, and none is fitted.",
    do: "Fit one: without it nothing can be negotiated.",
  },
  secure_element_failed: {
    means: "The secure element gave no answer.",
    do: "See the host's log; the exchange fails and is begun anew.",
  },
};

/** The entry of a reason by its name; undefined for a name that is none. */
export const dropReason = (name: string): DropReason | undefined =>
  Object.hasOwn(DROP_REASONS, name) ? DROP_REASONS[name as keyof typeof DROP_REASONS] : undefined;
