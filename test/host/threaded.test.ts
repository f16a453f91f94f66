/** The threaded drive by itself: what waits on it when it is closed. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chassis } from "../../host/chassis/chassis.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import type { ThreadedCage } from "../../host/chassis/drive/threaded_cage.ts";

test("closing the drive ends waits with what their condition says then", async () => {
  const drive = new Threaded();
  let done = false;
  const never = drive.until(() => false, 3_600_000);
  const late = drive.until(() => done, 3_600_000);
  done = true;
  await drive.close();
  assert.is(await never, false);
  assert.is(await late, true);
});

/** Milliseconds that a thread may show no sign of life; a board with many IKE_SAs takes longer to come up. */
const LIMIT = 25;

/** Its watchdog looks much more often than others' do, and in the moment in which a board is online. */
class Watched extends Threaded {
  /** Milliseconds from the order to power a board to its being online. */
  readonly boots: number[] = [];

  override cage(plan: Parameters<Threaded["cage"]>[0]): ThreadedCage {
    const cage = super.cage(plan);
    const power = cage.power.bind(cage);
    cage.power = async (...order) => {
      const began = performance.now();
      const result = await power(...order);
      this.boots.push(performance.now() - began);
      cage.watch(LIMIT);
      return result;
    };
    return cage;
  }
}

test("a board that took long to come up is not taken for a hung one when it has", async () => {
  const drive = new Watched();
  const chassis = new Chassis({ drive, link: "ethernet", slots: 1, ikeSaCapacity: 8192, childSaCapacity: 16384 });
  try {
    await chassis.powerOn();
    assert.ok(Math.max(...drive.boots) > 4 * LIMIT, "a board took long");
    assert.equal(chassis.faults, []);
    assert.ok(chassis.show().slots.every(({ state, generation }) => state === "Online" && generation === 1));
  } finally {
    await chassis.close();
    await drive.close();
  }
});

test.run();
