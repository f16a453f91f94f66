/**
 * What the demo does, as facts: two gateways negotiate, carry traffic both ways, show the path of one packet, and part.
 * Every claim is an expectation with a name; the demo has failed when one is not met.
 */
import { performance } from "node:perf_hooks";
import { TRACE_MASK_BOARD, TRACE_MASK_ESTABLISH, TRACE_MASK_IKE, TRACE_MASK_PACKET } from "../../assembly/abi/trace.ts";
import { inOrder, type SlotStatus } from "../chassis/chassis.ts";
import type { ConnectionSas } from "../operator/sas.ts";
import { negotiationText, packetText } from "../operator/step_text.ts";
import { MARK, udpPacket } from "./packets.ts";
import { Pair, type Site } from "./pair.ts";

export interface Expectation {
  name: string;
  ok: boolean;
  detail: string;
}

export interface Step {
  chassis: string;
  slot: number;
  /** S601 ... S706. */
  step: string;
  /** What happened there, in words. */
  text: string;
}

export interface BoardFacts {
  chassis: string;
  slot: number;
  board: string;
  image: string;
  state: string;
  generation: number;
  framesIn: number;
  sent: number;
  consumed: number;
  dropped: number;
  drops: Record<string, number>;
}

export interface DemoFacts {
  ok: boolean;
  expectations: Expectation[];
  boot: { chassis: string; link: string; boards: BoardFacts[] }[];
  negotiation: string[];
  placement: { chassis: string; child: string; spi: string; slot: number }[];
  sas: Record<string, ConnectionSas[]>;
  path: { outbound: Step[]; inbound: Step[] };
  traffic: { sent: number; received: number; octets: number; onTheWan: number; inClearOnTheWan: number };
  throughput: {
    packets: number;
    octetsPerPacket: number;
    packetsPerSecond: number;
    megabitsPerSecond: number;
    note: string;
  };
  counters: BoardFacts[];
  drops: Record<string, Record<string, number>>;
}

/** Tells the story as it goes along. */
export type Teller = (line: string) => void;

const NETS = [1, 2];
const TRAFFIC_PACKETS = 400;
const BURST = 64;
const THROUGHPUT_PACKETS = 20_000;
const THROUGHPUT_OCTETS = 1400;

/** Runs the demo; never throws for a broken expectation. */
export async function runDemo(tell: Teller): Promise<DemoFacts> {
  const expectations: Expectation[] = [];
  const expect = (name: string, ok: boolean, detail: string): void => {
    expectations.push({ name, ok, detail });
    tell(`  ${ok ? "ok  " : "FAIL"}  ${name}: ${detail}`);
  };
  const pair = new Pair({ links: { moon: "ethernet", sun: "atm" } });
  const sites = [pair.moon, pair.sun];
  const wan = { packets: 0, clear: 0 };
  pair.wan.filter = (packet) => {
    wan.packets += 1;
    if (Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength).includes(MARK)) wan.clear += 1;
  };
  try {
    tell("Boot: two chassis, one on Ethernet links, one on ATM links, each an IKE board and two IPsec boards");
    for (const site of sites) site.chassis.trace(TRACE_MASK_BOARD | TRACE_MASK_ESTABLISH | TRACE_MASK_IKE);
    await pair.start();
    const boot = sites.map(({ name, chassis }) => ({
      chassis: name,
      link: chassis.show().link,
      boards: boardsOf(name, chassis.show().slots),
    }));
    for (const { chassis, link, boards } of boot) {
      for (const b of boards)
        tell(`  ${chassis.padEnd(4)} slot ${b.slot}  ${b.board.padEnd(5)} ${b.image}  ${b.state}  (${link})`);
    }
    expect(
      "boards online",
      boot.every(({ boards }) => boards.every(({ state }) => state === "Online")),
      "3 + 3",
    );

    tell("\nNegotiation: moon initiates both children with sun (IKEv2, PSK)");
    const established = await pair.establish(30_000, NETS.length);
    const negotiation = negotiationOf(sites);
    for (const line of negotiation) tell(`  ${line}`);
    expect(
      "CHILD_SAs installed",
      established,
      `${pair.installed(pair.moon)} at moon, ${pair.installed(pair.sun)} at sun`,
    );

    tell("\nPlacement: which SA went to which board (S402, round robin)");
    const sas: Record<string, ConnectionSas[]> = {};
    for (const site of sites) sas[site.name] = await site.gateway.sas();
    const placement = sites.flatMap(({ name }) =>
      (sas[name] ?? []).flatMap((ike) =>
        ike["child-sas"].map((child) => ({
          chassis: name,
          child: child.name,
          spi: child["spi-in"],
          slot: child.slot ?? -1,
        })),
      ),
    );
    for (const p of placement) tell(`  ${p.chassis.padEnd(4)} ${p.child}  SPI ${p.spi}  slot ${p.slot}`);
    for (const { name } of sites) {
      const slots = new Set(placement.filter(({ chassis }) => chassis === name).map(({ slot }) => slot));
      expect(`${name} spreads its SAs`, slots.size === 2 && !slots.has(-1), `slots ${[...slots].join(" and ")}`);
    }

    tell("\nOne packet, step by step: a host at moon (10.1.1.5) to a host at sun (10.2.1.5)");
    for (const site of sites) {
      site.chassis.readTrace();
      site.chassis.trace(TRACE_MASK_PACKET);
    }
    const probe = udpPacket("10.1.1.5", "10.2.1.5", 1, 200);
    pair.moon.send(probe);
    await pair.drive.run();
    const path = { outbound: stepsOf(pair.moon), inbound: stepsOf(pair.sun) };
    for (const s of [...path.outbound, ...path.inbound])
      tell(`  ${s.chassis.padEnd(4)} slot ${s.slot}  ${s.step}  ${s.text}`);
    const inOrder = "S601 S602 S603 S604 S605 S701 S702 S703 S704 S705 S706";
    expect("outbound path", namesOf(path.outbound) === inOrder, namesOf(path.outbound));
    expect("inbound path", namesOf(path.inbound) === inOrder, namesOf(path.inbound));
    const got = pair.sun.received.at(-1);
    expect(
      "the packet arrived unchanged",
      got !== undefined && Buffer.compare(got.packet, probe) === 0,
      `${got?.packet.length ?? 0} octets`,
    );
    expect(
      "the IPsec board sent it itself (S706)",
      got !== undefined && got.slot !== pair.sun.chassis.ikeSlot,
      `slot ${got?.slot ?? "none"}`,
    );
    for (const site of sites) site.chassis.trace(0);

    tell(`\nTraffic: ${TRAFFIC_PACKETS} packets each way over both children`);
    const traffic = await exchange(pair);
    expect(
      "all packets arrived, none changed",
      traffic.received === traffic.sent,
      `${traffic.received} of ${traffic.sent}`,
    );
    expect(
      "nothing in clear on the WAN",
      wan.packets > traffic.sent && wan.clear === 0,
      `${wan.clear} of ${wan.packets} packets`,
    );

    tell(
      `\nThroughput: ${THROUGHPUT_PACKETS} packets of ${THROUGHPUT_OCTETS} octets from moon to sun, sealed and opened on one thread`,
    );
    const throughput = await measure(pair);
    expect("throughput run complete", throughput.packets === THROUGHPUT_PACKETS, `${throughput.packets} packets`);
    tell(
      `  ${Math.round(throughput.packetsPerSecond)} packets/s, ${throughput.megabitsPerSecond.toFixed(0)} Mbit/s (${throughput.note})`,
    );

    tell("\nCounters");
    for (const site of sites) sas[site.name] = await site.gateway.sas();
    const counters = sites.flatMap(({ name, chassis }) => boardsOf(name, chassis.show().slots));
    for (const c of counters) {
      tell(
        `  ${c.chassis.padEnd(4)} slot ${c.slot}  in ${c.framesIn}  sent ${c.sent}  consumed ${c.consumed}  dropped ${c.dropped}`,
      );
    }
    const drops = Object.fromEntries(sites.map(({ name, chassis }) => [name, chassis.show().drops]));
    expect(
      "no packet was dropped",
      Object.values(drops).every((d) => Object.keys(d).length === 0),
      JSON.stringify(drops),
    );
    expect(
      "every frame accounted for",
      sites.every(({ chassis }) => chassis.show().slots.every(conserved)),
      "in + originated = sent + consumed + dropped + held",
    );
    expect(
      "no board trapped",
      sites.every(({ chassis }) => chassis.faults.length === 0),
      "0 faults",
    );

    tell("\nGoodbye: moon deletes its SAs at the peer");
    await pair.moon.gateway.terminate();
    await pair.drive.run(1000);
    const left = (await pair.sun.gateway.sas()).filter(({ state }) => state !== "DOWN").length;
    expect("the peer's SAs are gone", left === 0, `${left} IKE_SAs left at sun`);

    return {
      ok: expectations.every(({ ok }) => ok),
      expectations,
      boot,
      negotiation,
      placement,
      sas,
      path,
      traffic: { ...traffic, onTheWan: wan.packets, inClearOnTheWan: wan.clear },
      throughput,
      counters,
      drops,
    };
  } finally {
    await pair.close();
  }
}

const namesOf = (steps: readonly Step[]): string => steps.map(({ step }) => step).join(" ");

function boardsOf(chassis: string, slots: readonly SlotStatus[]): BoardFacts[] {
  return slots.map(({ slot, board, image, state, generation, counters, drops }) => ({
    chassis,
    slot,
    board,
    image,
    state,
    generation,
    framesIn: counters.in,
    sent: counters.sent,
    consumed: counters.consumed,
    dropped: counters.dropped,
    drops,
  }));
}

function conserved({ counters, frames }: SlotStatus): boolean {
  const gone = counters.sent + counters.consumed + counters.dropped + frames.held;
  return counters.in + counters.originated === gone;
}

/** What both chassis did until now, in the order of the clock. */
function negotiationOf(sites: readonly Site[]): string[] {
  return sites
    .flatMap(({ name, chassis }) => chassis.readTrace().map((entry) => ({ name, entry })))
    .filter(({ entry }) => negotiationText(entry) !== undefined)
    .sort((x, y) => inOrder(x.entry, y.entry))
    .map(({ name, entry }) => {
      const at = (Number(entry.now) / 1e6).toFixed(0).padStart(5);
      return `${at} ms  ${name.padEnd(4)} slot ${entry.slot}  ${negotiationText(entry)}`;
    });
}

function stepsOf({ name, chassis }: Site): Step[] {
  return chassis.readTrace().flatMap((entry) => {
    const text = packetText(entry);
    return text === undefined ? [] : [{ chassis: name, slot: entry.slot, step: entry.name, text }];
  });
}

/** Sends both ways over both children; counts what arrived as it was sent. */
async function exchange(pair: Pair): Promise<{ sent: number; received: number; octets: number }> {
  const expected = { moon: new Map<string, number>(), sun: new Map<string, number>() };
  pair.moon.received.length = 0;
  pair.sun.received.length = 0;
  let sent = 0;
  let octets = 0;
  for (let i = 0; i < TRAFFIC_PACKETS; i++) {
    const net = NETS[i % NETS.length];
    const size = 60 + ((i * 97) % 1300);
    for (const [from, to, a, b] of [
      [pair.moon, "sun", 1, 2],
      [pair.sun, "moon", 2, 1],
    ] as const) {
      const packet = udpPacket(`10.${a}.${net}.5`, `10.${b}.${net}.5`, sent, size);
      const key = Buffer.from(packet).toString("latin1");
      expected[to].set(key, (expected[to].get(key) ?? 0) + 1);
      from.send(packet);
      sent += 1;
      octets += packet.length;
    }
    if (i % BURST === BURST - 1) await pair.drive.run();
  }
  await pair.drive.run();
  let received = 0;
  for (const to of ["moon", "sun"] as const) {
    for (const { packet } of pair[to].received) {
      const key = Buffer.from(packet).toString("latin1");
      const left = expected[to].get(key) ?? 0;
      if (left > 0) received += 1;
      expected[to].set(key, left - 1);
    }
  }
  return { sent, received, octets };
}

async function measure(pair: Pair): Promise<DemoFacts["throughput"]> {
  const packets = NETS.map((net) => udpPacket(`10.1.${net}.9`, `10.2.${net}.9`, 0, THROUGHPUT_OCTETS));
  pair.sun.received.length = 0;
  let arrived = 0;
  const started = performance.now();
  for (let sent = 0; sent < THROUGHPUT_PACKETS; ) {
    for (let i = 0; i < 2 * BURST && sent < THROUGHPUT_PACKETS; i++, sent++) {
      pair.moon.send(packets[sent % packets.length] as Uint8Array);
    }
    await pair.drive.run();
    arrived += pair.sun.received.length;
    pair.sun.received.length = 0;
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    packets: arrived,
    octetsPerPacket: THROUGHPUT_OCTETS,
    packetsPerSecond: arrived / seconds,
    megabitsPerSecond: (arrived * THROUGHPUT_OCTETS * 8) / seconds / 1e6,
    note: "both gateways, the WAN and the measurement share one thread",
  };
}
