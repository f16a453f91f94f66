/** RAM goes by the configuration: what board.json says of each SA is enough, and no more than it takes. */
import { existsSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chassis } from "../../host/chassis/chassis.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { adviseHugePages } from "../../host/chassis/huge_pages.ts";

for (const [ikeSas, childSas] of [
  [1, 1],
  [256, 1024],
  [4096, 8192],
  [10000, 20000],
] as const) {
  test(`boards for ${ikeSas} IKE_SAs and ${childSas} CHILD_SAs come up in the RAM that they are given`, async () => {
    const drive = new Lockstep();
    const chassis = new Chassis({
      drive,
      link: "ethernet",
      slots: 1,
      ikeSaCapacity: ikeSas,
      childSaCapacity: childSas,
      saCapacity: childSas,
    });
    try {
      await chassis.powerOn();
      for (const { board, state, reason, ram } of chassis.show().slots) {
        assert.is(`${board} ${state} ${reason}`, `${board} Online `);
        const spare = ram.total - ram.used;
        assert.ok(spare >= 0, `${board}: ${ram.used} of ${ram.total} octets used`);
        // A fixed part is spare when few SAs are asked for: tables of another kind have a least size.
        assert.ok(spare < 48 * 2 ** 20 + ram.used / 4, `${board}: ${spare} of ${ram.total} octets are spare`);
      }
    } finally {
      await chassis.close();
      await drive.close();
    }
  });
}

test("RAM is in large pages where the system has them", () => {
  const { buffer } = new WebAssembly.Memory({ initial: 64, maximum: 64 });
  assert.is(adviseHugePages(new Uint8Array(buffer)), existsSync("/sys/kernel/mm/transparent_hugepage/enabled"));
});

test.run();
