/**
 * Metrics for Prometheus, under the names that dashboards of IPsec exporters know, and `cardcage_*` for the chassis.
 *
 * Everything is asked of the gateway when it is scraped. Labels are configured names, slots and reasons, never an SPI or a number that
 * every rekey changes: what the SAs of a child carry is added up, over its rekeys too, as far as a scrape has seen it. Text is
 * prom-client's.
 */
import { Counter, Gauge, Registry } from "prom-client";
import { isAtm } from "../chassis/backplane.ts";
import type { ChassisStatus } from "../chassis/chassis.ts";
import type { BoardsStatus, Gateway } from "./gateway.ts";
import type { ChildSas, ConnectionSas } from "./sas.ts";

/** Values of ipsec_ike_sa_state and ipsec_child_sa_state: vici's states, in the order of strongSwan's. */
const IKE_STATES = ["DOWN", "CONNECTING", "ESTABLISHED", "REKEYING", "REKEYED", "DELETING"];
const CHILD_STATES = ["DOWN", "CREATED", "INSTALLING", "INSTALLED", "REKEYING", "REKEYED", "DELETING"];

/** What a child's SAs have carried. */
interface Carried {
  bytesIn: number;
  bytesOut: number;
  packetsIn: number;
  packetsOut: number;
}

const CARRIED = ["bytesIn", "bytesOut", "packetsIn", "packetsOut"] as const;

const carriedBy = (sa: ChildSas): Carried => ({
  bytesIn: sa["bytes-in"],
  bytesOut: sa["bytes-out"],
  packetsIn: sa["packets-in"],
  packetsOut: sa["packets-out"],
});

/** Adds up what SAs count, each from 0, into what a child counts, which only rises. */
class Totals {
  readonly #children = new Map<string, Carried>();
  /** By SPI, of the last scrape. */
  #seen = new Map<string, Carried>();

  take(sas: readonly { connection: string; sa: ChildSas }[]): void {
    const seen = new Map<string, Carried>();
    for (const { connection, sa } of sas) {
      const key = `${sa["spi-in"]}/${sa["spi-out"]}`;
      const now = carriedBy(sa);
      const before = this.#seen.get(key);
      const total = this.#of(connection, sa.name);
      // A board that was restarted counts from 0 again.
      for (const kind of CARRIED) total[kind] += now[kind] - Math.min(before?.[kind] ?? 0, now[kind]);
      seen.set(key, now);
    }
    this.#seen = seen;
  }

  /** Every child that ever had an SA: its labels, and what it carried. Names are configured ones, so that they are not many. */
  *[Symbol.iterator](): Generator<[labels: string[], carried: Carried]> {
    for (const [key, carried] of this.#children) yield [JSON.parse(key) as string[], carried];
  }

  #of(connection: string, child: string): Carried {
    const key = JSON.stringify([connection, child]);
    let total = this.#children.get(key);
    if (!total) this.#children.set(key, (total = { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0 }));
    return total;
  }
}

const CONNECTION = ["ike_sa_name"] as const;
const CHILD = ["ike_sa_name", "child_sa_name"] as const;
const SLOT = ["slot", "board"] as const;

/** The metrics of one gateway. */
export class Metrics {
  readonly #gateway: Gateway;
  readonly #registry = new Registry();
  readonly #totals = new Totals();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    const gauge = (name: string, help: string, labelNames: readonly string[] = []): void =>
      void this.#gauges.set(name, new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] }));
    const counter = (name: string, help: string, labelNames: readonly string[]): void =>
      void this.#counters.set(
        name,
        new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] }),
      );
    gauge("ipsec_up", "1: the IKE board answers.");
    gauge("ipsec_ike_sas", "IKE_SAs that are established.");
    gauge("ipsec_half_open_ike_sas", "IKE_SAs that are being negotiated.");
    gauge("ipsec_ike_sa_state", `State of a connection's newest IKE_SA: ${told(IKE_STATES)}.`, CONNECTION);
    gauge("ipsec_ike_sa_established_seconds", "Age of a connection's newest IKE_SA.", CONNECTION);
    gauge("ipsec_child_configured", "1: a configured child.", CHILD);
    gauge("ipsec_child_up", "1: the child has an SA that carries packets.", CHILD);
    gauge("ipsec_child_sa_state", `State of a child's newest CHILD_SA: ${told(CHILD_STATES)}.`, CHILD);
    gauge("ipsec_child_sa_installed_seconds", "Age of a child's newest CHILD_SA.", CHILD);
    counter("ipsec_child_sa_bytes_in", "Octets of clear packets that were opened, over rekeys.", CHILD);
    counter("ipsec_child_sa_bytes_out", "Octets of clear packets that were sealed, over rekeys.", CHILD);
    counter("ipsec_child_sa_packets_in", "Packets that were opened, over rekeys.", CHILD);
    counter("ipsec_child_sa_packets_out", "Packets that were sealed, over rekeys.", CHILD);
    gauge("cardcage_board_up", "1: the board is online.", SLOT);
    gauge("cardcage_board_ram_bytes", "RAM that the board was given.", SLOT);
    gauge("cardcage_board_ram_used_bytes", "RAM that its firmware has taken.", SLOT);
    gauge("cardcage_board_sas", "CHILD_SAs that are placed on the board.", SLOT);
    gauge("cardcage_board_sa_capacity", "CHILD_SAs that the board takes.", SLOT);
    gauge("cardcage_board_weight", "The board's share among unlike ones.", SLOT);
    gauge("cardcage_board_load", "Work a second as the board measures it, smoothed; 1e9 is a busy processor.", SLOT);
    counter("cardcage_audit_compared_total", "SAs that the audit of the local databases compared.", ["slot"]);
    counter("cardcage_audit_repaired_total", "Disagreements that it found and repaired.", ["slot", "kind"]);
    gauge("cardcage_alarm", "1: the alarm stands.", ["slot", "alarm", "severity"]);
    counter("cardcage_board_restarts_total", "How often the board was started again.", SLOT);
    counter("cardcage_board_cut_through_packets_total", "Packets that came to the board past the IKE board.", SLOT);
    counter("cardcage_packets_dropped_total", "Frames that ended on a board, by reason; see cardcage drops.", [
      "slot",
      "reason",
    ]);
    counter("cardcage_nic_packets_total", "Packets that a NIC has moved, by way.", ["side", "way"]);
    counter("cardcage_nic_packets_dropped_total", "Packets that a NIC has dropped, by reason.", ["side", "reason"]);
    counter("cardcage_backplane_frames_total", "Frames on a board's link.", ["link", "direction"]);
    counter("cardcage_backplane_bytes_total", "Octets of frames on a board's link.", ["link", "direction"]);
    counter("cardcage_backplane_bits_total", "Bits of those frames on the line.", ["link", "direction"]);
    counter("cardcage_backplane_cells_total", "ATM cells of those frames.", ["link", "direction"]);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. An IKE board that does not answer is told as `ipsec_up 0`, with what the chassis knows. */
  async scrape(): Promise<string> {
    for (const metric of [...this.#gauges.values(), ...this.#counters.values()]) metric.reset();
    const status = this.#gateway.chassis.show();
    this.#chassis(status);
    try {
      const sas = await this.#gateway.sas();
      const connections = await this.#gateway.connections();
      this.#ipsec(sas, status);
      this.#placement(await this.#gateway.boards());
      const carrying = new Set(
        sas.flatMap((ike) =>
          ike["child-sas"]
            .filter(({ state }) => /^(INSTALLED|REKEY)/.test(state))
            .map((sa) => JSON.stringify([ike.name, sa.name])),
        ),
      );
      for (const { name, children } of connections) {
        for (const child of children) {
          this.#set("ipsec_child_configured", 1, [name, child]);
          this.#set("ipsec_child_up", carrying.has(JSON.stringify([name, child])) ? 1 : 0, [name, child]);
        }
      }
      this.#set("ipsec_up", 1);
    } catch {
      this.#set("ipsec_up", 0);
    }
    return this.#registry.metrics();
  }

  #set(name: string, value: number, labels: readonly string[] = []): void {
    const gauge = this.#gauges.get(name)!;
    if (labels.length === 0) gauge.set(value);
    else gauge.labels(...labels).set(value);
  }

  #add(name: string, value: number, labels: readonly string[]): void {
    this.#counters
      .get(name)!
      .labels(...labels)
      .inc(value);
  }

  #chassis({ link, slots, links, alarms, nics }: ChassisStatus): void {
    for (const { side, moved, dropped } of nics) {
      for (const [way, count] of Object.entries(moved)) this.#add("cardcage_nic_packets_total", count, [side, way]);
      for (const [reason, count] of Object.entries(dropped))
        this.#add("cardcage_nic_packets_dropped_total", count, [side, reason]);
    }
    for (const { slot, board, state, ram, restarts, cutThrough, drops, chassisDrops } of slots) {
      const labels = [String(slot), board];
      this.#set("cardcage_board_up", state === "Online" ? 1 : 0, labels);
      this.#set("cardcage_board_ram_bytes", ram.total, labels);
      this.#set("cardcage_board_ram_used_bytes", ram.used, labels);
      this.#add("cardcage_board_restarts_total", restarts, labels);
      this.#add("cardcage_board_cut_through_packets_total", cutThrough, labels);
      for (const [reason, count] of [...Object.entries(drops), ...Object.entries(chassisDrops)])
        this.#add("cardcage_packets_dropped_total", count, [String(slot), reason]);
    }
    for (const { slot, name, severity } of alarms) this.#set("cardcage_alarm", 1, [String(slot), name, severity]);
    for (const { name, toBoard, fromBoard } of links) {
      for (const [direction, counted] of [
        ["to_board", toBoard],
        ["from_board", fromBoard],
      ] as const) {
        this.#add("cardcage_backplane_frames_total", counted.frames, [name, direction]);
        this.#add("cardcage_backplane_bytes_total", counted.octets, [name, direction]);
        this.#add("cardcage_backplane_bits_total", counted.bits, [name, direction]);
        if (isAtm(link)) this.#add("cardcage_backplane_cells_total", counted.cells, [name, direction]);
      }
    }
  }

  #placement({ slots }: BoardsStatus): void {
    for (const { slot, board, sas, capacity = 0, weight = 0, load = 0, audit } of slots) {
      if (sas === undefined || !audit) continue;
      const labels = [String(slot), board];
      this.#set("cardcage_board_sa_capacity", capacity, labels);
      this.#set("cardcage_board_weight", weight, labels);
      this.#set("cardcage_board_load", load, labels);
      this.#add("cardcage_audit_compared_total", audit.compared, [String(slot)]);
      for (const kind of ["unknown", "misplaced", "missing"] as const)
        this.#add("cardcage_audit_repaired_total", audit[kind], [String(slot), kind]);
    }
  }

  #ipsec(sas: readonly ConnectionSas[], { slots }: ChassisStatus): void {
    const count = (state: RegExp): number => sas.filter((ike) => state.test(ike.state)).length;
    this.#set("ipsec_ike_sas", count(/^(ESTABLISHED|REKEYING|REKEYED)$/));
    this.#set("ipsec_half_open_ike_sas", count(/^CONNECTING$/));
    // The newest of a name stands last.
    for (const ike of sas) {
      this.#set("ipsec_ike_sa_state", IKE_STATES.indexOf(ike.state), [ike.name]);
      if (ike.established !== undefined) this.#set("ipsec_ike_sa_established_seconds", ike.established, [ike.name]);
    }
    const children = sas.flatMap((ike) => ike["child-sas"].map((sa) => ({ connection: ike.name, sa })));
    this.#totals.take(children);
    for (const { connection, sa } of children) {
      const labels = [connection, sa.name];
      this.#set("ipsec_child_sa_state", CHILD_STATES.indexOf(sa.state), labels);
      this.#set("ipsec_child_sa_installed_seconds", sa["install-time"], labels);
    }
    for (const [labels, carried] of this.#totals) {
      this.#add("ipsec_child_sa_bytes_in", carried.bytesIn, labels);
      this.#add("ipsec_child_sa_bytes_out", carried.bytesOut, labels);
      this.#add("ipsec_child_sa_packets_in", carried.packetsIn, labels);
      this.#add("ipsec_child_sa_packets_out", carried.packetsOut, labels);
    }
    for (const { slot, board } of slots) {
      if (board !== "ipsec") continue;
      const placed = children.filter(({ sa }) => sa.slot === slot).length;
      this.#set("cardcage_board_sas", placed, [String(slot), board]);
    }
  }
}

const told = (states: readonly string[]): string => states.map((state, i) => `${i} ${state}`).join(", ");
