/**
 * MANAGEMENT_EXPLAIN on the IKE board: what route.ts decides about a packet, told instead of carried out. The names of whom it belongs
 * to are ike's to tell; the board's main loop asks there.
 */
import {
  EXPLAIN_GENERATION,
  EXPLAIN_LINK,
  EXPLAIN_OCTETS,
  EXPLAIN_PACKET,
  EXPLAIN_REASON,
  EXPLAIN_SIDE,
  EXPLAIN_SLOT,
  EXPLAIN_SPI,
  EXPLAIN_STEP,
  EXPLAIN_VERDICT,
  MANAGEMENT_EXPLANATION,
  VERDICT_DROP,
} from "../abi/explain";
import {
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  POLICY_ACTION,
} from "../abi/management";
import { PORT_MANAGEMENT, PORT_UNPROTECTED } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { flowTell } from "../policy/flow_told";
import { itemFind, itemLength, itemU32, itemValue, itemWriteU32, itemsValid } from "../rt/items";
import { policyAction } from "./policy";
import { ROUTE_NONE, Route, routeProtected, routeUnprotected } from "./route";

/**
 * Answers a command of which management header and length are known to be right; its frame stays the caller's. The decision, valid
 * until the next one, or null when the command did not add up or there was no frame.
 */
export function explainRoute(command: Frame): Route | null {
  const start = command.start + MANAGEMENT_HEADER;
  const end = command.start + command.length;
  if (!itemsValid(start, end)) return null;
  const packet = itemFind(start, end, EXPLAIN_PACKET);
  const side = itemFind(start, end, EXPLAIN_SIDE);
  if (packet == 0 || side == 0) return null;
  const p = itemValue(packet);
  const length = itemLength(packet);
  const answer = originate();
  if (!answer) return null;
  const route = itemU32(side) == PORT_UNPROTECTED ? routeUnprotected(p, length) : routeProtected(p, length);
  let to = answer.start + MANAGEMENT_HEADER;
  to = itemWriteU32(to, EXPLAIN_VERDICT, route.verdict);
  if (route.verdict == VERDICT_DROP) to = itemWriteU32(to, EXPLAIN_REASON, route.reason);
  to = itemWriteU32(to, EXPLAIN_STEP, route.step);
  to = itemWriteU32(to, EXPLAIN_OCTETS, route.octets);
  if (route.spi != 0) to = itemWriteU32(to, EXPLAIN_SPI, route.spi);
  if (route.link != ROUTE_NONE) {
    to = itemWriteU32(to, EXPLAIN_LINK, route.link);
    to = itemWriteU32(to, EXPLAIN_SLOT, route.slot);
    to = itemWriteU32(to, EXPLAIN_GENERATION, route.generation);
  }
  if (route.policy != ROUTE_NONE) to = itemWriteU32(to, POLICY_ACTION, policyAction(route.policy));
  to = flowTell(to, p, length);
  answer.length = <u32>(to - answer.start);
  store<u32>(answer.start, MANAGEMENT_EXPLANATION, MANAGEMENT_TYPE);
  store<u32>(answer.start, load<u32>(command.start, MANAGEMENT_TRANSACTION), MANAGEMENT_TRANSACTION);
  store<u32>(answer.start, answer.length, MANAGEMENT_LENGTH);
  transmit(PORT_MANAGEMENT, answer);
  return route;
}
