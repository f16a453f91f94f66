/**
 * Images and sets as hostile input: every truncation and every flipped octet is refused by name, whatever an attacker makes fit again,
 * and what is accepted says what it was built with.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHash } from "node:crypto";
import { ABI_VERSION } from "../../assembly/abi/board.ts";
import { checkFit } from "../../host/chassis/flash/fit.ts";
import { emitContainer, FILE_MAX, parseContainer } from "../../host/image/container.ts";
import { buildImageFile, manifestOf, parseImageFile, signImageFile } from "../../host/image/image_file.ts";
import { ImageRefused, REFUSALS } from "../../host/image/refusal.ts";
import { ANY_SLOT, buildSetFile, fileDigest, openSet, parseSetFile, signSetFile } from "../../host/image/set_file.ts";
import { checkSignature } from "../../host/image/signature.ts";
import { verifyImageFile } from "../../host/image/verify.ts";
import { compareVersions, parseVersion, renderVersion } from "../../host/image/version.ts";
import { boardModule, imageFile, newKey } from "./signed_images.ts";

const ours = newKey();
const stranger = newKey();
const dependencies = [
  { boardClass: "ike", version: parseVersion("1.2.3") },
  { boardClass: "ipsec", version: parseVersion("0.1.0+7") },
];
const image = await imageFile({ version: "1.2.3+9", counter: 5, dependencies }, ours.signer);
const set = signSetFile(
  buildSetFile(parseVersion("2.0.0"), [
    { slot: ANY_SLOT, sha256: fileDigest(image), file: "ipsec.cci" },
    { slot: 3, sha256: fileDigest(image), file: "ipsec-3.cci" },
  ]),
  ours.signer,
);

type Reader = (octets: Uint8Array) => void;
const openImage: Reader = (octets) => void checkSignature(parseImageFile(octets).container, [ours.key]);
const openTheSet: Reader = (octets) => void checkSignature(parseSetFile(octets).container, [ours.key]);

/** The reason that octets are refused for; undefined when they are accepted. Anything but a named refusal fails the test. */
function refusal(read: Reader, octets: Uint8Array): string | undefined {
  try {
    read(octets);
    return undefined;
  } catch (error) {
    if (!(error instanceof ImageRefused)) throw error;
    assert.ok(error.reason in REFUSALS, error.reason);
    assert.ok(error.message.startsWith(`${error.reason}: `), error.message);
    return error.reason;
  }
}

test("an image says what it was built with, and who signed it", () => {
  const { facts, payload, signer } = verifyImageFile(image, [stranger.key, ours.key]);
  assert.is(renderVersion(facts.version), "1.2.3+9");
  assert.is(facts.securityCounter, 5);
  assert.is(facts.boardClass, "ipsec");
  assert.is(facts.build, "base");
  assert.equal(facts.abi, { least: ABI_VERSION, most: ABI_VERSION });
  assert.equal(facts.dependencies, dependencies);
  assert.is(signer, ours.key);
  assert.equal(manifestOf(payload).ram, facts.ram);
});

for (const [what, file, read] of [
  ["image", image, openImage],
  ["set", set, openTheSet],
] as const) {
  test(`every truncation of an ${what} is refused by name`, () => {
    assert.is(refusal(read, file), undefined);
    const reasons = new Set<string>();
    for (let length = 0; length < file.length; length++) {
      const reason = refusal(read, file.subarray(0, length));
      assert.ok(reason, `${length} octets are accepted`);
      reasons.add(reason!);
    }
    assert.equal([...reasons], ["truncated"]);
  });

  test(`every octet of an ${what} counts: flipped in any bit it is refused by name`, () => {
    const changed = Uint8Array.from(file);
    const reasons = new Set<string>();
    for (let at = 0; at < file.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        changed[at]! ^= 1 << bit;
        const reason = refusal(read, changed);
        changed[at]! ^= 1 << bit;
        assert.ok(reason, `octet ${at}, bit ${bit}: accepted`);
        reasons.add(reason!);
      }
    }
    for (const wanted of ["bad_magic", "bad_header", "bad_tlv", "digest_mismatch", "unknown_key", "bad_signature"])
      assert.ok(reasons.has(wanted), `${wanted} was never the reason`);
  });

  test(`a flipped octet whose digest is made to fit again is refused for its signature, or earlier (${what})`, () => {
    const { covered } = parseContainer(what === "image" ? "CCI1" : "CCM1", file);
    const digestAt = covered.length + 8;
    const changed = Uint8Array.from(file);
    const reasons = new Set<string>();
    for (let at = 0; at < covered.length; at++) {
      changed[at]! ^= 0x01;
      changed.set(createHash("sha256").update(changed.subarray(0, covered.length)).digest(), digestAt);
      const reason = refusal(read, changed);
      changed[at]! ^= 0x01;
      assert.ok(reason && reason !== "digest_mismatch", `octet ${at}: ${reason}`);
      reasons.add(reason!);
    }
    assert.ok(reasons.has("bad_signature"));
  });

  test(`what stands behind the end of an ${what} is refused`, () => {
    assert.is(refusal(read, Buffer.concat([file, Buffer.from([0])])), "trailing_octets");
    assert.is(refusal(read, Buffer.concat([file, file])), "trailing_octets");
  });
}

test("garbage and sizes without bound end at once, with a name", () => {
  let state = 1;
  const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
  for (let n = 0; n < 20_000; n++) {
    const octets = Uint8Array.from({ length: random() % 200 }, () => random());
    // Half of them look like an image at first.
    if (n % 2 === 0) octets.set(image.subarray(0, Math.min(octets.length, random() % 40)));
    for (let i = 0; i < 3 && octets.length > 0; i++) octets[random() % octets.length] = random();
    assert.ok(refusal(openImage, octets), `${Buffer.from(octets).toString("hex")} is accepted`);
    assert.ok(refusal(openTheSet, octets));
  }
  assert.is(refusal(openImage, new Uint8Array(FILE_MAX + 1)), "too_large");
  const header = Uint8Array.from(image.subarray(0, 100));
  new DataView(header.buffer).setUint32(8, 0xffff_ffff, true);
  assert.is(refusal(openImage, header), "too_large");
});

test("unsigned, signed by a stranger, and signed by nobody who is trusted", async () => {
  const plain = await imageFile({});
  assert.is(refusal(openImage, plain), "unsigned");
  assert.is(refusal(openImage, signImageFile(plain, stranger.signer)), "unknown_key");
  assert.is(refusal(openImage, signImageFile(signImageFile(plain, stranger.signer), ours.signer)), undefined);
  assert.is(
    refusal((octets) => void checkSignature(parseImageFile(octets).container, []), image),
    "unknown_key",
  );
  // A stranger's signature under our key's name.
  const forged = emitContainer("CCI1", parseImageFile(plain).container, (covered) => ({
    ...stranger.signer(covered),
    keyHash: ours.key.hash,
  }));
  assert.is(refusal(openImage, forged), "bad_signature");
});

test("a signature of a set is none of an image, and the other way round", () => {
  assert.is(refusal(openImage, set), "bad_magic");
  assert.is(refusal(openTheSet, image), "bad_magic");
});

test("TLVs that are unknown, doubled, missing or out of order are refused although signed", () => {
  const { container } = parseImageFile(image);
  const signed = (tlvs: typeof container.tlvs): string | undefined =>
    refusal(openImage, emitContainer("CCI1", { ...container, tlvs }, ours.signer));
  assert.is(signed(container.tlvs), undefined);
  assert.is(signed([...container.tlvs, { type: 0xb0, value: new Uint8Array(4) }]), "bad_tlv");
  assert.is(signed([{ type: 0x01, value: new Uint8Array(4) }, ...container.tlvs]), "bad_tlv");
  assert.is(signed([...container.tlvs].reverse()), "bad_tlv");
  for (let i = 0; i < container.tlvs.length; i++) {
    const one = container.tlvs[i]!;
    // Dependencies may be left out; nothing may stand there twice.
    const without = container.tlvs.filter((_, k) => k !== i);
    assert.is(signed(without), one.type === 0x40 ? undefined : "bad_tlv", `without ${one.type}`);
    assert.is(signed([...container.tlvs.slice(0, i), one, ...container.tlvs.slice(i)]), "bad_tlv", `twice ${one.type}`);
    const longer = container.tlvs.map((tlv, k) =>
      k === i ? { ...tlv, value: Buffer.concat([tlv.value, Buffer.alloc(30)]) } : tlv,
    );
    assert.is(signed(longer), "bad_tlv", `longer ${one.type}`);
    const empty = container.tlvs.map((tlv, k) => (k === i ? { ...tlv, value: new Uint8Array(0) } : tlv));
    assert.is(signed(empty), "bad_tlv", `empty ${one.type}`);
  }
});

test("what an image says of its payload has to be what the payload says", async () => {
  const { container } = parseImageFile(image);
  const other = await boardModule({ board: "ike" });
  assert.is(
    refusal(openImage, emitContainer("CCI1", { ...container, payload: other }, ours.signer)),
    "manifest_mismatch",
  );
  const bare = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  assert.is(refusal(openImage, emitContainer("CCI1", { ...container, payload: bare }, ours.signer)), "not_a_board");
  const none = new Uint8Array(0);
  assert.is(refusal(openImage, emitContainer("CCI1", { ...container, payload: none }, ours.signer)), "not_a_board");
  const abi = { least: ABI_VERSION + 1, most: ABI_VERSION + 2 };
  const build = { version: parseVersion("1.0.0"), securityCounter: 0, abi };
  assert.throws(() => buildImageFile(other, build), /^manifest_mismatch/);
});

test("verify lints: a signed module that is no board is refused", async () => {
  const module = Buffer.from(await boardModule({}));
  // The export boardPoll gets another name, of the same length, and the manifest's digest does not fit any more.
  const at = module.indexOf("boardPoll");
  module.write("boardPool", at, "latin1");
  const file = signImageFile(
    buildImageFile(module, { version: parseVersion("1.0.0"), securityCounter: 0 }),
    ours.signer,
  );
  assert.throws(() => verifyImageFile(file, [ours.key]), /^not_a_board: no export "boardPoll"/);
});

test("class, ABI, RAM and counter of a slot", async () => {
  const fit = { boardClass: "ipsec", ramPages: 1024, ikeSas: 10, sas: 10 };
  const why = (facts: Parameters<typeof checkFit>[0], more = fit, counter = 5): string | undefined =>
    refusal(() => checkFit(facts, 2, more, counter), image);
  const { facts } = parseImageFile(image);
  assert.is(why(facts), undefined);
  assert.is(why(facts, fit, 6), "security_counter");
  assert.is(why(facts, { ...fit, boardClass: "ike" }), "wrong_class");
  assert.is(why(facts, { ...fit, ramPages: 1023 }), "ram_need");
  assert.is(why({ ...facts, ram: { ...facts.ram, most: 2048, per_sa: 6554 } }), "ram_need");
  const wide = parseImageFile(await imageFile({ abi: { least: 1, most: 99 } })).facts;
  assert.equal(wide.abi, { least: 1, most: 99 });
  assert.is(why({ ...facts, abi: { least: ABI_VERSION + 1, most: ABI_VERSION + 1 } }), "abi_range");
  assert.is(why({ ...facts, abi: { least: 0, most: ABI_VERSION - 1 } }), "abi_range");
});

test("a set gives the files that it names and no others", () => {
  const files: Record<string, Uint8Array> = { "ipsec.cci": image, "ipsec-3.cci": image };
  const members = openSet(parseSetFile(set), (file) => files[file]!);
  assert.equal(
    members.map(({ slot, file }) => [slot, file]),
    [
      [ANY_SLOT, "ipsec.cci"],
      [3, "ipsec-3.cci"],
    ],
  );
  files["ipsec-3.cci"] = Buffer.concat([image.subarray(0, 40), Buffer.from([image[40]! ^ 1]), image.subarray(41)]);
  assert.is(
    refusal(() => openSet(parseSetFile(set), (file) => files[file]!), image),
    "set_mismatch",
  );
});

test("a set names files without a directory, slots that can be, and none twice", () => {
  const sha256 = fileDigest(image);
  const build = (...entries: [slot: number, file: string][]): string | undefined =>
    refusal(
      () =>
        buildSetFile(
          parseVersion("1.0.0"),
          entries.map(([slot, file]) => ({ slot, file, sha256 })),
        ),
      image,
    );
  assert.is(build([ANY_SLOT, "a.cci"], [63, "a.cci"]), undefined);
  for (const file of ["", "../a.cci", "/etc/passwd", "a/b", ".a", "a\0b", "a\nb", "x".repeat(101)])
    assert.is(build([0, file]), "bad_set", JSON.stringify(file));
  assert.is(build([64, "a.cci"]), "bad_set");
  assert.is(build([0, "a.cci"], [0, "a.cci"]), "bad_set");
  assert.is(build(), "bad_set");
  assert.is(build(...Array.from({ length: 65 }, (_, i): [number, string] => [ANY_SLOT, `f${i}`])), "bad_set");
});

test("versions: spelling and order", () => {
  for (const text of ["0.0.0", "1.2.3", "255.255.65535+4294967295"]) assert.is(renderVersion(parseVersion(text)), text);
  assert.is(renderVersion(parseVersion("1.2.3+0")), "1.2.3");
  for (const text of [
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "v1.2.3",
    "256.0.0",
    "0.256.0",
    "0.0.65536",
    "1.2.3+",
    "1.2.3+4294967296",
    "-1.0.0",
  ])
    assert.throws(() => parseVersion(text), RangeError, text);
  const rising = ["0.0.1", "0.0.2", "0.1.0", "0.1.0+1", "0.1.1", "1.0.0", "1.0.0+1", "1.0.0+2", "2.0.0"].map(
    parseVersion,
  );
  for (let i = 1; i < rising.length; i++) assert.ok(compareVersions(rising[i - 1]!, rising[i]!) < 0, String(i));
});

test.run();
