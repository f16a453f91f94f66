/** docs/schema/chassis-file.schema.json: the chassis section in JSON is valid when the parser takes it, and wrong for both when it is wrong. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfiguration } from "../../host/operator/configuration/configuration.ts";
import { sectionJson, sectionSchema } from "../../host/operator/configuration/json_schema.ts";
import { type ConfigurationError, parseText } from "../../host/operator/configuration/parser.ts";
import { CHASSIS, readSection, type SectionSchema } from "../../host/operator/configuration/schema.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const published = JSON.parse(readFileSync(join(ROOT, "docs/schema/chassis-file.schema.json"), "utf8"));
const validate = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true }).compile(published);

/** What both say of a chassis section, given as text. */
function verdicts(text: string): { parser: boolean; schema: boolean } {
  const { root, errors } = parseText(`chassis {\n${text}\n}`, "x.conf");
  assert.equal(errors, [], text);
  const section = root.sections.get("chassis")!;
  const wrong: ConfigurationError[] = [];
  readSection(section, CHASSIS, wrong, "chassis");
  return { parser: wrong.length === 0, schema: validate(sectionJson(section, CHASSIS)) };
}

test("the published schema is the one of the parser's table", () => {
  const { $schema, $id, title, ...section } = published;
  assert.match(`${$schema} ${$id} ${title}`, /draft-07.* urn:cardcage:configuration:chassis:\d+ The chassis section/);
  assert.equal(section, JSON.parse(JSON.stringify(sectionSchema(CHASSIS))));
});

test("the examples validate, as JSON that has their numbers, switches and lists", () => {
  const files = readdirSync(join(ROOT, "examples")).filter((file) => file.endsWith(".conf"));
  assert.ok(files.length >= 2);
  for (const file of files) {
    const loaded = loadConfiguration(join(ROOT, "examples", file));
    if ("errors" in loaded) throw new Error(file);
    assert.ok(validate(loaded.chassis), `${file}: ${JSON.stringify(validate.errors)}`);
    assert.is((loaded.chassis.slots as Record<string, string>)["0"], "ike");
  }
  const { root } = parseText(
    "chassis {\nlease = 64\nfaults = on\nimage_keys = a.pub, b.pub\norphan_time = 5m\nmetrics = 9814\n" +
      "slots {\n0 = ike\n2 {\nboard = ipsec\nweight = 3\n}\n}\nprotected {\nadjust_mss = 1300\n}\nlog {\nlevel = warn\nslots {\n2 = debug\n}\n}\n}",
    "x.conf",
  );
  const json = sectionJson(root.sections.get("chassis")!, CHASSIS);
  assert.equal(json, {
    lease: 64,
    faults: true,
    image_keys: ["a.pub", "b.pub"],
    orphan_time: "5m",
    metrics: "9814",
    slots: { "0": "ike", "2": { board: "ipsec", weight: 3 } },
    protected: { adjust_mss: 1300 },
    log: { level: "warn", slots: { "2": "debug" } },
  });
  assert.ok(validate(json), JSON.stringify(validate.errors));
});

test("what is wrong is wrong for both", () => {
  for (const text of [
    "links = token-ring",
    "placement = slot 2",
    "lease = 3",
    "lease = many",
    "lease = 1.5",
    "rebalance = perhaps",
    "orphan_time = soon",
    "orphan_time = 5 weeks",
    "slot_ram = 5x",
    "metrics = everywhere",
    "no_such_setting = 1",
    "slots {\n64 = ipsec\n}",
    "slots {\n1 = router\n}",
    "slots {\n1 {\nboard = ipsec\nweight = 0\n}\n}",
    "slots {\n1 {\ncolour = red\n}\n}",
    "protected {\nmtu = 100\n}",
    "protected {\nadjust_mss = yes\n}",
    "unprotected {\nport_ike = 65536\n}",
    "log {\nlevel = loud\n}",
    "log {\nslots {\n3 = loud\n}\n}",
    "no_such_section {\n}",
  ])
    assert.equal(verdicts(text), { parser: false, schema: false }, text);
});

const TEXTS = [
  ..."0 1 2 3 4 88 100 576 1500 9000 9001 65535 65536 131072 1048576 4294967295 99999999999".split(" "),
  ..."yes no on off true false Yes 1s 10m 4h 1d 5w 8k 2G 1t 0x10 -1 1.5 banana ike ipsec atm ethernet remote cell".split(
    " ",
  ),
  ..."frame round-robin least-loaded hash threaded lockstep simd base relaxed text json info debug silent".split(" "),
  ..."clamp-mss-to-pmtu 9814 192.0.2.1:9814 [2001:db8::1]:9814 192.0.2.9 [2001:db8::9]:9815 shelf.example:9815".split(
    " ",
  ),
  "a, b",
  "slot 2",
  "with spaces",
];

/** Every setting of the section, with what stands around it. */
function settings(schema: SectionSchema, around = (text: string): string => text): ((value: string) => string)[] {
  const names = [...Object.keys(schema.settings), ...(schema.patterns ?? []).map(({ example }) => example)];
  const inner = [
    ...Object.entries(schema.sections ?? {}),
    ...(schema.sectionPatterns ?? []).map(({ example, schema }) => [example, schema] as const),
  ];
  return [
    ...names.map((name) => (value: string) => around(`${name} = ${value}`)),
    ...inner.flatMap(([name, schema]) => settings(schema, (text) => around(`${name} {\n${text}\n}`))),
  ];
}

test("whatever the parser takes is valid, for every setting and many values", () => {
  const all = settings(CHASSIS);
  assert.ok(all.length > 40);
  let taken = 0;
  const odd: string[] = [];
  for (const write of all) {
    for (const value of TEXTS) {
      const text = write(value);
      const { parser, schema } = verdicts(text);
      if (parser) taken++;
      if (parser && !schema) odd.push(text);
    }
  }
  assert.ok(taken > 500, `${taken}`);
  assert.equal(odd, []);
});

test.run();
