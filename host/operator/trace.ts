/**
 * `trace`: what becomes of live packets, and why, for those that a filter (trace_filter.ts) chooses.
 *
 * The boards are asked about a packet as it arrives (Gateway.explainArriving): the question is in front of it on their management
 * rings, so that what they say is of the moment at which they meet it. The packet itself is neither held nor changed. What may differ is
 * what cannot be foreseen: a full ring on its way, and packets between its question and itself.
 *
 * A few questions are under way at a time (arriving.ts); packets beyond are not looked at, and counted as missed. Without a trace nothing is
 * asked, and a packet costs nothing.
 */
import type { Side } from "../nic/nic.ts";
import { ArrivingQuestions } from "./arriving.ts";
import type { PacketExplanation } from "./explain.ts";
import type { FlowText } from "./explanation.ts";
import type { Gateway } from "./gateway.ts";
import { addressText } from "./identity.ts";
import type { TraceFilter } from "./trace_filter.ts";

/** One traced packet; `missed`: how many were not looked at since the one before. */
export interface TracedPacket {
  /** When it arrived, seconds since 1970. */
  time: number;
  missed: number;
  explanation: PacketExplanation;
}

export class PacketTrace {
  readonly #gateway: Gateway;
  readonly #questions: ArrivingQuestions;
  readonly #filter: TraceFilter;
  readonly #tell: (packet: TracedPacket) => void;
  readonly #stops: (() => void)[];
  #turn: Promise<void> = Promise.resolve();
  #missed = 0;
  #stopped = false;

  /** Traces until `stop`. */
  constructor(gateway: Gateway, filter: TraceFilter, tell: (packet: TracedPacket) => void) {
    this.#gateway = gateway;
    this.#questions = new ArrivingQuestions(gateway);
    this.#filter = filter;
    this.#tell = tell;
    const sides: Side[] = filter.from ? [filter.from] : ["protected", "unprotected"];
    this.#stops = sides.map((side) => gateway.chassis.onReceive(side, (packet) => this.#arrives(packet, side)));
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
  }

  #arrives(packet: Uint8Array, from: Side): void {
    const flow = plainFlow(packet);
    if (flow && !this.#filter.flow(flow)) return;
    const time = Number(this.#gateway.chassis.drive.clock.wall()) / 1e9;
    const explained = this.#questions.ask(packet, from);
    if (!explained) {
      this.#missed += 1;
      return;
    }
    // One board answers sooner than two: they are told in the order in which the packets came.
    this.#turn = this.#turn
      .then(() => explained)
      .then(
        (explanation) => this.#explained(time, explanation),
        () => void (this.#missed += 1),
      );
  }

  #explained(time: number, explanation: PacketExplanation): void {
    if (this.#stopped || !this.#filter.packet(explanation)) return;
    this.#tell({ time, missed: this.#missed, explanation });
    this.#missed = 0;
  }
}

/** The flow of a packet that is what it looks like; undefined where the boards have to say: sealed, in UDP, or with headers between. */
function plainFlow(packet: Uint8Array): FlowText | undefined {
  const six = (packet[0] ?? 0) >> 4 === 6;
  const header = six ? 40 : ((packet[0] ?? 0) & 15) * 4;
  if (packet.length < header + 4 || header < 20) return undefined;
  const protocol = six ? packet[6]! : packet[9]!;
  if (![1, 6, 17, 58, 132].includes(protocol)) return undefined;
  const word = (at: number): number => (packet[at]! << 8) | packet[at + 1]!;
  if (!six && (word(6) & 0x3fff) !== 0) return undefined;
  const [source, destination] = [word(header), word(header + 2)];
  if (protocol === 17 && (source === 4500 || destination === 4500)) return undefined;
  const [at, octets] = six ? [8, 16] : [12, 4];
  const address = (place: number): string => addressText(packet.subarray(place, place + octets));
  const ends = { source: address(at), destination: address(at + octets), protocol };
  const icmp = protocol === 1 || protocol === 58;
  return icmp ? ends : { ...ends, "source-port": source, "destination-port": destination };
}
