/**
 * Bursts on inbound SAs, in lockstep by a cost model: what a peer sends at once finds a lease, and none of it is dropped as lease_wait. As TCP sends
 * them, through several SAs of one board together, the first packets of an SA among them, and again after silence of any length.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededEntropy } from "../../host/chassis/entropy.ts";
import { Cores } from "../bench/effects/cores.ts";
import { LINKS, Story } from "./story.ts";

const NETS = [1, 2, 3, 4];
const OCTETS = 1400;
/** Packets of a burst in each SA: 64 KB, twice. */
const BURST = 94;
const BURSTS = 6;
/** ns that a packet takes on an IPsec board, and on the IKE board; on the way to a lease and back a burst is there. */
const IPSEC_PACKET = 10_000;
const IKE_PACKET = 1_000;
/** Silence between two bursts, ms: less than a board takes to give a lease back, about as long, and more. */
const SILENCES = [30, 100, 300, 2000];

for (const links of LINKS) {
  test(`a burst on every SA of a board finds a lease: ${links.moon}`, async () => {
    const drive = new Cores((slot, packets) => Math.max(packets, 1) * (slot === 0 ? IKE_PACKET : IPSEC_PACKET));
    const story = new Story({
      drive,
      links,
      boards: 1,
      nets: NETS,
      cable: { latencyMs: 1 },
      chassis: { entropy: new SeededEntropy(5), conservation: true },
    });
    try {
      await story.pair.start();
      await story.establish(30_000, NETS.length);
      drive.counting = true;
      for (const silence of SILENCES) {
        for (let burst = 0; burst < BURSTS; burst++) {
          await drive.run(silence);
          for (let i = 0; i < BURST; i++) {
            for (const net of NETS) story.send(story.sun, net, OCTETS);
            await drive.run(0.004);
          }
          await drive.run(20);
          assert.is(story.drop(story.moon, "lease_wait"), 0, `burst ${burst} after ${silence} ms`);
          story.account({ whole: true });
        }
      }
      story.end();
    } finally {
      await story.pair.close();
    }
  });
}

test.run();
