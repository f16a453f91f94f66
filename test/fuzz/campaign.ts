/**
 * A fuzz campaign: frames into one port after the other of the left gateway's boards, while both gateways go on living.
 *
 * What must hold: no board traps or breaks the contract (the chassis checks conservation of frames after every poll), every
 * frame that a board took is in its books, and after the ports that face the networks and the backplane the tunnel
 * carries packets. The ports MANAGEMENT and SECURE_ELEMENT face the chassis itself: there a frame may well end SAs, so only the
 * books count. All frames follow from the seed; the last ones before a failure are kept.
 */
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_COUNT_IPSEC,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_SECURE_ELEMENT,
  PORT_UNPROTECTED,
} from "../../assembly/abi/ring.ts";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import type { SlotStatus } from "../../host/chassis/chassis.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import type { Build } from "../../host/chassis/image.ts";
import { nextFrame, type Sample } from "./mutation.ts";
import { World } from "./world.ts";

const IKE_SLOT = 0;
const IPSEC_SLOT = 1;
/** Frames between two turns of the drive, and the time that passes with each. */
const BURST = 32;
const BURST_MS = 5;
const REMEMBERED = 96;

export const PORT_NAMES = ["unprotected", "protected", "channel", "management", "secure_element"];

export interface CampaignOptions {
  link: LinkKind;
  seed: number;
  /** Frames per port. */
  frames: number;
  build?: Build;
  log?: (line: string) => void;
}

export interface PortResult {
  board: "ike" | "ipsec";
  port: string;
  samples: number;
  fed: number;
  /** Fed, but the ring was full or the frame too long: counted by the chassis. */
  refused: number;
}

export interface FedFrame {
  slot: number;
  port: number;
  link: number;
  hex: string;
}

/** Something that must hold does not. */
/** Silence at the end: longer than anything waits for. */
const QUIET_MS = 7_000;
const QUIET_TRIES = 15;

export class FuzzFailure extends Error {
  readonly last: FedFrame[];

  constructor(message: string, last: FedFrame[]) {
    super(message);
    this.last = last;
  }
}

/** In an order that leaves for the end what ends SAs. */
const TARGETS: [number, number][] = [
  [IKE_SLOT, PORT_UNPROTECTED],
  [IKE_SLOT, PORT_PROTECTED],
  [IPSEC_SLOT, PORT_UNPROTECTED],
  [IPSEC_SLOT, PORT_PROTECTED],
  [IPSEC_SLOT, PORT_CHANNEL],
  [IKE_SLOT, PORT_CHANNEL],
  [IPSEC_SLOT, PORT_MANAGEMENT],
  [IKE_SLOT, PORT_SECURE_ELEMENT],
  [IKE_SLOT, PORT_MANAGEMENT],
];

/** All ports of both kinds of board are on the list. */
if (TARGETS.length !== PORT_COUNT_IKE + PORT_COUNT_IPSEC) throw new Error("a port is not fuzzed");

const OUTWARD = [PORT_UNPROTECTED, PORT_PROTECTED, PORT_CHANNEL];

function slotOf(world: World, slot: number): SlotStatus {
  return world.left.chassis.show().slots.find((status) => status.slot === slot)!;
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** What is wrong with the books of both gateways; undefined when nothing is. */
function imbalance(world: World): string | undefined {
  for (const { chassis } of [world.left, world.right]) {
    const [fault] = chassis.faults;
    if (fault !== undefined) return `${chassis.name}, slot ${fault.slot}: ${JSON.stringify(fault, bigintText)}`;
    for (const { slot, state, restarts, counters, frames, drops } of chassis.show().slots) {
      const place = `${chassis.name}, slot ${slot}`;
      if (state !== "Online" || restarts !== 0) return `${place} is ${state} after ${restarts} restarts`;
      const came = counters.in + counters.originated;
      const went = counters.sent + counters.consumed + counters.dropped + frames.held;
      if (came !== went) return `${place}: ${came} frames came, ${went} are accounted for`;
      if (sum(drops) !== counters.dropped) return `${place}: ${counters.dropped} dropped, ${sum(drops)} for a reason`;
    }
  }
  return undefined;
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** Feeds what `next` gives, in bursts. Throws FuzzFailure. */
async function feedAll(
  world: World,
  slot: number,
  port: number,
  frames: number,
  next: () => Sample,
): Promise<{ refused: number }> {
  const last: FedFrame[] = [];
  const before = slotOf(world, slot);
  let refused = 0;
  for (let fed = 0; fed < frames; ) {
    for (let n = Math.min(BURST, frames - fed); n > 0; n--, fed++) {
      const frame = next();
      last.push({ slot, port, link: frame.link, hex: Buffer.from(frame.octets).toString("hex") });
      if (last.length > REMEMBERED) last.shift();
      if (!world.feed(slot, port, frame)) refused += 1;
    }
    try {
      await world.drive.run(BURST_MS);
    } catch (error) {
      throw new FuzzFailure((error as Error).message, last);
    }
    if (world.left.chassis.faults.length > 0 || world.right.chassis.faults.length > 0) break;
  }
  const wrong = imbalance(world);
  if (wrong !== undefined) throw new FuzzFailure(wrong, last);
  const after = slotOf(world, slot);
  const taken = after.counters.in - before.counters.in;
  if (taken < frames - refused) {
    throw new FuzzFailure(`${frames - refused} frames delivered, the board took ${taken}`, last);
  }
  if (sum(after.chassisDrops) - sum(before.chassisDrops) < refused) {
    throw new FuzzFailure(`${refused} frames refused, the chassis counted fewer`, last);
  }
  return { refused };
}

/**
 * Frames that wait for an answer, an SA or other fragments go on or are dropped when their time is over. One that never does is
 * forgotten: what is told, undefined when there is none.
 */
async function stillHeld(world: World): Promise<string | undefined> {
  const gateways = [world.left, world.right];
  let kept: string[] = [];
  for (let i = 0; i < QUIET_TRIES; i++) {
    await world.drive.run(QUIET_MS);
    kept = gateways.flatMap(({ chassis }) =>
      chassis
        .show()
        .slots.filter(({ frames }) => frames.held !== 0)
        .map(({ slot, frames }) => `${chassis.name}, slot ${slot} holds ${frames.held} frames`),
    );
    if (kept.length === 0) return undefined;
  }
  return `after ${(QUIET_TRIES * QUIET_MS) / 1000} s of silence ${kept.join("; ")}`;
}

/** Runs the campaign on a fresh pair of gateways. Throws FuzzFailure. */
export async function campaign(options: CampaignOptions): Promise<PortResult[]> {
  const world = new World(options);
  try {
    await world.warmUp();
    world.recording = false;
    const results: PortResult[] = [];
    for (const [slot, port] of TARGETS) {
      const samples = world.samples(slot, port);
      const random = new SeededRandom((options.seed ^ (slot * 16 + port)) * 0x9e3779b1);
      const { refused } = await feedAll(world, slot, port, options.frames, () => nextFrame(random, samples));
      const result: PortResult = {
        board: slot === IKE_SLOT ? "ike" : "ipsec",
        port: PORT_NAMES[port]!,
        samples: samples.length,
        fed: options.frames,
        refused,
      };
      results.push(result);
      options.log?.(
        `${options.link} ${result.board}.${result.port}: ${result.fed} frames from ${result.samples} samples, ` +
          `${refused} met a full ring`,
      );
      if (OUTWARD.includes(port) && !(await world.recovers())) {
        throw new FuzzFailure(`after ${result.board}.${result.port} the tunnel does not carry packets any more`, []);
      }
    }
    const kept = await stillHeld(world);
    if (kept !== undefined) throw new FuzzFailure(kept, []);
    return results;
  } finally {
    await world.close();
  }
}

/** Feeds the frames of an earlier failure to a fresh pair of gateways. Throws FuzzFailure when it fails again. */
export async function replay(options: Omit<CampaignOptions, "frames">, frames: readonly FedFrame[]): Promise<void> {
  const world = new World(options);
  try {
    await world.warmUp();
    world.recording = false;
    for (const { slot, port, link, hex } of frames) {
      const frame = { octets: Uint8Array.from(Buffer.from(hex, "hex")), link };
      await feedAll(world, slot, port, 1, () => frame);
    }
  } finally {
    await world.close();
  }
}
