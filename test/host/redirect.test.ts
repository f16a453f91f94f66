/** Redirects and crash detection on the host: what an operator calls peers and gateways, and the secret that outlives the process. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../../assembly/abi/management.ts";
import * as psa from "../../assembly/abi/psa.ts";
import { tokenSecret } from "../../host/cli/token_secret.ts";
import { redirectItems } from "../../host/operator/redirect.ts";
import { SecureElement } from "../../host/secure_element/secure_element.ts";

const CONNECTIONS = [{ name: "gw", children: ["net"], failure: "" }];

const items = (peer: string, gateway: string): (string | number)[] =>
  redirectItems(peer, gateway, CONNECTIONS).flatMap(({ type, value }) => [
    type,
    typeof value === "number" ? value : Buffer.from(value).toString("hex"),
  ]);

test("peers and gateways, by what they are called", () => {
  const gateway = [abi.REDIRECT_GATEWAY, "0104c0000203"];
  assert.equal(items("gw", "192.0.2.3"), [abi.CONNECTION_NAME, Buffer.from("gw").toString("hex"), ...gateway]);
  assert.equal(items("#12", "192.0.2.3"), [abi.IKE_SA_UNIQUE_ID, 12, ...gateway]);
  assert.equal(items("192.0.2.1", "192.0.2.3"), [abi.IKE_SA_REMOTE, "c0000201", ...gateway]);
  assert.equal(items("a.example", "192.0.2.3"), [
    abi.IKE_SA_REMOTE_ID,
    `02${Buffer.from("a.example").toString("hex")}`,
    ...gateway,
  ]);
  assert.equal(items("gw", "2001:db8::3").slice(2), [abi.REDIRECT_GATEWAY, "021020010db8000000000000000000000003"]);
  assert.equal(items("gw", "vpn.example").slice(2), [
    abi.REDIRECT_GATEWAY,
    `030b${Buffer.from("vpn.example").toString("hex")}`,
  ]);
  assert.throws(() => items("gw", "not a name"), /is no address or name of a gateway/);
  assert.throws(() => items("%any", "192.0.2.3"), /is nobody in particular/);
});

test("the secret of the tokens is made once, and is for its owner alone", () => {
  const directory = mkdtempSync(join(tmpdir(), "state-"));
  try {
    const state = join(directory, "deep", "state");
    const secret = tokenSecret(state);
    assert.is(secret.length, 32);
    assert.equal(Buffer.from(tokenSecret(state)), Buffer.from(secret));
    assert.is(statSync(join(state, "qcd-secret")).mode & 0o777, 0o600);
    assert.is(statSync(state).mode & 0o777, 0o700);
    writeFileSync(join(state, "qcd-secret"), "short");
    assert.throws(() => tokenSecret(state), /is not the 32 octets that a gateway wrote/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Status and field of an answer. */
function token(element: SecureElement, ...fields: Uint8Array[]): { status: number; field: string } {
  const message = Buffer.concat([
    Buffer.alloc(psa.PSA_FIELDS),
    ...fields.map((field) => Buffer.concat([Buffer.from([field.length, 0]), field])),
  ]);
  message.writeUInt16LE(psa.PSA_QCD_TOKEN, psa.PSA_OP);
  const answer = Buffer.from(element.answer(message) as Uint8Array);
  return { status: answer.readInt32LE(psa.PSA_STATUS), field: answer.subarray(psa.PSA_FIELDS + 2).toString("hex") };
}

test("an element makes the same token of the same secret and SPIs, and no other", () => {
  const spis = Buffer.from("0123456789abcdeffedcba9876543210", "hex");
  const [one, two] = [new SecureElement(), new SecureElement()];
  assert.is.not(token(one, spis).field, token(two, spis).field, "each has a secret of its own");
  for (const element of [one, two]) element.loadTokenSecret(Buffer.alloc(32, 0x0b));
  assert.is(token(one, spis).field.length, 64);
  assert.equal(token(one, spis), token(two, spis));
  assert.is.not(token(one, spis).field, token(one, Buffer.alloc(16)).field);
  for (const fields of [[], [spis.subarray(1)], [spis, spis]])
    assert.is(token(one, ...fields).status, psa.PSA_ERROR_INVALID_ARGUMENT);
});

test.run();
