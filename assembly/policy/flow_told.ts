/** A packet's flow as an item of an explanation (abi/explain.ts). Tells nothing else of the packet. */
import {
  EXPLAIN_FLOW,
  EXPLAIN_FLOW_DESTINATION,
  EXPLAIN_FLOW_DESTINATION_PORT,
  EXPLAIN_FLOW_FAMILY,
  EXPLAIN_FLOW_OCTETS,
  EXPLAIN_FLOW_PROTOCOL,
  EXPLAIN_FLOW_SOURCE,
  EXPLAIN_FLOW_SOURCE_PORT,
} from "../abi/explain";
import { storeBE64 } from "../rt/bytes";
import { itemWrite } from "../rt/items";
import { ipv4Check, ipv4TotalLength } from "../wire/ipv4";
import { ipv6Check, ipv6TotalLength } from "../wire/ipv6";
import { FLOW_OCTETS, Flow, flowRead } from "./flow";

const flow: usize = memory.data(FLOW_OCTETS, 8);
const item: usize = memory.data(EXPLAIN_FLOW_OCTETS, 8);

/** Appends the flow of the `length` octets at `p`, whatever they are; nothing when they are no packet with one. */
export function flowTell(to: usize, p: usize, length: u32): usize {
  if (length == 0) return to;
  const six = (<u32>load<u8>(p)) >> 4 == 6;
  if (six ? !ipv6Check(p, length) : !ipv4Check(p, length)) return to;
  const f = changetype<Flow>(flow);
  if (!flowRead(p, six ? ipv6TotalLength(p) : ipv4TotalLength(p), f)) return to;
  store<u8>(item, <u8>f.kind, EXPLAIN_FLOW_FAMILY);
  store<u8>(item, <u8>(f.kind >> 8), EXPLAIN_FLOW_PROTOCOL);
  store<u32>(item, f.sourcePort, EXPLAIN_FLOW_SOURCE_PORT);
  store<u32>(item, f.destinationPort, EXPLAIN_FLOW_DESTINATION_PORT);
  storeBE64(item + EXPLAIN_FLOW_SOURCE, f.sourceHigh);
  storeBE64(item + EXPLAIN_FLOW_SOURCE + 8, f.sourceLow);
  storeBE64(item + EXPLAIN_FLOW_DESTINATION, f.destinationHigh);
  storeBE64(item + EXPLAIN_FLOW_DESTINATION + 8, f.destinationLow);
  return itemWrite(to, EXPLAIN_FLOW, item, EXPLAIN_FLOW_OCTETS);
}
