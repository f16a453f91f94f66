/**
 * Collisions of RFC 7296 section 2.8 and 2.25: what each end is told to do at the same moment, and every order in which the
 * commands and the messages that follow from them can arrive; then all of that again with any one message lost. The arrows
 * are the RFC's: --> from a to b, <-- from b to a, as sent; they arrive in any order.
 *
 * In the end both ends hold the same SAs, one CHILD_SA and one IKE_SA or none, and no record of one that is gone. Where nothing
 * is closed on purpose, at every step each end has an SA to send on, and for each SA to send on the other end has the other half.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import type { Item, Pair } from "./ike_endpoints.ts";
import { enumerate } from "./ike_schedules.ts";
import type { Collision, Command, Side } from "./ike_schedules.ts";

const CHILD: Item = [M.CHILD_NAME, Buffer.from("net")];
const GW: Item = [M.CONNECTION_NAME, Buffer.from("gw")];

const rekeyChild = (at: Side): Command => ({ at, type: M.MANAGEMENT_REKEY, items: [CHILD] });
const rekeyIke = (at: Side): Command => ({ at, type: M.MANAGEMENT_REKEY, items: [GW] });
const create = (at: Side): Command => ({ at, type: M.MANAGEMENT_INITIATE, items: [CHILD] });
const closeChild = (at: Side): Command => ({ at, type: M.MANAGEMENT_TERMINATE, items: [CHILD] });
const closeIke = (at: Side): Command => ({ at, type: M.MANAGEMENT_TERMINATE, items: [] });

const ONE = { ikeSas: 1, children: 1 };
const BARE = { ikeSas: 1, children: 0 };
const NOTHING = { ikeSas: 0, children: 0 };

/** An IKE_SA without a CHILD_SA. */
function bare(pair: Pair): void {
  pair.a.command(M.MANAGEMENT_TERMINATE, [CHILD]);
  pair.drive(2);
}

interface Story extends Omit<Collision, "seed" | "losses"> {
  name: string;
  /** Schedules without a loss, and with one; where there are too many of the latter, they are left out. */
  orders: number[];
  /** Which seeds: in collisions of rekeys one in which either end's nonce is the lowest. */
  seeds?: number[];
}

const STORIES: Story[] = [
  {
    // 2.8.1    HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr} -->
    //                                                  <-- HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}
    //                                                  <-- HDR, SK {SA, Nr, TSi, TSr}
    //          HDR, SK {SA, Nr, TSi, TSr} -->
    //          HDR, SK {D(old)} -->                    <-- HDR, SK {D(redundant)}
    name: "both rekey the CHILD_SA",
    commands: [rekeyChild("a"), rekeyChild("b")],
    ends: ONE,
    flows: true,
    orders: [136, 668],
    seeds: [1, 2],
  },
  {
    // The same with SA, Ni, KEi, TSi, TSr: the answer takes the secure element a while.
    name: "both rekey the CHILD_SA with a key exchange",
    options: { childKe: 31 },
    commands: [rekeyChild("a"), rekeyChild("b")],
    ends: ONE,
    flows: true,
    orders: [136, 668],
    seeds: [1, 2],
  },
  {
    // 2.8.2    HDR, SK {SA, Ni, KEi} -->
    //                                <-- HDR, SK {SA, Ni, KEi}
    //                                <-- HDR, SK {SA, Nr, KEr}
    //          HDR, SK {SA, Nr, KEr} -->
    //          HDR, SK {D(old)} -->  <-- HDR(redundant), SK {D(redundant)}
    name: "both rekey the IKE_SA",
    commands: [rekeyIke("a"), rekeyIke("b")],
    ends: ONE,
    flows: true,
    orders: [170, 926],
    seeds: [1, 2],
  },
  {
    // 2.25.1   HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr} -->   <-- HDR, SK {SA, Ni, KEi}
    //          HDR, SK {N(TEMPORARY_FAILURE)} -->            <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one rekeys the CHILD_SA, the other the IKE_SA",
    commands: [rekeyChild("a"), rekeyIke("b")],
    ends: ONE,
    flows: true,
    orders: [69, 406],
  },
  {
    // 2.25.1   HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr} -->   <-- HDR, SK {D(old)}
    //          HDR, SK {D(old)} -->  <-- HDR, SK {N(TEMPORARY_FAILURE) | N(CHILD_SA_NOT_FOUND)}
    name: "one rekeys the CHILD_SA that the other closes",
    commands: [rekeyChild("a"), closeChild("b")],
    ends: BARE,
    flows: false,
    orders: [44, 180],
  },
  {
    // 1.4.1    HDR, SK {D(old)} -->   <-- HDR, SK {D(old)}
    //          HDR, SK {} -->         <-- HDR, SK {}
    name: "both close the CHILD_SA",
    commands: [closeChild("a"), closeChild("b")],
    ends: BARE,
    flows: false,
    orders: [16, 58],
  },
  {
    // 2.25.2   HDR, SK {SA, Ni, KEi} -->   <-- HDR, SK {D(child)}
    //          HDR, SK {D(child)} -->      <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one rekeys the IKE_SA, the other closes the CHILD_SA",
    commands: [rekeyIke("a"), closeChild("b")],
    ends: BARE,
    flows: false,
    orders: [33, 177],
  },
  {
    // 2.25.2   HDR, SK {SA, Ni, KEi} -->   <-- HDR, SK {D(IKE)}
    //          HDR, SK {} -->              <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one rekeys the IKE_SA that the other closes",
    commands: [rekeyIke("a"), closeIke("b")],
    ends: NOTHING,
    flows: false,
    orders: [192, 980],
  },
  {
    // 2.25.2   HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr} -->   <-- HDR, SK {D(IKE)}
    //          HDR, SK {} -->                                <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one rekeys the CHILD_SA, the other closes the IKE_SA",
    commands: [rekeyChild("a"), closeIke("b")],
    ends: NOTHING,
    flows: false,
    orders: [32, 123],
  },
  {
    // 2.25.2   HDR, SK {D(IKE)} -->   <-- HDR, SK {D(IKE)}
    //          HDR, SK {} -->         <-- HDR, SK {}
    name: "both close the IKE_SA",
    commands: [closeIke("a"), closeIke("b")],
    ends: NOTHING,
    flows: false,
    orders: [16, 54],
  },
  {
    // 1.4.1    HDR, SK {D(child)} -->   <-- HDR, SK {D(IKE)}
    name: "one closes the CHILD_SA, the other the IKE_SA",
    commands: [closeChild("a"), closeIke("b")],
    ends: NOTHING,
    flows: false,
    orders: [18, 67],
  },
  {
    // 2.25.2   HDR, SK {SA, Ni, TSi, TSr} -->           <-- HDR, SK {SA, Ni, KEi}
    //          HDR, SK {N(TEMPORARY_FAILURE)} -->       <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one creates a CHILD_SA, the other rekeys the IKE_SA",
    before: bare,
    commands: [create("a"), rekeyIke("b")],
    ends: ONE,
    flows: false,
    orders: [33, 177],
  },
  {
    // 2.25.2   HDR, SK {SA, Ni, TSi, TSr} -->   <-- HDR, SK {D(IKE)}
    //          HDR, SK {} -->                   <-- HDR, SK {N(TEMPORARY_FAILURE)}
    name: "one creates a CHILD_SA, the other closes the IKE_SA",
    before: bare,
    commands: [create("a"), closeIke("b")],
    // Who did not get the CHILD_SA still wants it, and asks for another IKE_SA.
    ends: [NOTHING, ONE],
    flows: false,
    orders: [22, 93],
  },
  {
    // 1.3.1    HDR, SK {SA, Ni, TSi, TSr} -->   <-- HDR, SK {SA, Ni, TSi, TSr}
    //          HDR, SK {SA, Nr, TSi, TSr} -->   <-- HDR, SK {SA, Nr, TSi, TSr}
    name: "both create the same CHILD_SA",
    before: bare,
    commands: [create("a"), create("b")],
    // Who has it already when it is told to does not ask for another.
    ends: [ONE, { ikeSas: 1, children: 2 }],
    flows: false,
    orders: [16, 58],
  },
];

/** Some minutes' worth: with CARDCAGE_ORDERS=all in the environment. */
const LONG: Story[] = [
  {
    // 2.25.2   As above, and the end that rekeys the CHILD_SA would rekey the IKE_SA, too.
    name: "both rekey the CHILD_SA, and one the IKE_SA",
    commands: [rekeyChild("a"), rekeyIke("a"), rekeyChild("b")],
    ends: ONE,
    flows: true,
    orders: [32268],
  },
];

for (const { name, orders, seeds = [1], ...collision } of process.env.CARDCAGE_ORDERS === "all"
  ? [...STORIES, ...LONG]
  : STORIES) {
  for (const losses of orders.keys()) {
    for (const seed of seeds) {
      const what = losses === 0 ? "" : ", any one message lost";
      test(`${name}${what}, seed ${seed}`, () => {
        const { schedules, deliveries, outcomes } = enumerate({ ...collision, seed, losses });
        console.log(`${name}${what}, seed ${seed}: ${schedules} orders`, [...outcomes]);
        // The number of orders is part of what is told: fewer would mean that some are not looked at any more.
        assert.is(schedules, orders[losses]);
        assert.ok(deliveries > schedules);
      });
    }
  }
}

test.run();
