/** The unit file, as systemd reads it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const UNIT = fileURLToPath(new URL("../../deploy/systemd/cardcage.service", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-unit-"));
test.after(() => rmSync(directory, { recursive: true }));

test("the unit is one that systemd understands, without root, and restarts nothing that is configured wrongly", () => {
  const unit = readFileSync(UNIT, "utf8");
  const command = join(directory, "cardcage");
  writeFileSync(command, "#!/bin/sh\n");
  chmodSync(command, 0o755);
  const file = join(directory, "cardcage.service");
  writeFileSync(file, unit.replaceAll("/usr/bin/cardcage", command).replace(/^(User|Group)=cardcage$/gm, "$1=daemon"));
  if (!existsSync("/usr/bin/systemd-analyze")) throw new Error("systemd-analyze has to be installed (Debian: systemd)");
  const { stdout, stderr, status } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
  const own = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("cardcage.service"));
  assert.equal([own, status], [[], 0], stderr);
  assert.match(unit, /^RestartPreventExitStatus=2$/m);
  assert.match(unit, /^User=cardcage$/m);
  assert.match(unit, /^LimitCORE=0$/m, "whatever kills it leaves no core, in which keys would be");
  assert.not.match(unit, /CAP_SYS_ADMIN|CAP_DAC|^User=root/m);
});

test.run();
