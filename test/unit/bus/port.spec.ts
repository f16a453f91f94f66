/** Ports and the pool: every frame is accounted for, from the chassis's empty frame to the wire and back. */
import {
  MAP_DROPS,
  MAP_PORT_COUNT,
  MAP_PORT_TABLE,
  REG_CONSUMED,
  REG_DROPPED,
  REG_FREE,
  REG_HELD,
  REG_IN,
  REG_ORIGINATED,
  REG_SENT,
} from "../../../assembly/abi/board";
import { DROP_BACKPLANE_CONGESTION, DROP_COUNT, DROP_REPLAY } from "../../../assembly/abi/drop";
import {
  FRAME_CAPACITY,
  FRAME_COUNT,
  FRAME_HEADROOM,
  FRAME_RECORD,
  FRAME_STRIDE,
  FRAME_TAILROOM,
} from "../../../assembly/abi/frame";
import {
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_LINK,
  DESCRIPTOR_OCTETS,
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_COUNT_IPSEC,
  PORT_ENTRY_OCTETS,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_RX,
  PORT_SECURE_ELEMENT,
  PORT_TX,
  PORT_UNPROTECTED,
  RING_DESCRIPTORS,
  RING_DONE,
  RING_POSTED,
  RING_SIZE,
  RING_SIZE_DATA,
  RING_SIZE_MANAGEMENT,
  RING_SIZE_SECURE_ELEMENT,
  RING_TAKEN,
} from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame, frameHeadroom, framePull, framePush, frameTailroom } from "../../../assembly/bus/frame";
import { poolFree, poolReset, poolTake, poolGive } from "../../../assembly/bus/pool";
import {
  consume,
  drop,
  originate,
  pendingStart,
  portPending,
  portHeader,
  portsDrained,
  portsReclaim,
  portsRefill,
  portsReset,
  portsSettle,
  recall,
  receive,
  transmit,
} from "../../../assembly/bus/port";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { map } from "../../../assembly/rt/map";

const ROOM: usize = <usize>FRAME_COUNT * FRAME_STRIDE + 131072;
const block: usize = memory.data(22000000, 64);
const recalled: usize = memory.data(512 * 4, 4);

function reset(count: u32 = PORT_COUNT_IPSEC): void {
  for (let register = REG_HELD; register <= REG_DROPPED; register += 8) store<u64>(map + register, 0);
  arenaResetAt(block, block + ROOM);
  dropsReset();
  poolReset();
  portsReset(count);
}

const KEY: u8 = 0x5a;

/** A message of the board's own with `octets` of a key in it, a header of 20 in front of it. */
function secretMessage(octets: u32): Frame {
  const frame = originate()!;
  frame.length = octets;
  memory.fill(framePush(frame, 20), KEY, octets + 20);
  return frame;
}

/** Octets of the key that a frame still has, wherever they are in it. */
function keyOctets(frame: Frame): u32 {
  const from = changetype<usize>(frame) + FRAME_RECORD;
  const end = changetype<usize>(frame) + FRAME_STRIDE;
  let found: u32 = 0;
  for (let at = from; at < end; at++) if (load<u8>(at) == KEY) found += 1;
  return found;
}

function ring(port: u32, side: u32): usize {
  return <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + port * PORT_ENTRY_OCTETS + side);
}

function descriptor(at: usize, cursor: u32): usize {
  return at + RING_DESCRIPTORS + <usize>(cursor & (load<u32>(at + RING_SIZE) - 1)) * DESCRIPTOR_OCTETS;
}

/** What the chassis does: fills the next empty frame of a port with `octets` octets of `value`; false when there is none. */
function deliver(port: u32, octets: u32, value: u8, link: u32 = 0): bool {
  const rx = ring(port, PORT_RX);
  const done = load<u32>(rx + RING_DONE);
  if (done == load<u32>(rx + RING_POSTED)) return false;
  const d = descriptor(rx, done);
  memory.fill(<usize>load<u32>(d + DESCRIPTOR_ADDRESS), value, min(octets, FRAME_CAPACITY));
  store<u32>(d + DESCRIPTOR_LENGTH, octets);
  store<u32>(d + DESCRIPTOR_LINK, link);
  store<u32>(rx + RING_DONE, done + 1);
  return true;
}

/** The chassis drains everything that is posted on a port; returns how many frames. */
function drain(port: u32): u32 {
  const tx = ring(port, PORT_TX);
  const count = load<u32>(tx + RING_POSTED) - load<u32>(tx + RING_DONE);
  store<u32>(tx + RING_DONE, load<u32>(tx + RING_POSTED));
  return count;
}

function register(offset: u32): u64 {
  return load<u64>(map + offset);
}

describe("pool", () => {
  test("hands out every frame once and takes all back", () => {
    arenaResetAt(block, block + ROOM);
    expect(poolReset()).toBe(true);
    let previous: usize = 0;
    let wrong = 0;
    for (let i: u32 = 0; i < FRAME_COUNT; i++) {
      const frame = poolTake();
      if (!frame) {
        wrong += 1;
        break;
      }
      const address = changetype<usize>(frame);
      if (address < block || address + FRAME_STRIDE > block + ROOM || (address & 63) != 0) wrong += 1;
      if (previous != 0 && address != previous + FRAME_STRIDE) wrong += 1;
      if (frameHeadroom(frame) != FRAME_HEADROOM || frame.length != 0) wrong += 1;
      if (frameTailroom(frame) != FRAME_CAPACITY + FRAME_TAILROOM) wrong += 1;
      previous = address;
    }
    expect(wrong).toBe(0);
    expect(poolTake() == null).toBe(true);
    expect(poolFree()).toBe(0);
    for (let i: u32 = 0; i < FRAME_COUNT; i++) poolGive(changetype<Frame>(previous - <usize>i * FRAME_STRIDE));
    expect(poolFree()).toBe(FRAME_COUNT);
    expect(load<u32>(map + REG_FREE)).toBe(FRAME_COUNT);
  });

  test("hands out a frame that was in a queue as one that is in none", () => {
    arenaResetAt(block, block + ROOM);
    expect(poolReset()).toBe(true);
    const frame = poolTake()!;
    frame.next = changetype<usize>(poolTake()!);
    poolGive(frame);
    expect(changetype<usize>(poolTake()!)).toBe(changetype<usize>(frame));
    expect(frame.next).toBe(0);
  });

  test("refuses RAM that is too small", () => {
    arenaResetAt(block, block + FRAME_STRIDE);
    expect(poolReset()).toBe(false);
  });
});

describe("port", () => {
  test("what stands behind a header of any length begins at a multiple of eight, in the first frames and in those that follow", () => {
    let wrong = 0;
    for (let octets: u32 = 0; octets < 48; octets++) {
      reset();
      portHeader(PORT_CHANNEL, octets);
      const rx = ring(PORT_CHANNEL, PORT_RX);
      for (let i: u32 = 0; i < 2 * load<u32>(rx + RING_SIZE); i++) {
        if (!deliver(PORT_CHANNEL, octets + 100, 7)) wrong += 1;
        const frame = receive(PORT_CHANNEL)!;
        if (((frame.start + octets) & 7) != 0) wrong += 1;
        if (frameHeadroom(frame) + octets < FRAME_HEADROOM) wrong += 1;
        consume(frame);
        portsRefill();
      }
      deliver(PORT_UNPROTECTED, 100, 7);
      if (frameHeadroom(receive(PORT_UNPROTECTED)!) != FRAME_HEADROOM) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("reset posts empty frames on every receive ring", () => {
    reset();
    expect(load<u32>(map + MAP_PORT_COUNT)).toBe(PORT_COUNT_IPSEC);
    let posted: u32 = 0;
    for (let port: u32 = 0; port < PORT_COUNT_IPSEC; port++) {
      const rx = ring(port, PORT_RX);
      if (load<u32>(rx + RING_POSTED) == load<u32>(rx + RING_SIZE)) posted += load<u32>(rx + RING_POSTED);
    }
    expect(posted + poolFree()).toBe(FRAME_COUNT);
    expect(portsDrained()).toBe(true);
  });

  test("what waits is seen ahead where it is received later, and is received all the same", () => {
    reset();
    let wrong = 0;
    // Around the ring, so that the look ahead wraps, too.
    for (let round: u32 = 0; round < RING_SIZE_DATA; round++) {
      for (let i: u8 = 0; i < 3; i++) if (!deliver(PORT_UNPROTECTED, 60, 0x40 + i)) wrong += 1;
      for (let i: u32 = 0; i < 3; i++) if (<u32>load<u8>(pendingStart(PORT_UNPROTECTED, i)) != 0x40 + i) wrong += 1;
      if (portPending(PORT_UNPROTECTED) != 3) wrong += 1;
      for (let i: u32 = 0; i < 3; i++) {
        const seen = pendingStart(PORT_UNPROTECTED, 0);
        const frame = receive(PORT_UNPROTECTED)!;
        if (frame.start != seen || <u32>load<u8>(frame.start) != 0x40 + i) wrong += 1;
        consume(frame);
      }
      portsRefill();
    }
    expect(wrong).toBe(0);
  });

  test("a received frame carries its octets, its VC and its port", () => {
    reset();
    expect(receive(PORT_CHANNEL) == null).toBe(true);
    deliver(PORT_CHANNEL, 100, 0xab, 42);
    expect(portPending(PORT_CHANNEL)).toBe(1);
    const frame = receive(PORT_CHANNEL)!;
    expect(frame.length == 100 && frame.link == 42 && frame.port == PORT_CHANNEL).toBe(true);
    expect(load<u8>(frame.start) == 0xab && load<u8>(frame.start + 99) == 0xab).toBe(true);
    expect(receive(PORT_CHANNEL) == null).toBe(true);
    consume(frame);
    expect(register(REG_IN) == 1 && register(REG_CONSUMED) == 1).toBe(true);
  });

  test("a length beyond the frame is cut to it", () => {
    reset();
    deliver(PORT_UNPROTECTED, 0xffffffff, 1);
    const frame = receive(PORT_UNPROTECTED)!;
    expect(frame.length).toBe(FRAME_CAPACITY);
    drop(frame, DROP_REPLAY);
  });

  test("push and pull move the start and keep headroom and tailroom in step", () => {
    reset();
    const frame = originate()!;
    const start = frame.start;
    expect(framePush(frame, 34)).toBe(start - 34);
    expect(frame.length == 34 && frameHeadroom(frame) == FRAME_HEADROOM - 34).toBe(true);
    framePull(frame, 20);
    expect(frame.start == start - 14 && frame.length == 14).toBe(true);
    expect(frameTailroom(frame)).toBe(FRAME_CAPACITY + FRAME_TAILROOM);
    consume(frame);
  });

  test("the received frame becomes the transmitted one, and comes back when drained", () => {
    reset();
    const free = poolFree();
    deliver(PORT_UNPROTECTED, 60, 7);
    const frame = receive(PORT_UNPROTECTED)!;
    expect(transmit(PORT_PROTECTED, frame, 5)).toBe(true);
    expect(portsDrained()).toBe(false);
    const tx = ring(PORT_PROTECTED, PORT_TX);
    const d = descriptor(tx, 0);
    expect(load<u32>(d + DESCRIPTOR_LENGTH) == 60 && load<u32>(d + DESCRIPTOR_LINK) == 5).toBe(true);
    expect(load<u8>(<usize>load<u32>(d + DESCRIPTOR_ADDRESS))).toBe(7);
    portsReclaim();
    expect(poolFree()).toBe(free);
    expect(drain(PORT_PROTECTED)).toBe(1);
    portsReclaim();
    expect(poolFree()).toBe(free + 1);
    portsRefill();
    expect(poolFree()).toBe(free);
  });

  test("a full transmit ring drops for congestion and counts it", () => {
    reset();
    let sent: u32 = 0;
    for (let i: u32 = 0; i < RING_SIZE_DATA + 3; i++) if (transmit(PORT_PROTECTED, originate()!)) sent += 1;
    expect(sent).toBe(RING_SIZE_DATA);
    const drops = <usize>load<u32>(map + MAP_DROPS);
    expect(load<u64>(drops + DROP_BACKPLANE_CONGESTION * 8)).toBe(3);
    expect(register(REG_DROPPED)).toBe(3);
  });

  test("cursors may wrap at 2^32", () => {
    reset();
    for (let side: u32 = 0; side <= PORT_TX; side += 4) {
      const at = ring(PORT_PROTECTED, side);
      // All cursors of a ring that stands still, 256 before the wrap: descriptors keep their places.
      const base: u32 = 0xffffff00;
      store<u32>(at + RING_POSTED, base + load<u32>(at + RING_POSTED));
      store<u32>(at + RING_DONE, base);
      store<u32>(at + RING_TAKEN, base);
    }
    let wrong = 0;
    for (let i: u32 = 0; i < 600; i++) {
      if (!deliver(PORT_PROTECTED, 20, <u8>i)) wrong += 1;
      const frame = receive(PORT_PROTECTED);
      if (!frame) {
        wrong += 1;
        break;
      }
      if (load<u8>(frame.start) != <u8>i) wrong += 1;
      if (!transmit(PORT_PROTECTED, frame)) wrong += 1;
      if (drain(PORT_PROTECTED) != 1) wrong += 1;
      portsReclaim();
      portsRefill();
    }
    expect(wrong).toBe(0);
    expect(ring(PORT_PROTECTED, PORT_RX) != 0 && load<u32>(ring(PORT_PROTECTED, PORT_RX) + RING_TAKEN) == 344).toBe(
      true,
    );
  });

  test("what the chassis has not seen can be taken back, in its order, and is held again", () => {
    reset();
    transmit(PORT_CHANNEL, originate()!, 1);
    drain(PORT_CHANNEL);
    const first = originate()!;
    const second = originate()!;
    transmit(PORT_CHANNEL, first, 7);
    transmit(PORT_CHANNEL, second, 8);
    expect(recall(PORT_CHANNEL, recalled)).toBe(2, "but not the one that was sent");
    expect(load<u32>(recalled)).toBe(<u32>changetype<usize>(first));
    expect(load<u32>(recalled + 4)).toBe(<u32>changetype<usize>(second));
    expect(first.link).toBe(7);
    expect(second.link).toBe(8);
    expect(second.port).toBe(PORT_CHANNEL);
    expect(register(REG_SENT)).toBe(1);
    expect(recall(PORT_CHANNEL, recalled)).toBe(0);
    portsSettle();
    expect(load<u32>(map + REG_HELD)).toBe(2);
    consume(first);
    transmit(PORT_CHANNEL, second, 9);
    portsReclaim();
    portsSettle();
    expect(load<u32>(map + REG_HELD)).toBe(0);
    expect(register(REG_SENT)).toBe(2);
    expect(portsDrained()).toBe(false);
  });

  test("what may have been a key on its way out is wiped when the chassis has drained it", () => {
    for (let port = PORT_MANAGEMENT; port <= PORT_SECURE_ELEMENT; port++) {
      reset(PORT_COUNT_IKE);
      const frame = secretMessage(300);
      transmit(port, frame);
      portsReclaim();
      expect(keyOctets(frame)).toBe(320, "the chassis has yet to read it");
      drain(port);
      portsReclaim();
      expect(keyOctets(frame)).toBe(0);
    }
  });

  test("so is what a full ring does not take", () => {
    for (let port = PORT_MANAGEMENT; port <= PORT_SECURE_ELEMENT; port++) {
      reset(PORT_COUNT_IKE);
      const size = port == PORT_MANAGEMENT ? RING_SIZE_MANAGEMENT : RING_SIZE_SECURE_ELEMENT;
      for (let i: u32 = 0; i < size; i++) transmit(port, originate()!);
      const frame = secretMessage(300);
      expect(transmit(port, frame)).toBe(false);
      expect(keyOctets(frame)).toBe(0);
    }
  });

  test("so is what came that way, or never went, however it ends", () => {
    reset(PORT_COUNT_IKE);
    for (let port = PORT_MANAGEMENT; port <= PORT_SECURE_ELEMENT; port++) {
      deliver(port, 300, KEY);
      const consumed = receive(port)!;
      deliver(port, 300, KEY);
      const dropped = receive(port)!;
      expect(keyOctets(consumed) + keyOctets(dropped)).toBe(600);
      consume(consumed);
      drop(dropped, DROP_REPLAY);
      expect(keyOctets(consumed) + keyOctets(dropped)).toBe(0);
    }
    const unsent = secretMessage(300);
    consume(unsent);
    expect(keyOctets(unsent)).toBe(0);
  });

  test("packets are left as they are: wiping them would be paid for by each", () => {
    reset();
    deliver(PORT_UNPROTECTED, 300, KEY);
    const sent = receive(PORT_UNPROTECTED)!;
    deliver(PORT_PROTECTED, 300, KEY);
    const dropped = receive(PORT_PROTECTED)!;
    transmit(PORT_PROTECTED, sent);
    drain(PORT_PROTECTED);
    portsReclaim();
    drop(dropped, DROP_REPLAY);
    expect(keyOctets(sent) + keyOctets(dropped)).toBe(600);
  });

  test("thousands of frames of every fate are all accounted for", () => {
    reset();
    let state: u32 = 99;
    let wrong = 0;
    let held: Frame | null = null;
    for (let round: u32 = 0; round < 5000; round++) {
      state = state * 1664525 + 1013904223;
      const port = (state >> 8) & 1;
      deliver(port, (state >> 10) & 2047, <u8>state);
      const frame = receive(port);
      if (frame) {
        const fate = (state >> 24) & 3;
        if (fate == 0) consume(frame);
        else if (fate == 1) drop(frame, (state >> 16) % DROP_COUNT);
        else if (fate == 2 || held) transmit(port ^ 1, frame);
        else held = frame;
      }
      if (held && ((state >> 28) & 7) == 0) {
        transmit(PORT_CHANNEL, held!, 1);
        held = null;
      }
      if (((state >> 20) & 15) == 0) {
        drain(PORT_PROTECTED);
        drain(PORT_UNPROTECTED);
        drain(PORT_CHANNEL);
      }
      portsReclaim();
      portsRefill();
      portsSettle();
      const inside = register(REG_IN) + register(REG_ORIGINATED);
      const gone = register(REG_SENT) + register(REG_CONSUMED) + register(REG_DROPPED);
      if (inside - gone != (held ? 1 : 0) || load<u32>(map + REG_HELD) != (held ? 1 : 0)) wrong += 1;
      // free + on receive rings + on transmit rings + held = pool
      let total: u32 = poolFree() + (held ? 1 : 0);
      for (let p: u32 = 0; p < PORT_COUNT_IPSEC; p++) {
        const rx = ring(p, PORT_RX);
        const tx = ring(p, PORT_TX);
        total += load<u32>(rx + RING_POSTED) - load<u32>(rx + RING_TAKEN);
        total += load<u32>(tx + RING_POSTED) - load<u32>(tx + RING_TAKEN);
      }
      if (total != FRAME_COUNT) wrong += 1;
    }
    expect(wrong).toBe(0);
    expect(register(REG_IN) > 4000).toBe(true);
  });
});
