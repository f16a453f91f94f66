/**
 * What a board leaves as its checkpoint (test/entries/trap_board.ts), in both drives: whole records reach the chassis as they stand, before
 * anything that was sent with them; what is not whole records is the end of that board, and of no other, and nothing of that poll leaves.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_CLASS_IKE, BOARD_CLASS_IPSEC } from "../../assembly/abi/board.ts";
import { CHECKPOINT_HEADER, CHECKPOINT_OCTETS, CHECKPOINT_RECORD_MAX } from "../../assembly/abi/checkpoint.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";
import type { Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import { loadImageFile } from "../../host/chassis/image.ts";

const [ike, ipsec, trap] = (
  await Promise.all(
    ["echo_ike", "echo_ipsec", "trap_board"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
  )
).map((path) => loadImageFile(path));
const IMAGES = [ike!, ipsec!, trap!];
const TRAP = 2;
const PATIENCE = 20_000;
const MAX_CONTENTS = CHECKPOINT_RECORD_MAX - CHECKPOINT_HEADER;

/** A record with so many octets of contents; `says`: what its OCTETS says. */
function record(contents: number, says = contents): Uint8Array {
  const made = new Uint8Array(CHECKPOINT_HEADER + contents).fill(contents & 0xff, CHECKPOINT_HEADER);
  new DataView(made.buffer).setUint32(CHECKPOINT_OCTETS, says, true);
  return made;
}

/** One behind the other, at multiples of 8. */
function area(...records: Uint8Array[]): Uint8Array {
  const padded = records.map((one) => Buffer.concat([one, Buffer.alloc((8 - (one.length % 8)) % 8)]));
  return new Uint8Array(Buffer.concat(padded));
}

/** The order to leave `octets` of checkpoint, which begin with `first` and go on with zeros. */
function order(first: Uint8Array, octets: number): Uint8Array {
  const message = new Uint8Array(8 + first.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, 0xd8, true);
  view.setUint32(4, octets, true);
  message.set(first, 8);
  return message;
}

interface Bench {
  /** Has the board leave a checkpoint; resolves when it has answered, or is no more. */
  leave(first: Uint8Array, octets?: number): Promise<void>;
  /** What happened, in its order. */
  told: string[];
  /** Octets of the checkpoint that came. */
  kept(): Uint8Array;
  /** Whether another board still sends a packet on. */
  serves(slot: number): Promise<boolean>;
}

const DRIVES: Record<string, () => { drive: Drive; threads?: ReadonlyMap<number, number> }> = {
  lockstep: () => ({ drive: new Lockstep() }),
  // A ring that has no room for the board's whole area.
  threaded: () => ({ drive: new Threaded({ hangMs: 1500, ringOctets: 32768 }) }),
  "one thread": () => ({
    drive: new Threaded({ hangMs: 1500, ringOctets: 32768 }),
    threads: new Map(IMAGES.map((_, slot) => [slot, 7])),
  }),
};

function story(name: string, tell: (bench: Bench) => Promise<void>): void {
  for (const [kind, create] of Object.entries(DRIVES)) {
    test(`${name} (${kind})`, async () => {
      const { drive, threads } = create();
      const told: string[] = [];
      const came: Uint8Array[] = [];
      let sentOn = 0;
      const cage = drive.cage({
        link: "ethernet",
        ikeSlot: 0,
        slots: IMAGES.map((_, slot) => slot),
        ...(threads ? { threads } : {}),
        events: {
          transmitted: (slot, port, packets) => {
            if (port === PORT_MANAGEMENT) told.push(`slot ${slot} answers`);
            if (port === PORT_PROTECTED) sentOn += packets.length;
          },
          checkpoint: (slot, records) => {
            if (told.at(-1) !== `slot ${slot} is kept`) told.push(`slot ${slot} is kept`);
            came.push(records.slice());
          },
          faulted: (slot, _generation, report) => told.push(`slot ${slot}: ${report.kind}: ${report.trapText}`),
        },
      });
      try {
        for (const [slot, image] of IMAGES.entries()) {
          const result = await cage.power(slot, image, {
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
        await tell({
          told,
          leave: async (first, octets = first.length) => {
            const before = told.length;
            assert.ok(cage.deliver(TRAP, PORT_MANAGEMENT, order(first, octets)));
            const ended = (): boolean => told.slice(before).some((line) => /answers|:/.test(line));
            assert.ok(await drive.until(ended, PATIENCE), "the board answered, or is no more");
          },
          kept: () => new Uint8Array(Buffer.concat(came.splice(0))),
          serves: async (slot) => {
            const before = sentOn;
            if (!cage.deliver(slot, PORT_UNPROTECTED, new Uint8Array(40))) return false;
            return drive.until(() => sentOn === before + 1, PATIENCE);
          },
        });
      } finally {
        await drive.close();
      }
    });
  }
}

const WHOLE: [string, Uint8Array, number?][] = [
  ["one without contents", area(record(0))],
  ["the longest", record(MAX_CONTENTS)],
  [
    "several, in more than one message",
    area(record(5), record(3000), record(1500), record(2000), record(1), record(8)),
  ],
  ["long ones one behind the other", record(4090), 4120 + 24 * 500],
  ["one that ends where the area does, at no multiple of 8", area(record(4100), record(16)).subarray(0, 4128 + 40)],
];
story("whole records come as they stand, in front of what was sent with them", async ({ leave, told, kept }) => {
  for (const [what, first, octets = first.length] of WHOLE) {
    told.length = 0;
    await leave(first, octets);
    assert.equal(told, [`slot ${TRAP} is kept`, `slot ${TRAP} answers`], what);
    const expected = new Uint8Array(octets);
    expected.set(first);
    assert.equal(kept(), expected, what);
  }
});

const NOT_WHOLE: [string, Uint8Array, number?][] = [
  ["a header that is cut", record(0).subarray(0, CHECKPOINT_HEADER - 1)],
  ["a header that is cut, behind more than fits into one message", record(4080), 4104 + 8],
  ["contents that are cut", record(100, 101)],
  ["contents that are cut, behind others", area(record(4080), record(40, 41))],
  ["a record longer than one may be", record(16, MAX_CONTENTS + 1), 16384],
  ["a record longer than the ring of messages", record(16, 40_000), 65536],
  ["OCTETS that would pass 2^32", record(16, 0xffff_fff0), 65536],
];
for (const [what, first, octets] of NOT_WHOLE) {
  story(`${what}: the end of that board alone`, async ({ leave, told, kept, serves }) => {
    await leave(first, octets);
    assert.equal(told, [`slot ${TRAP}: contract: the checkpoint is not whole records`]);
    assert.is(kept().length, 0, "nothing of it is kept");
    assert.ok(await serves(1));
    assert.ok(await serves(0));
    assert.is(told.length, 1, "and nobody else died");
  });
}

test.run();
