/**
 * `npm run bench -- links`: what a packet costs on its way from the IKE board to an IPsec board, by the kind of link (claims 11 and
 * 21). Ethernet with IP-in-IP, ATM with LLC/SNAP in whole PDUs and in cells, turn about in one run.
 *
 *   --sizes N,...   64,...,1500: octets of the IP packet
 *   --turns N       15: turns of each contestant; the median counts
 *   --json FILE     {rows: [{octets, link, header, bits, cells, efficiency, firmware, hardware, ratios}]}; times in ns
 *
 *   header      octets that the firmware puts in front of the packet
 *   bits        on the line, with all that the hardware adds: FCS, preamble and gap; or trailer, pad and cell headers
 *   efficiency  bits of packet to bits on the line
 *   firmware    push at one board (S605) and pull at the other (S702)
 *   hardware    what the emulated cards and the backplane do: check sequences, cells, and the copy from RAM to RAM
 *
 * Ratios of times are to Ethernet's. What crosses is compared with what was sent.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FABRIC_VCI_BASE, LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { buildEntry } from "../../host/build/build.ts";
import { CELL_BITS } from "../../host/chassis/aal5.ts";
import { createLink, isAtm, type LinkKind, WIRE_MAX } from "../../host/chassis/backplane.ts";
import { race } from "./crypto/race.ts";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "64,128,256,512,1024,1280,1400,1500" },
    turns: { type: "string", default: "15" },
    json: { type: "string" },
  },
});
const SIZES = values.sizes.split(",").map(Number);
const TURNS = Number(values.turns);
if (!SIZES.every((size) => Number.isInteger(size) && size >= 28 && size <= 9196) || !(TURNS > 0))
  throw new Error("--sizes wants numbers from 28 to 9196, --turns a number");

const KINDS: readonly LinkKind[] = ["ethernet", "atm", "atm-cell"];
const NAMES: Record<LinkKind, string> = { ethernet: "Ethernet", atm: "ATM frames", "atm-cell": "ATM cells" };
const VC = FABRIC_VCI_BASE + 5;
/** RAM of the kernels, as asconfig.json has it. */
const PAGES = 1024;
const PACE = { turns: TURNS, turnMs: 20, warmUpMs: 100 };

interface Kernels {
  channelPrepare(kind: number, length: number): number;
  channelPush(count: number): void;
  channelArrive(kind: number): void;
  channelTake(count: number): void;
  channelCapsule(): number;
}

const module = new WebAssembly.Module(readFileSync(await buildEntry("test/entries/channel_kernels.ts")));

/** The firmware of both ends on one kind of link, each in RAM of its own. */
class Firmware {
  readonly header: number;
  readonly #push: Kernels;
  readonly #pull: Kernels;
  readonly #ram: Uint8Array;
  readonly #octets: number;

  constructor(kind: number, octets: number) {
    const [push, ram] = instantiate();
    const [pull] = instantiate();
    this.header = push.channelPrepare(kind, octets);
    pull.channelPrepare(kind, octets);
    pull.channelArrive(kind);
    [this.#push, this.#pull, this.#ram, this.#octets] = [push, pull, ram, octets];
  }

  /** The packet in its capsule. */
  get capsule(): Uint8Array {
    const at = this.#push.channelCapsule();
    return this.#ram.slice(at, at + this.header + this.#octets);
  }

  run(count: number): void {
    this.#push.channelPush(count);
    this.#pull.channelTake(count);
  }
}

function instantiate(): [Kernels, Uint8Array] {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return [exports as unknown as Kernels, new Uint8Array(memory.buffer)];
}

/** Carries a frame from one RAM to another as the backplane does, `count` times. */
function carrier(kind: LinkKind, frame: Uint8Array): { bits: number; run(count: number): void } {
  const link = createLink(kind, 0);
  const receiver = link.receiver();
  const wire = new Uint8Array(WIRE_MAX);
  const ram = new Uint8Array(WIRE_MAX);
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const size = link.encode(frame, 0, frame.length, VC, wire, 0);
      const unit = link.unit(size);
      let length = 0;
      for (let at = 0; at < size; at += unit) length = receiver.take(wire, at, unit, VC);
      if (length !== frame.length) throw new Error(`${kind}: ${length} octets of ${frame.length} arrived`);
      ram.set(receiver.octets.subarray(receiver.start, receiver.start + length));
    }
  };
  run(1);
  if (!Buffer.from(ram.buffer, 0, frame.length).equals(frame)) throw new Error(`${kind}: another frame arrived`);
  return { bits: receiver.bits, run };
}

interface Row {
  octets: number;
  link: LinkKind;
  header: number;
  bits: number;
  cells: number;
  efficiency: number;
  firmware: number;
  hardware: number;
  ratios: { firmware: number; hardware: number };
}

const rows: Row[] = [];
const heads = "octets  link        header   bits  cells  efficiency  firmware ns       hardware ns";
console.log(heads);
for (const octets of SIZES) {
  const ends = KINDS.map((kind) => {
    const firmware = new Firmware(kind === "ethernet" ? LINK_ETHERNET : LINK_ATM, octets);
    return { kind, firmware, ...carrier(kind, firmware.capsule) };
  });
  const firmware = race(
    ends.map((end) => ({ name: end.kind, grain: 64, run: (count: number) => end.firmware.run(count) })),
    PACE,
  );
  const hardware = race(
    ends.map(({ kind, run }) => ({ name: kind, grain: 16, run })),
    PACE,
  );
  for (const {
    kind,
    firmware: { header },
    bits,
  } of ends) {
    const [fast, slow] = [firmware.get(kind)! * 1000, hardware.get(kind)! * 1000];
    const ratios = {
      firmware: firmware.get(kind)! / firmware.get("ethernet")!,
      hardware: hardware.get(kind)! / hardware.get("ethernet")!,
    };
    const cells = isAtm(kind) ? bits / CELL_BITS : 0;
    rows.push({
      octets,
      link: kind,
      header,
      bits,
      cells,
      efficiency: (octets * 8) / bits,
      firmware: fast,
      hardware: slow,
      ratios,
    });
    const time = (ns: number, ratio: number): string => `${ns.toFixed(1).padStart(8)}  ${ratio.toFixed(2).padEnd(6)}`;
    const columns = [
      String(octets).padStart(6),
      NAMES[kind].padEnd(10),
      String(header).padStart(6),
      String(bits).padStart(5),
      String(cells || "-").padStart(5),
      ((octets * 8) / bits).toFixed(3).padStart(10),
      time(fast, ratios.firmware),
      time(slow, ratios.hardware),
    ];
    console.log(columns.join("  "));
  }
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 1)}\n`);
