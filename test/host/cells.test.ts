/**
 * Cell mode between real rings of boards (test/entries/echo.ts), in both drives: PDUs of every size cross as cells, those of several
 * VCs mix on their way to one slot, and what faults of single cells cost is counted by name and touches no other VC.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_CLASS_IKE, BOARD_CLASS_IPSEC } from "../../assembly/abi/board.ts";
import { FABRIC_MTU } from "../../assembly/abi/fabric.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";
import { CELL_OCTETS, cellsOctets, vcOf } from "../../host/chassis/aal5.ts";
import type { Cage, Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import { loadImageFile } from "../../host/chassis/image.ts";
import type { FaultSpec } from "../../host/chassis/tap/fault_injector.ts";
import { Tracer } from "../../host/chassis/tap/tracer.ts";
import { CHASSIS_DROP_NAMES } from "../../host/chassis/vocabulary.ts";

const [ike, ipsec] = (
  await Promise.all(["echo_ike", "echo_ipsec"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")))
).map((path) => loadImageFile(path));
const BOARDS = [1, 2, 3];

interface Bench {
  drive: Drive;
  cage: Cage;
  /** Frames that left the backplane, by slot. */
  got: Map<number, Uint8Array[]>;
}

/** A slot's board sends a frame on its VC; what arrives leaves on PROTECTED. */
function send({ cage }: Bench, from: number, vc: number, frame: Uint8Array): void {
  const packet = new Uint8Array(5 + frame.length);
  packet[0] = 0xc4;
  new DataView(packet.buffer).setUint32(1, vc, true);
  packet.set(frame, 5);
  assert.ok(cage.deliver(from, PORT_UNPROTECTED, packet));
}

const counting = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i === 0 ? first : (i * 7 + first) & 255));

function story(name: string, tell: (bench: Bench) => Promise<void>): void {
  for (const [kind, create] of Object.entries({
    lockstep: (): Drive => new Lockstep(),
    threaded: (): Drive => new Threaded(),
  })) {
    test(`${name} (${kind})`, async () => {
      const drive = create();
      const got = new Map<number, Uint8Array[]>();
      const cage = drive.cage({
        link: "atm-cell",
        ikeSlot: 0,
        slots: [0, ...BOARDS],
        events: {
          transmitted: (slot, port, packets) => {
            if (port === PORT_PROTECTED) got.set(slot, [...(got.get(slot) ?? []), ...packets]);
          },
          checkpoint: () => undefined,
          faulted: (slot, _generation, report) => assert.unreachable(`slot ${slot}: ${report.trapText}`),
        },
      });
      try {
        for (const slot of [0, ...BOARDS]) {
          const result = await cage.power(slot, slot === 0 ? ike! : ipsec!, {
            slot,
            generation: 1,
            boardClass: slot === 0 ? BOARD_CLASS_IKE : BOARD_CLASS_IPSEC,
            config: new Uint8Array(0),
            entropy: new Uint8Array(64),
            traceMask: 0,
            conservation: true,
          });
          assert.ok(result.online);
        }
        await drive.run();
        await tell({ drive, cage, got });
      } finally {
        await drive.close();
      }
    });
  }
}

const dropsOf = ({ cage }: Bench, slot: number): Record<string, number> =>
  Object.fromEntries(
    cage
      .drops(slot)
      .map((count, reason) => [CHASSIS_DROP_NAMES[reason]!, count] as const)
      .filter(([, count]) => count > 0),
  );

story(
  "frames of every size cross as the fewest cells and are the same, up to the link's MTU behind LLC/SNAP",
  async (bench) => {
    const sizes = [1, 39, 40, 41, 88, 89, 1508, FABRIC_MTU + 8];
    for (const [i, size] of sizes.entries()) send(bench, 0, 32 + 2, counting(size, i));
    await bench.drive.run();
    assert.equal(
      bench.got.get(2),
      sizes.map((size, i) => counting(size, i)),
    );
    const { toBoard, fromBoard } = bench.cage.linkCounters(2);
    const cells = sizes.reduce((sum, size) => sum + cellsOctets(size) / CELL_OCTETS, 0);
    assert.equal(toBoard, { frames: sizes.length, octets: sizes.reduce((a, b) => a + b), bits: cells * 424 });
    assert.is(fromBoard.frames, 0);
    assert.is(bench.cage.linkCounters(0).fromBoard.bits, cells * 424);
  },
);

story("cells of several VCs towards one slot mix, and every PDU is whole", async (bench) => {
  const tracer = new Tracer();
  bench.cage.tap(tracer.tap);
  for (let round = 0; round < 20; round++) {
    for (const slot of BOARDS) for (let i = 0; i < 4; i++) send(bench, slot, 32 + slot, counting(1400 + i, slot));
    await bench.drive.run();
  }
  const arrived = bench.got.get(0)!;
  assert.is(arrived.length, 20 * BOARDS.length * 4);
  for (const frame of arrived) assert.equal(frame, counting(frame.length, frame[0]!));
  // In threads it is up to the machine when cells meet, but they do.
  let turns = 0;
  tracer.frames.forEach(({ wire, vc }, i) => {
    assert.is(vcOf(wire, 0), vc);
    const before = tracer.frames[i - 1];
    if (before && before.vc !== vc && !(before.wire[3]! & 2)) turns += 1;
  });
  assert.ok(turns > 0, `${turns} PDUs were interrupted by another VC's cells`);
});

const CELLS = cellsOctets(1000) / CELL_OCTETS;
const FAULTS: [string, FaultSpec, RegExp][] = [
  ["lost", { lose: 0.02 }, /^(injected_loss|aal5_length|aal5_crc)$/],
  ["doubled", { duplicate: 0.02 }, /^aal5_length$/],
  ["swapped", { reorder: 0.02 }, /^(aal5_crc|aal5_length)$/],
  ["damaged", { flip: 0.02 }, /^(atm_hec|aal5_crc|aal5_length)$/],
];
for (const [what, spec, reasons] of FAULTS) {
  story(
    `cells that are ${what}: whole PDUs arrive, the others are counted, and a sound backplane is sound at once`,
    async (bench) => {
      bench.cage.inject({ seed: 9, ...spec });
      const sent = 400;
      for (let i = 0; i < sent; i++) {
        send(bench, 0, 32 + 1, counting(1000, i & 255));
        if (i % 50 === 49) await bench.drive.run();
      }
      await bench.drive.run();
      const arrived = bench.got.get(1)!;
      for (const frame of arrived) assert.equal(frame, counting(1000, frame[0]!));
      const drops = dropsOf(bench, 1);
      for (const name of Object.keys(dropsOf(bench, 0))) assert.match(name, /^injected_loss$/);
      for (const name of Object.keys(drops)) assert.match(name, reasons, what);
      const lost = (drops["aal5_crc"] ?? 0) + (drops["aal5_length"] ?? 0);
      // A cell in fifty, of 21 in a PDU: a third of them suffers. A lost end makes one PDU of two.
      assert.ok(lost > sent / 10 && arrived.length > sent / 3, `${arrived.length} whole, ${lost} lost`);
      if (what === "doubled") assert.ok(arrived.length + lost >= sent);
      else assert.ok(arrived.length + lost <= sent);
      bench.cage.inject(undefined);
      bench.got.clear();
      // What a lost last cell left behind ends with the next PDU.
      for (let i = 0; i < 3; i++) send(bench, 0, 32 + 1, counting(1000, i));
      await bench.drive.run();
      assert.ok((bench.got.get(1) ?? []).length >= 2);
      assert.is(bench.got.get(2), undefined, "no other board has seen any of it");
      assert.equal(dropsOf(bench, 2), {});
      assert.ok(CELLS === 21);
    },
  );
}

test.run();
