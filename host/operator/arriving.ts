/**
 * The boards are asked about packets as these arrive (Gateway.explainArriving): a few questions at a time, because their management rings
 * hold no more, and none of packets that are too large to be asked about.
 */
import type { Side } from "../nic/nic.ts";
import { EXPLAIN_PACKET_MAX, type PacketExplanation } from "./explain.ts";
import type { Gateway } from "./gateway.ts";

/** Questions under way: a few fit a board's management ring together. */
const OUTSTANDING = 8;

export class ArrivingQuestions {
  readonly #gateway: Pick<Gateway, "explainArriving">;
  #outstanding = 0;

  constructor(gateway: Pick<Gateway, "explainArriving">) {
    this.#gateway = gateway;
  }

  /** Asks about a packet that is about to be given to the boards; undefined when it is not asked about. The answer may fail to come. */
  ask(packet: Uint8Array, from: Side): Promise<PacketExplanation> | undefined {
    if (this.#outstanding === OUTSTANDING || packet.length > EXPLAIN_PACKET_MAX) return undefined;
    this.#outstanding += 1;
    const explained = this.#gateway.explainArriving(packet, from).finally(() => (this.#outstanding -= 1));
    explained.catch(() => undefined); // looked at in its turn
    return explained;
  }
}
