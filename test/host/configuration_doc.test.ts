/**
 * docs/configuration.md says of every setting what holds without it. It has all settings that the parser takes and no other, and what it states as
 * a default, written down, makes no other configuration than what is left out.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import * as config from "../../assembly/abi/config.ts";
import * as abi from "../../assembly/abi/management.ts";
import { SAS } from "../../host/chassis/chassis.ts";
import { ORPHAN_TIME } from "../../host/chassis/supervisor.ts";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";
import { CHASSIS, ROOT, type SectionSchema } from "../../host/operator/configuration/schema.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

interface Documented {
  path: string;
  /** Setting: what holds without it; a value that can be written down, or undefined where it is told in words. */
  settings: Map<string, string | undefined>;
  refused: string[];
}

/** The page's sections: a heading with a path, a table of settings, and a list of what is refused. */
const PAGE: Documented[] = read("docs/configuration.md")
  .split(/^#+ (?=`)/m)
  .slice(1)
  .map((text) => ({
    path: /^`([^`]+)`/.exec(text)![1]!,
    settings: new Map(
      [...text.matchAll(/^\| `([a-z_0-9]+)` \| (.+?) \|/gm)].map(([, name, otherwise]) => [
        name!,
        /^`([^`]+)`$/.exec(otherwise!)?.[1],
      ]),
    ),
    refused: [...(/^Known to swanctl and refused: ([^]+?)\.$/m.exec(text)?.[1] ?? "").matchAll(/`(\w+)`/g)].map(
      ([, name]) => name!,
    ),
  }));

/** The parser's table for a path; NAME stands for any name, N for a slot. */
function schemaOf(path: string): SectionSchema {
  return path.split(".").reduce((schema, step) => {
    const name = step === "N" ? "1" : step;
    const next =
      schema.sections?.[name] ??
      schema.sectionPatterns?.find(({ pattern }) => pattern.test(name))?.schema ??
      (step === "NAME" ? schema.each : undefined);
    assert.ok(next, `${path}: ${step} is no section`);
    return next!;
  }, ROOT);
}

test("every setting has its line, in every section, and no line is of a stranger", () => {
  assert.ok(PAGE.length >= 14);
  for (const { path, settings, refused } of PAGE) {
    const schema = schemaOf(path);
    const names = [
      ...Object.keys(schema.settings),
      ...(path === "chassis" ? [] : (schema.patterns ?? []).map((one) => one.example)),
    ];
    assert.equal([...settings.keys()].sort(), names.sort(), path);
    assert.equal(refused.sort(), [...(schema.unsupported ?? [])].sort(), `${path}: what swanctl has besides`);
  }
  const sections = PAGE.map(({ path }) => path);
  for (const name of Object.keys(CHASSIS.sections!))
    assert.ok(
      sections.some((path) => path.startsWith(`chassis.${name}`)),
      name,
    );
});

/** A configuration with one more line in a section. */
function compiled(path: string, line: string): unknown {
  const at = (section: string): string => (section === path ? line : "");
  const text = `
connections {
  gw {
    ${at("connections.NAME")}
    local {
      auth = psk
      id = a.example
      ${at("connections.NAME.local")}
    }
    remote {
      auth = psk
      ${at("connections.NAME.remote")}
    }
    children {
      net {
        ${at("connections.NAME.children.NAME")}
      }
    }
  }
}
secrets {
  ike-1 {
    secret = "a secret of these two"
  }
}
chassis {
  ${at("chassis")}
  panel {
    ${at("chassis.panel")}
  }
  log {
    ${at("chassis.log")}
  }
  protected {
    ${at("chassis.protected")}
  }
  unprotected {
    ${at("chassis.unprotected")}
  }
}`;
  const loaded = loadConfigurationText(text, "x.conf");
  if ("errors" in loaded) return loaded.errors;
  const { configuration, warnings } = loaded;
  return JSON.parse(JSON.stringify({ configuration, warnings }));
}

/** What a number in a source is. */
const stated = (file: string, pattern: RegExp): string => pattern.exec(read(file))?.[1] ?? `not in ${file}`;
const SETTINGS = "assembly/ike/settings.ts";

/** Settings of which a board or the chassis is told only when they are given: what it does otherwise. */
const TOLD_WHEN_GIVEN: Record<string, string> = {
  "connections.NAME keyingtries": stated("assembly/ike/connection.ts", /c\.keyingTries = (\d+);/),
  "connections.NAME unique": (["no"] as const)[abi.UNIQUE_NO],
  "connections.NAME childless": (["allow"] as const)[abi.CHILDLESS_ALLOW],
  "connections.NAME fragmentation": (["yes"] as const)[abi.FRAGMENTATION_YES],
  "connections.NAME send_cert": (["ifasked"] as const)[abi.SEND_CERT_IF_ASKED],
  "chassis placement": stated("assembly/distribution/selection.ts", /standard = item == 0 \? PLACEMENT_(\w+)/)
    .toLowerCase()
    .replace("_", "-"),
  "chassis lease": String(config.LEASE_DEFAULT),
  "chassis orphan_time": `${ORPHAN_TIME / 1_000_000_000n}s`,
  "chassis sa_capacity": String(SAS),
  "chassis ike_sa_capacity": stated("host/chassis/chassis.ts", /const IKE_SAS = (\d+);/),
  "chassis fragment_size": stated(SETTINGS, /CONFIG_FRAGMENT_SIZE, (\d+)\)/),
  "chassis retransmit_timeout": `${Number(stated(SETTINGS, /CONFIG_RETRANSMIT_MS, (\d+)\)/)) / 1000}s`,
  "chassis retransmit_tries": String(Number(stated(SETTINGS, /CONFIG_RETRANSMIT_TRIES, (\d+)\)/)) - 1),
  "chassis keep_alive": `${stated(SETTINGS, /CONFIG_KEEPALIVE, (\d+)\)/)}s`,
  "chassis.slots.N weight": String(config.BOARD_WEIGHT_DEFAULT),
  "chassis.protected adjust_mss": "no",
  "chassis.unprotected mtu": stated("assembly/ipsec/path_mtu.ts", /const LINK_MTU: u32 = (\d+);/),
};

test("what is stated as a default is what holds without the setting", () => {
  let compared = 0;
  const told = new Set<string>();
  for (const { path, settings } of PAGE) {
    const without = compiled(path, "");
    assert.ok(!Array.isArray(without), JSON.stringify(without));
    for (const [name, value] of settings) {
      // Names of other settings are no values.
      if (value === undefined || settings.has(value) || name === "auth") continue;
      const key = `${path} ${name}`;
      if (key in TOLD_WHEN_GIVEN) {
        assert.is(value, TOLD_WHEN_GIVEN[key], key);
        told.add(key);
        continue;
      }
      assert.equal(compiled(path, `${name} = ${value}`), without, key);
      compared += 1;
    }
  }
  assert.equal([...told].sort(), Object.keys(TOLD_WHEN_GIVEN).sort());
  assert.ok(compared >= 45, String(compared));
  // Another value makes another configuration.
  for (const [path, line] of [
    ["connections.NAME", "rekey_time = 5h"],
    ["connections.NAME.children.NAME", "replay_window = 64"],
    ["chassis", "key_export = yes"],
  ] as const)
    assert.not.equal(compiled(path, line), compiled(path, ""), line);
});

test.run();
