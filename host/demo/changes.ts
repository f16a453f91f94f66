/**
 * What a change of a chassis costs, measured: two gateways with three IPsec boards each carry traffic through six tunnels, both ways, one
 * packet every 100 µs; at moon something happens to a board. What is lost, moved and negotiated is counted, and held against a bound
 * that is known beforehand.
 *
 * In lockstep: virtual time, and the same figures on every machine.
 */
import { SeededEntropy, SeededRandom } from "../chassis/entropy.ts";
import { MARK, udpPacket } from "./packets.ts";
import { Pair } from "./pair.ts";

/** Tunnels, one child each. */
export const NETS = [1, 2, 3, 4, 5, 6];
/**
 * Numbers that a board may accept before it asks for more: what an SA may lose at most, inbound, when its board dies and the IKE board does not
 * know which packets that had.
 */
export const LEASE = 64;
/** From one packet to the next. */
const GAP_NS = 100_000n;
const OCTETS = 200;
/** Packets that are on a board when it dies, at this rate. */
const ON_BOARD = 2;
/** A link that is down loses what it should carry: at this rate, of a tunnel, both ways, twice the mean at most. */
const LINK_DOWN_MS = 100;
const PER_MS_AND_TUNNEL = 4;
/** Before and after, ms. */
const BEFORE_MS = 200;
const AFTER_MS = 1500;

/** What a change may cost. */
export interface Bound {
  /** Packets lost. */
  lost: number;
  /** CHILD_SAs negotiated anew. */
  negotiated: number;
}

export interface Change {
  /** What happens, as an operator would say it. */
  name: string;
  /** Time for it and what follows, ms; AFTER_MS when not given. */
  after?: number;
  /** Packets of established SAs pass by the IKE board. */
  cutThrough?: true;
  /** Does it; says what it may cost, `held` CHILD_SAs being on the board in slot 2. */
  run(pair: Pair, held: number): Promise<Bound>;
}

const nothing: Bound = { lost: 0, negotiated: 0 };
/** The IKE board is gone without notice: what is on it goes along. */
const ikeBoard: Bound = { lost: ON_BOARD, negotiated: 0 };
/** A board that is gone without notice: what is on it goes along. */
const crash: Bound = { lost: ON_BOARD, negotiated: 0 };
/** The same when it is not known which packets it had. */
const blindCrash = (held: number): Bound => ({ lost: held * LEASE + ON_BOARD, negotiated: 0 });

export const CHANGES: readonly Change[] = [
  {
    name: "`cardcage slot 2 eject`",
    run: async ({ moon }) => {
      await moon.chassis.eject(2);
      return nothing;
    },
  },
  {
    name: "`cardcage slot 2 restart`",
    run: async ({ moon }) => {
      await moon.chassis.drain(2);
      await moon.chassis.reset(2);
      return nothing;
    },
  },
  {
    name: "`cardcage slot 2 eject`, then `insert 2 ipsec`",
    after: 2500,
    run: async ({ moon }) => {
      await moon.chassis.eject(2);
      await moon.chassis.insert(2, "ipsec");
      await moon.chassis.online(2);
      return nothing;
    },
  },
  {
    name: "another firmware image for slot 2",
    after: 2500,
    run: async ({ moon }) => {
      const other = moon.chassis.show().slots.find(({ slot }) => slot === 2)!.build === "base" ? "simd" : "base";
      await moon.chassis.insert(2, new URL(`../../build/ipsec.${other}.wasm`, import.meta.url).pathname);
      await moon.chassis.online(2);
      return nothing;
    },
  },
  {
    name: "the board in slot 2 is pulled without notice",
    run: async ({ moon }) => {
      await moon.chassis.pull(2);
      return crash;
    },
  },
  {
    name: "the board in slot 2 dies and is restarted by the supervisor",
    after: 2500,
    run: async ({ moon }) => {
      await moon.chassis.reset(2);
      return crash;
    },
  },
  {
    name: "the board in slot 2 dies and is restarted, with `cut_through`",
    after: 2500,
    cutThrough: true,
    run: async ({ moon }, held) => {
      await moon.chassis.reset(2);
      return blindCrash(held);
    },
  },
  {
    name: "the boards in slots 2 and 3 die together",
    run: async ({ moon }) => {
      await Promise.all([moon.chassis.pull(2), moon.chassis.pull(3)]);
      return { ...crash, lost: 2 * crash.lost };
    },
  },
  {
    name: "the board in slot 2 traps, and is restarted",
    after: 2500,
    run: async ({ moon }) => {
      moon.chassis.injectFault({ kind: "trap", slot: 2 });
      return Promise.resolve(crash);
    },
  },
  {
    name: "the board in slot 2 hangs, and is replaced",
    after: 2500,
    run: async ({ moon }) => {
      moon.chassis.injectFault({ kind: "hang", slot: 2 });
      return Promise.resolve(crash);
    },
  },
  {
    name: "the link of slot 2 is down for 100 ms",
    run: async ({ moon }, held) => {
      moon.chassis.injectFault({ kind: "link", slot: 2, seconds: LINK_DOWN_MS / 1000 });
      return Promise.resolve({ lost: held * LINK_DOWN_MS * PER_MS_AND_TUNNEL, negotiated: 0 });
    },
  },
  {
    name: "the clock of the board in slot 2 goes ten times too fast",
    run: async ({ moon }) => {
      moon.chassis.injectFault({ kind: "clock", slot: 2, rate: 10 });
      return Promise.resolve(nothing);
    },
  },
  {
    name: "the secure element answers 400 ms late while all tunnels are rekeyed",
    after: 6000,
    run: async ({ moon }) => {
      moon.chassis.injectFault({ kind: "element", delayMs: 400 });
      for (const net of NETS) await moon.gateway.rekey(`net-${net}`);
      return { lost: 0, negotiated: NETS.length };
    },
  },
  {
    name: "the IKE board restarts",
    run: async ({ moon }) => {
      await moon.chassis.reset(0);
      return ikeBoard;
    },
  },
  {
    name: "the IKE board traps, and is restarted",
    after: 2500,
    run: async ({ moon }) => {
      moon.chassis.injectFault({ kind: "trap", slot: 0 });
      return Promise.resolve(ikeBoard);
    },
  },
  {
    name: "the IKE board and the board in slot 2 die together",
    after: 2500,
    run: async ({ moon }, held) => {
      await Promise.all([moon.chassis.reset(0), moon.chassis.reset(2)]);
      return { ...blindCrash(held), lost: blindCrash(held).lost + ikeBoard.lost };
    },
  },
  {
    name: "the IKE board restarts, and its checkpoint is lost",
    after: 15_000,
    run: async ({ moon }) => {
      moon.chassis.forgetCheckpoint();
      await moon.chassis.reset(0);
      return { lost: Infinity, negotiated: NETS.length };
    },
  },
];

export interface Measured {
  name: string;
  sent: number;
  lost: number;
  /** CHILD_SAs that lost packets, and that went to another board, counted once for each time. */
  touched: number;
  moved: number;
  negotiated: number;
  /** From the change until the last packet was sent that was lost, ms of virtual time. */
  recovery: number;
  bound: Bound;
  /** The bound is kept, and nothing was delivered twice. */
  kept: boolean;
}

interface Sent {
  net: number;
  at: bigint;
  arrived: number;
}

/** Runs one change under traffic. */
export async function measure(change: Change, seed = 1): Promise<Measured> {
  const pair = new Pair({
    boards: 3,
    nets: NETS,
    cable: { seed, latencyMs: 1 },
    child: { moon: "start_action = start" },
    chassis: {
      entropy: new SeededEntropy(seed),
      lease: LEASE,
      rebalance: true,
      faults: true,
      cutThrough: change.cutThrough === true,
    },
  });
  const { drive, moon, sun } = pair;
  try {
    await pair.start();
    const up = await drive.until(
      () => pair.installed(moon) >= NETS.length && pair.installed(sun) >= NETS.length,
      30_000,
    );
    if (!up) throw new Error("the tunnels did not come up");
    // The first lease of a new SA is its own size; a moment later it is what the traffic makes it.
    const sent = new Map<number, Sent>();
    const stop = traffic(pair, sent, new SeededRandom(seed));
    await drive.run(BEFORE_MS);
    const before = await tunnels(pair);
    const held = [...before.values()].filter(({ slot }) => slot === 2).length;
    const since = moon.events.length;
    const at = drive.clock.now();
    const bound = await change.run(pair, held);
    await drive.run(change.after ?? AFTER_MS);
    stop();
    await drive.run(100);
    let twice = 0;
    for (const { packet } of [...moon.received, ...sun.received]) {
      const entry = sent.get(numberOf(packet));
      if (entry && ++entry.arrived > 1) twice += 1;
    }
    const lost = [...sent.values()].filter(({ arrived }) => arrived === 0);
    const after = await tunnels(pair);
    const negotiated = [...after].filter(([name, { spi }]) => before.get(name)?.spi !== spi).length;
    const last = lost.reduce((latest, entry) => (entry.at > latest ? entry.at : latest), at);
    return {
      name: change.name,
      sent: sent.size,
      lost: lost.length,
      touched: new Set(lost.map(({ net }) => net)).size,
      moved: moon.events.slice(since).filter(({ kind }) => kind === "sa-moved").length,
      negotiated,
      recovery: Number(last - at) / 1e6,
      bound,
      kept: lost.length <= bound.lost && negotiated <= bound.negotiated && twice === 0 && after.size === NETS.length,
    };
  } finally {
    await pair.close();
  }
}

/** Sends until the function that it gives is called. */
function traffic(pair: Pair, sent: Map<number, Sent>, dice: SeededRandom): () => void {
  const { drive } = pair;
  let cancel: () => void = () => undefined;
  const next = (): void => {
    const net = NETS[dice.below(NETS.length)]!;
    const number = sent.size + 1;
    const [from, to, site] = dice.next() < 0.5 ? [1, 2, pair.moon] : [2, 1, pair.sun];
    sent.set(number, { net, at: drive.clock.now(), arrived: 0 });
    site.send(udpPacket(`10.${from}.${net}.5`, `10.${to}.${net}.7`, number, OCTETS));
    cancel = drive.after(GAP_NS, next);
  };
  next();
  return () => cancel();
}

const numberOf = (packet: Uint8Array): number => Buffer.from(packet).readUInt32BE(28 + MARK.length);

/** moon's CHILD_SAs that are installed. */
async function tunnels({ moon }: Pair): Promise<Map<string, { slot: number; spi: string }>> {
  const children = (await moon.gateway.sas()).flatMap((ike) => ike["child-sas"]);
  return new Map(
    children.flatMap(({ name, state, slot = 0, "spi-in": spi }) =>
      state === "INSTALLED" ? [[name, { slot, spi: String(spi) }] as const] : [],
    ),
  );
}
