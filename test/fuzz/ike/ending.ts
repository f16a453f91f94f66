/**
 * The end of all: every IKE_SA is closed, every timer runs out, and nothing is left of any. Then what a fuzzed core is for: a
 * legitimate peer establishes each kind of connection and both ends hold the same SAs.
 */
import { MANAGEMENT_TERMINATE } from "../../../assembly/abi/management.ts";
import { CAPACITY, CONNECTIONS } from "./connections.ts";
import { Broken, type Core, type Tables } from "./core.ts";
import type { Campaign } from "./campaign.ts";

const NEVER = (1n << 64n) - 1n;
const SECOND = 1_000_000_000n;
/** By then whatever has a deadline has met it. */
const PATIENCE = 3600n * SECOND;
/** Secrets that are looked for, of each side. */
const LOOKED_FOR = 6;

/** Both close what they have; messages arrive, or with `mute` none does. */
function drain(campaign: Campaign, mute: boolean): void {
  const [a, b] = campaign.cores;
  campaign.calm();
  for (const side of [0, 1] as const) campaign.command(side, MANAGEMENT_TERMINATE, []);
  const end = a.time + PATIENCE;
  for (;;) {
    campaign.settle();
    if (mute) campaign.loseAll();
    else if (campaign.underWay > 0) {
      campaign.flush();
      continue;
    }
    const next = a.deadline < b.deadline ? a.deadline : b.deadline;
    if (next === NEVER) return;
    if (next > end) throw new Broken(`timers do not run out: the next is in ${(next - a.time) / SECOND} s`);
    campaign.advance(next > a.time ? next - a.time : 1_000_000n);
  }
}

function empty(campaign: Campaign, first: readonly Tables[]): void {
  for (const side of [0, 1] as const) {
    const core = campaign.cores[side];
    const tables = core.tables();
    const wrong: string[] = [];
    const expect = (what: string, is: number, wanted: number): void => {
      if (is !== wanted) wrong.push(`${what}: ${is}, not ${wanted}`);
    };
    expect("free IKE_SAs", tables.ikeSas, CAPACITY.ikeSas);
    expect("free CHILD_SAs", tables.childSas, CAPACITY.childSas);
    expect("free jobs", tables.jobs, first[side]!.jobs);
    expect("free secrets", tables.secrets, first[side]!.secrets);
    expect("fragments held", tables.fragments, 0);
    expect("half-open responders", tables.halfOpen, 0);
    expect("frames held", tables.held, 0);
    expect("octets of RAM in use", tables.ram, first[side]!.ram);
    expect("SAs on the boards", core.installed.size, 0);
    expect("key shares in the secure element", campaign.elements[side].shares, 0);
    for (let i = 0; i < CAPACITY.ikeSas; i++) {
      if (core.keyBlock(i).some((octet) => octet !== 0)) wrong.push(`keys of IKE_SA ${i} are left`);
    }
    for (const secret of campaign.elements[side].secrets.slice(-LOOKED_FOR)) {
      const at = core.ram.subarray(0, tables.ram).indexOf(secret);
      if (at >= 0) wrong.push(`a shared secret is left at ${at}`);
    }
    campaign.elements[side].forget();
    if (wrong.length > 0) throw new Broken(`${core.name}, when all is over: ${wrong.join("; ")}`);
  }
}

/** Each connection comes up, as its own side's wish in turn, and both ends' boards hold the same. */
function establishes(campaign: Campaign, turn: number): void {
  const [a, b] = campaign.cores;
  for (let i = 0; i < CONNECTIONS.length; i++) {
    campaign.initiate(((turn + i) & 1) as 0 | 1, i);
    // What spoofed ones have made suspicious asks for a cookie, which takes no time.
    for (let n = 0; n < 40; n++) campaign.flush();
    const held = (core: Core, from: 0 | 1): string[] =>
      [...core.installed].map(([sa, key]) => `${sa.split(":")[0]} ${Math.abs(Number(sa.split(":")[1]) - from)} ${key}`);
    const ours = held(a, 0).sort();
    const theirs = held(b, 1).sort();
    if (ours.length !== 2 * (i + 1) || ours.join() !== theirs.join()) {
      throw new Broken(`${CONNECTIONS[i]} does not come up: a holds ${ours.join(", ")}; b ${theirs.join(", ")}`);
    }
  }
}

/** Throws Broken when anything is left, or a legitimate peer is not served. */
export function ending(campaign: Campaign, first: readonly Tables[], turn: number): void {
  drain(campaign, turn % 3 === 2);
  empty(campaign, first);
  establishes(campaign, turn);
  drain(campaign, false);
  empty(campaign, first);
}
