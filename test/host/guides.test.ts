/** The guides' parts that are the code's: the troubleshooting guide has every drop reason, as the gateway tells it, with a usual cause. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { causes, retell, TROUBLESHOOTING } from "../../host/build/troubleshooting.ts";
import { DROP_REASONS } from "../../host/operator/drop_reason.ts";
import { difference, readGuide } from "../docs/guide.ts";

const guide = readFileSync(TROUBLESHOOTING, "utf8");

test("every drop reason has an entry with a usual cause, and none stands there that is no reason", () => {
  const told = causes(guide);
  assert.equal([...told.keys()].sort(), Object.keys(DROP_REASONS).sort());
  for (const [name, cause] of told) assert.match(cause, /^[A-Z`].{10,}\.$/, name);
});

test("what the guide says of each is what the gateway says (npm run guide)", () => {
  assert.is(retell(guide), guide);
});

test("an entry that is taken out comes back without a cause, and one for a stranger is refused", () => {
  const without = guide.replace(/^### `replay`\n[\s\S]*?(?=^### )/m, "");
  assert.not.ok(causes(without).has("replay"));
  assert.is(causes(retell(without)).get("replay"), "");
  assert.throws(() => retell(`${guide}\n### \`no_such_reason\`\n`), /no_such_reason is no drop reason/);
  assert.throws(() => causes(`${guide}\n### \`replay\`\n`), /twice/);
});

test("every guide is one that test:docs can carry out, with something to carry out", () => {
  const directory = fileURLToPath(new URL("../../docs/guides/", import.meta.url));
  const files = readdirSync(directory).filter((file) => file.endsWith(".md"));
  assert.ok(files.length > 1);
  for (const file of files) {
    const { steps } = readGuide(readFileSync(join(directory, file), "utf8"));
    assert.ok(
      steps.some(({ kind }) => kind === "commands"),
      file,
    );
  }
});

test("a guide's blocks: commands, files, output, what is hidden and what is left out; others are refused", () => {
  const text = "<!-- root -->\n<!-- sh\nset up\n-->\n```conf a.conf\nx\n```\n```sh\nls\n```\n```text\na\n```\n";
  assert.equal(readGuide(text), {
    root: true,
    steps: [
      { kind: "commands", line: 2, text: "set up" },
      { kind: "file", line: 5, name: "a.conf", text: "x" },
      { kind: "commands", line: 8, text: "ls" },
      { kind: "output", line: 11, text: "a" },
    ],
    left: [],
  });
  assert.equal(readGuide("<!-- not run: too long -->\n```sh\nsleep\n```\n").left, [{ line: 2, why: "too long" }]);
  assert.throws(() => readGuide("```bash\nls\n```\n"), /line 3: a block of bash/);
  assert.throws(() => readGuide("```text\na\n```\n"), /output without commands/);
  assert.throws(() => readGuide("```sh\nls\n"), /no ``` behind line 1/);
  assert.throws(() => readGuide("- x\n  ```sh\n  ls\n  ```\n"), /does not stand at the line's beginning/);
});

test("output is compared line by line, with what may be anything", () => {
  assert.is(difference("a  b", "a b\n"), undefined);
  assert.is(difference("a ... c", "a b c"), undefined);
  assert.is(difference("a", "b"), "a");
  assert.is(difference("a", "a\nb"), "(nothing more, but there is: b)");
  assert.is(difference("...\nc", "a\nb\nc"), undefined);
  assert.is(difference("...\nc\n...", "a\nc\nb"), undefined);
  assert.is(difference("...\nd", "a\nb\nc"), "d");
  assert.is(difference("...\nc\n...\na", "a\nb\nc"), "a");
  assert.is(difference("a.c", "abc"), "a.c");
});

test.run();
