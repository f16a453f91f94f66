/**
 * Alert rules and the dashboard against what a gateway tells: every metric and label that they ask for is there, every drop reason is one, and
 * promtool (Debian's package prometheus) finds the rules sound, their own tests good, and the metrics well-formed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NIC_COUNTERS, isDropCounter } from "../../host/nic/linux/counters.ts";
import { DROP_REASONS } from "../../host/operator/drop_reason.ts";
import { Metrics } from "../../host/operator/metrics.ts";
import { tell } from "../system/story.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const RULES = readFileSync(join(DEPLOY, "prometheus/cardcage.rules.yml"), "utf8");
const DASHBOARD = readFileSync(join(DEPLOY, "grafana/cardcage.json"), "utf8");
const UNIT = readFileSync(join(DEPLOY, "prometheus/cardcage.rules.test.yml"), "utf8");

function promtool(args: readonly string[], input?: string): string {
  const { stdout, stderr, status, error } = spawnSync("promtool", args, {
    encoding: "utf8",
    cwd: join(DEPLOY, "prometheus"),
    timeout: 60_000,
    ...(input === undefined ? {} : { input }),
  });
  if (error) throw new Error(`promtool has to be installed: ${error.message}`);
  assert.is(status, 0, stdout + stderr);
  return stdout + stderr;
}

/** Metrics with their labels, as a gateway in use tells them. */
let told = new Map<string, Set<string>>();
let text = "";

test.before(() =>
  tell({ links: { moon: "atm", sun: "ethernet" } }, async (story) => {
    await story.establish();
    await story.flows();
    story.moon.chassis.receive("protected", new Uint8Array(40));
    await story.pair.drive.run(25_000);
    text = await new Metrics(story.moon.gateway).scrape();
    told = new Map();
    for (const [, name, labels] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? /gm)) {
      const names = told.get(name!) ?? new Set();
      for (const [, label] of (labels ?? "").matchAll(/(\w+)="/g)) names.add(label!);
      told.set(name!, names);
    }
    // No alarm stands in a story without faults.
    if (/^# TYPE cardcage_alarm gauge/m.test(text)) told.set("cardcage_alarm", new Set(["slot", "alarm", "severity"]));
  }),
);

const expressions = (): string[] => [
  ...[...RULES.matchAll(/expr: (?:>-\s+)?(.+)/g)].map(([, expression]) => expression!),
  ...[...DASHBOARD.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(
    ([, expression]) => JSON.parse(`"${expression}"`) as string,
  ),
];

test("every metric and every label that is asked for is told", () => {
  assert.ok(expressions().length >= 25);
  for (const expression of expressions()) {
    const names = [...expression.matchAll(/\b(?:ipsec|cardcage)_[a-z_]+/g)].map(([name]) => name);
    for (const name of names) assert.ok(told.has(name), `${name} in ${expression}`);
    for (const [, name, selector] of expression.matchAll(/\b((?:ipsec|cardcage)_[a-z_]+)\{([^}]*)\}/g))
      for (const [, label] of selector!.matchAll(/(\w+)(?:=~?|!=)"/g))
        assert.ok(label === "instance" || told.get(name!)!.has(label!), `${label} of ${name}`);
  }
});

test("every drop reason that is named is one", () => {
  const reasons = [...`${RULES}${UNIT}`.matchAll(/reason="(\w+)"/g)].map(([, reason]) => reason!);
  assert.ok(reasons.length >= 6);
  const ofNics = new Set<string>([...NIC_COUNTERS.filter(isDropCounter), "kernel_rx_dropped"]);
  for (const reason of reasons) assert.ok(Object.hasOwn(DROP_REASONS, reason) || ofNics.has(reason), reason);
});

test("promtool: the rules are sound and do what their tests say", () => {
  assert.match(promtool(["check", "rules", "cardcage.rules.yml"]), /SUCCESS: 13 rules/);
  assert.match(promtool(["test", "rules", "cardcage.rules.test.yml"]), /SUCCESS/);
  for (const [, alert] of RULES.matchAll(/alert: (\w+)/g)) assert.ok(UNIT.includes(alert!), `${alert} has a test`);
});

test("promtool: what a gateway tells is in Prometheus's format", () => {
  // Names of gauges and counters that dashboards know already are not promtool's taste; a line that cannot be read is an error.
  const { stdout, stderr, error } = spawnSync("promtool", ["check", "metrics"], { encoding: "utf8", input: text });
  if (error) throw error;
  const complaints = `${stdout}${stderr}`
    .split("\n")
    .filter((line) => line !== "" && !/_total|counter metrics should|non-counter/.test(line));
  assert.equal(complaints, []);
});

test.run();
