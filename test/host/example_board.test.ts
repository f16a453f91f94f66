/** examples/board: the policer is a board, by every rule of the build, and carries what it says, in both builds that Node 20 runs. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildAll, imagePath } from "../../host/build/build.ts";
import { loadImageFile } from "../../host/chassis/image.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DIRECTORY = join(ROOT, "examples/board/policer");

await buildAll({ boards: [DIRECTORY], builds: ["simd", "base"] });

for (const build of ["simd", "base"] as const) {
  test(`a burst passes, and no more than that (${build})`, () => {
    assert.is(loadImageFile(imagePath("policer", build)).name, `policer.${build}`);
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", join(ROOT, "examples/board/story.ts"), imagePath("policer", build)],
      { cwd: ROOT, encoding: "utf8", timeout: 120_000 },
    );
    assert.is(
      stdout,
      `at once: 100 of 200 packets arrived\na second later: 100 of 200 packets arrived\npolicer.${build}: dropped {"backplane_congestion":200}\n`,
      stderr,
    );
  });
}

test("a board elsewhere that is called like one of the project's own, or that is not there, is refused", async () => {
  for (const [path, said] of [
    [join(ROOT, "boards/ipsec"), /ipsec is a board of the project's own/],
    ["examples/board/none", /ENOENT/],
  ] as const) {
    const refused: Error = await buildAll({ boards: [path] }).then(
      () => new Error("it was built"),
      (error: Error) => error,
    );
    assert.match(refused.message, said);
  }
});

test.run();
