/** The syntax of swanctl.conf: what strongswan.conf(5) says, with file and line of everything, and what does not parse. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";
import { nearest } from "../../host/operator/configuration/nearest.ts";
import { parseFile, parseText, type Section } from "../../host/operator/configuration/parser.ts";

type Tree = { [name: string]: string | Tree };

/** Settings and sections as plain objects. */
const tree = (section: Section): Tree => ({
  ...Object.fromEntries([...section.settings.values()].map(({ name, value }) => [name, value])),
  ...Object.fromEntries([...section.sections.values()].map((child) => [child.name, tree(child)])),
});

function parsed(text: string): Tree {
  const { root, errors } = parseText(text, "t.conf");
  assert.equal(errors, []);
  return tree(root);
}

const wrong = (text: string): string[] =>
  parseText(text, "t.conf").errors.map(({ file, line, word, message }) => `${file}:${line}: [${word}] ${message}`);

test("settings, sections, comments, quotations", () => {
  assert.equal(
    parsed(`# a comment
a = b
empty =
spaced = 10.1.0.0/16, 10.2.0.0/16   # to the end of the line
quoted = "# no comment { } = here"
escaped = "say \\"so\\"\\ttab\\nline \\\\ end"
id = @#00ff # a key id
long = "one \\
two"
two = "first
second"
section-one{
  c=d
  "odd name" = x
  sub { e = f }
  }
section-one { g = h
 sub { i = j
 } }
`),
    {
      a: "b",
      empty: "",
      spaced: "10.1.0.0/16, 10.2.0.0/16",
      quoted: "# no comment { } = here",
      escaped: 'say "so"\ttab\nline \\ end',
      id: "@#00ff",
      long: "one two",
      two: "first\nsecond",
      "section-one": { c: "d", "odd name": "x", g: "h", sub: { e: "f", i: "j" } },
    },
  );
});

test("the last of two settings counts, and every one knows its line", () => {
  const { root } = parseText('a = 1\n\nb = "x\ny"\nc = 3\na = 4\ns {\n d = 5\n}\n', "t.conf");
  const lines = [...root.settings.values()].map(({ name, value, line }) => `${name}=${value}@${line}`);
  assert.equal(lines, ["a=4@6", "b=x\ny@3", "c=3@5"]);
  assert.is(root.sections.get("s")!.line, 7);
  assert.is(root.sections.get("s")!.settings.get("d")!.line, 8);
});

test("references: taken over at the same level, overridable, in any order, through several steps", () => {
  assert.equal(
    parsed(`connections {
  a : defaults, auth {
    x = own
    children { net : child { ts = own
 } } }
  b : connections.a { y = b
 }
}
defaults { x = default
  y = default
  local { id = d
    deep = d
 } }
auth { y = auth
  local { id = a
    auth = psk
 } }
child { ts = default
  mode = tunnel
}`),
    {
      connections: {
        a: {
          x: "own",
          y: "default",
          local: { id: "d", deep: "d", auth: "psk" },
          children: { net: { ts: "own", mode: "tunnel" } },
        },
        b: {
          y: "b",
          x: "own",
          local: { id: "d", deep: "d", auth: "psk" },
          children: { net: { ts: "own", mode: "tunnel" } },
        },
      },
      defaults: { x: "default", y: "default", local: { id: "d", deep: "d" } },
      auth: { y: "auth", local: { id: "a", auth: "psk" } },
      child: { ts: "default", mode: "tunnel" },
    },
  );
});

test("what is taken over keeps the place where it stands", () => {
  const { root } = parseText("d {\n x = 1\n}\na : d {\n}\n", "t.conf");
  assert.is(root.sections.get("a")!.settings.get("x")!.line, 2);
});

test("what does not parse is told with its place, and the rest is read", () => {
  assert.equal(wrong("a\n"), ["t.conf:1: [a] 'a' is neither a setting ('=') nor a section ('{')"]);
  assert.equal(wrong("\n= b\n"), ["t.conf:2: [=] a name is expected here"]);
  assert.equal(wrong("a { b = c\n"), ["t.conf:2: [a] section 'a' of line 1 is not closed"]);
  assert.equal(wrong("a = 1\n}\n"), ["t.conf:2: [}] there is no section to close"]);
  assert.equal(wrong('a = "open\nb = 2\n'), ['t.conf:1: ["] the quotation is not closed']);
  assert.equal(wrong("a : b {\n}\n"), ["t.conf:1: [b] there is no section 'b' to refer to"]);
  assert.equal(wrong("a : {\n}\n"), ["t.conf:1: [a] the name of a section is expected behind ':' and ','"]);
  assert.equal(wrong("a : b {\n}\nb : a {\n}\n"), ["t.conf:3: [a] section 'a' refers to itself"]);
  assert.equal(wrong("a : a {\n}\n"), ["t.conf:1: [a] section 'a' refers to itself"]);
  assert.equal(wrong('a = "b" hidden\n'), ['t.conf:1: ["] nothing may stand behind a closing quotation mark']);
  const { root } = parseText("a\nb = 2\n", "t.conf");
  assert.equal(tree(root), { b: "2" }, "the line behind a mistake is read");
});

test("what is wrong among secrets is told without what may be a part of one", () => {
  const lines = [
    "secret HushHush",
    'secret "HushHush"',
    "secret: HushHush",
    "secret : x, HushHush",
    "secret { HushHush }",
    "secret { HushHush = 1\n }",
    "secret { a { HushHush",
    "secret = 0sAAAA\n HushHush==",
    "secret = AAAA\n HushHush",
    "secret = AAAA\n HushHush { }",
    "secret = AAAA\n HushHush: x",
    'secret = "AAAA\n HushHush',
    'secret = "AAAA" HushHush',
    "secret = 0xHushHush",
    "secret = 0sHushHush@@",
    "HushHush",
  ];
  for (const line of lines) {
    const loaded = loadConfigurationText(
      `connections { gw { remote_addrs = 192.0.2.2\n local { auth = psk\n id = a\n }\n remote { auth = psk\n id = b\n }
      children { net { remote_ts = 10.2.0.0/16\n } } } }\nsecrets { ike-1 { ${line}\n } }\n`,
      "t.conf",
    );
    assert.ok("errors" in loaded, line);
    assert.not.match(JSON.stringify(loaded), /Hush/, line);
    assert.match(JSON.stringify(loaded), /t\.conf/, line);
  }
  // A slip of the pen is told as ever.
  const slip = loadConfigurationText("connections { }\nsecrets { ike-1 { secrte = x\n } }", "t.conf");
  assert.match(JSON.stringify(slip), /unknown setting 'secrte' in section 'secrets\.ike-1'","nearest":"secret"/);
});

test("references that multiply are refused, not followed", () => {
  const levels = Array.from({ length: 40 }, (_, i) => `s${i + 1} { a : s${i} { }\n b : s${i} { }\n}\n`);
  const [error] = wrong(`s0 { x = 1\n}\n${levels.reverse().join("")}`);
  assert.is(error, "t.conf:1: [] references ask for more than 65536 sections");
  assert.equal(wrong("x : a { }\na { x : a { }\n}\n"), ["t.conf:2: [a] section 'a' refers to itself"]);
});

test("sections that nest without end are refused", () => {
  assert.is(wrong("a {".repeat(100_000))[0], "t.conf:1: [a] sections nest deeper than 64");
  assert.equal(wrong("a {".repeat(64) + "}".repeat(64)), []);
});

test("no octets make it throw or hang", () => {
  const pieces = [
    "a",
    "=",
    "{",
    "}",
    '"',
    "\\",
    "\n",
    ":",
    ",",
    "#",
    "include ",
    " ",
    "\0",
    "\r",
    "é",
    "s { ",
    "x : a ",
  ];
  let state = 12345;
  const next = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: next(30) }, () => pieces[next(pieces.length)]).join("");
    const { root, errors } = parseText(text, "/nonexistent/t.conf");
    assert.ok(root.name === "" && Array.isArray(errors), text);
  }
});

test("includes: relative, with wildcards, into the section that they stand in", () => {
  const directory = mkdtempSync(join(tmpdir(), "swanctl-"));
  try {
    const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
    mkdirSync(join(directory, "conf.d"));
    mkdirSync(join(directory, "sites"));
    for (const site of ["b", "a"]) {
      mkdirSync(join(directory, "sites", site));
      write(`sites/${site}/net.conf`, `last = ${site}\n${site} { }\n`);
    }
    write("conf.d/2.conf", "value = second\n");
    write("conf.d/1.conf", "value = first\nin { one = 1\n}\n");
    write("conf.d/3.txt", "value = no\n");
    write("conf.d/.hidden.conf", "value = hidden\n");
    write("top.conf", "include conf.d/*.conf\ns {\n include sites/[a-b]/n?t.conf\n}\ninclude nothing/*.conf\n");
    const { root, errors } = parseFile(join(directory, "top.conf"));
    assert.equal(errors, []);
    assert.equal(tree(root), { value: "second", in: { one: "1" }, s: { last: "b", a: {}, b: {} } });
    assert.is(root.settings.get("value")!.file, join(directory, "conf.d/2.conf"));

    write("missing.conf", "\ninclude gone.conf\n");
    assert.equal(parseFile(join(directory, "missing.conf")).errors, [
      {
        file: join(directory, "missing.conf"),
        line: 2,
        word: join(directory, "gone.conf"),
        message: "the file cannot be read (ENOENT)",
      },
    ]);
    write("loop.conf", "include loop.conf\n");
    const loop = parseFile(join(directory, "loop.conf")).errors;
    assert.equal(
      loop.map(({ message }) => message),
      ["includes nest deeper than 10 files"],
    );
    write("bad.conf", "x\n");
    write("outer.conf", "\n\ninclude bad.conf\n");
    const [inner] = parseFile(join(directory, "outer.conf")).errors;
    assert.is(`${inner!.file}:${inner!.line}`, `${join(directory, "bad.conf")}:1`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the nearest word, when one is near", () => {
  const valid = ["local_addrs", "remote_addrs", "proposals", "restart", "trap"];
  assert.is(nearest("remote_adrs", valid), "remote_addrs");
  assert.is(nearest("porposals", valid), "proposals");
  assert.is(nearest("Restart", valid), "restart");
  assert.is(nearest("trpa", valid), "trap");
  assert.is(nearest("mobike", valid), undefined);
  assert.is(nearest("x", []), undefined);
});

test.run();
