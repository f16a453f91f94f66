/** What the chassis keeps of the IKE board's checkpoint: the newest of each, in the order of a restoration, and nothing that does not add up. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  CHECKPOINT_CHILD_SA,
  CHECKPOINT_HEADER,
  CHECKPOINT_IKE_SA,
  CHECKPOINT_LINK,
  CHECKPOINT_RESPONSE,
  CHECKPOINT_SALT,
} from "../../assembly/abi/checkpoint.ts";
import { Checkpoint } from "../../host/chassis/checkpoint.ts";

const CAPACITY = { ikeSas: 4, childSas: 8 };

function record(kind: number, index: number, epoch: number, contents: string): Uint8Array {
  const octets = Buffer.from(contents);
  const made = new Uint8Array(CHECKPOINT_HEADER + octets.length);
  const view = new DataView(made.buffer);
  for (const [at, value] of [kind, index, octets.length, epoch].entries()) view.setUint32(4 * at, value, true);
  made.set(octets, CHECKPOINT_HEADER);
  return made;
}

/** As a board leaves them: each at a multiple of 8. */
function area(...records: Uint8Array[]): Uint8Array {
  const padded = records.map((one) => Buffer.concat([one, Buffer.alloc((8 - (one.length % 8)) % 8)]));
  return new Uint8Array(Buffer.concat(padded));
}

const told = (checkpoint: Checkpoint): string[] =>
  checkpoint.records().map((one) => {
    const view = new DataView(one.buffer, one.byteOffset);
    const text = Buffer.from(one.subarray(CHECKPOINT_HEADER)).toString();
    return `${view.getUint32(0, true)}/${view.getUint32(4, true)} of ${view.getUint32(12, true)}: ${text}`;
  });

test("the newest of each kind and index, by kind, behind the salt of its epoch", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  assert.ok(checkpoint.empty);
  checkpoint.take(area(record(CHECKPOINT_SALT, 0, 1, "one"), record(CHECKPOINT_LINK, 3, 1, "link")));
  checkpoint.take(area(record(CHECKPOINT_IKE_SA, 0, 1, "old"), record(CHECKPOINT_RESPONSE, 0, 1, "answer!")));
  checkpoint.take(area(record(CHECKPOINT_IKE_SA, 0, 1, "newer")));
  assert.equal(told(checkpoint), [
    "1/0 of 1: one",
    "2/0 of 1: newer",
    "1/0 of 1: one",
    "3/0 of 1: answer!",
    "1/0 of 1: one",
    "7/3 of 1: link",
  ]);
  assert.is(checkpoint.size, 3);
});

test("of two epochs each has its salt, and a salt without records goes", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  checkpoint.take(
    area(record(CHECKPOINT_SALT, 0, 1, "one"), record(CHECKPOINT_LINK, 3, 1, "a"), record(CHECKPOINT_LINK, 4, 1, "b")),
  );
  checkpoint.take(area(record(CHECKPOINT_SALT, 0, 2, "two"), record(CHECKPOINT_LINK, 4, 2, "B")));
  assert.equal(told(checkpoint), ["1/0 of 1: one", "7/3 of 1: a", "1/0 of 2: two", "7/4 of 2: B"]);
  checkpoint.take(area(record(CHECKPOINT_LINK, 3, 2, "A"), record(CHECKPOINT_SALT, 0, 3, "three")));
  assert.equal(told(checkpoint), ["1/0 of 2: two", "7/3 of 2: A", "7/4 of 2: B"]);
});

test("what is gone is gone, and forgotten is everything", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  checkpoint.take(
    area(
      record(CHECKPOINT_SALT, 0, 1, "one"),
      record(CHECKPOINT_CHILD_SA, 7, 1, "child"),
      record(CHECKPOINT_IKE_SA, 3, 1, "sa"),
    ),
  );
  checkpoint.take(area(record(CHECKPOINT_CHILD_SA, 7, 1, "")));
  assert.equal(told(checkpoint), ["1/0 of 1: one", "2/3 of 1: sa"]);
  checkpoint.clear();
  assert.ok(checkpoint.empty);
  assert.equal(told(checkpoint), []);
});

test("the octets are its own", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  const octets = area(record(CHECKPOINT_SALT, 0, 1, "one"), record(CHECKPOINT_IKE_SA, 1, 1, "sa"));
  checkpoint.take(octets);
  octets.fill(0);
  assert.equal(told(checkpoint), ["1/0 of 1: one", "2/1 of 1: sa"]);
});

test("nothing beyond the board's tables, and of no other kind", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  checkpoint.take(
    area(
      record(CHECKPOINT_IKE_SA, CAPACITY.ikeSas, 1, "too many"),
      record(CHECKPOINT_LINK, CAPACITY.childSas, 1, "too many"),
      record(0, 0, 1, "no kind"),
      record(CHECKPOINT_LINK + 1, 0, 1, "no kind"),
    ),
  );
  assert.is(checkpoint.malformed, 4);
  assert.ok(checkpoint.empty);
});

test("whatever comes and goes, in whatever lengths, each record is the last that was taken; and what was told stays as it was told", () => {
  const checkpoint = new Checkpoint(CAPACITY);
  checkpoint.take(area(record(CHECKPOINT_SALT, 0, 1, "salt")));
  const expected = new Map<string, string>();
  let state = 1;
  const next = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
  let before: { given: string[]; records: Uint8Array[] } | undefined;
  for (let i = 0; i < 3000; i++) {
    const kind = [CHECKPOINT_IKE_SA, CHECKPOINT_RESPONSE, CHECKPOINT_LINK][next(3)]!;
    const index = next(4);
    const contents = next(3) === 0 ? "" : `${i} ${"x".repeat(next(2) * 9)}`;
    checkpoint.take(area(record(kind, index, 1, contents)));
    if (contents === "") expected.delete(`${kind}/${index}`);
    else expected.set(`${kind}/${index}`, contents);
    const now = told(checkpoint).filter((line) => !line.startsWith(`${CHECKPOINT_SALT}/`));
    assert.equal(now.sort(), [...expected].map(([name, text]) => `${name} of 1: ${text}`).sort());
    if (before)
      assert.equal(
        before.records.map((one) => Buffer.from(one).toString("hex")),
        before.given,
      );
    const records = checkpoint.records();
    before = { records, given: records.map((one) => Buffer.from(one).toString("hex")) };
  }
});

test.run();
