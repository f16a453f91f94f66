/**
 * Every name of swanctl.conf(5) (strongSwan 5.9.8) is either done here or named as known and not supported: none is a stranger, and none is
 * passed over.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";

/** Settings by section, as the manual page lists them. */
const NAMES: Record<string, string> = {
  "authorities.<name>": "cacert cert_uri_base crl_uris file handle module ocsp_uris slot",
  "connections.<conn>":
    "aggressive childless dpd_delay dpd_timeout dscp encap fragmentation if_id_in if_id_out keyingtries local_addrs local_port mediated_by mediation mediation_peer mobike over_time pools ppk_id ppk_required proposals pull rand_time reauth_time rekey_time remote_addrs remote_port send_cert send_certreq unique version vips",
  "connections.<conn>.children.<child>":
    "ah_proposals close_action copy_df copy_dscp copy_ecn dpd_action esp_proposals hostaccess hw_offload if_id_in if_id_out inactivity interface ipcomp label label_mode life_bytes life_packets life_time local_ts mark_in mark_in_sa mark_out mode policies policies_fwd_out priority rand_bytes rand_packets rand_time rekey_bytes rekey_packets rekey_time remote_ts replay_window reqid set_mark_in set_mark_out sha256_96 start_action tfc_padding updown",
  "connections.<conn>.local<suffix>": "aaa_id auth certs eap_id id pubkeys round xauth_id",
  "connections.<conn>.local<suffix>.cert<suffix>": "file handle module slot",
  "connections.<conn>.remote<suffix>": "auth ca_id cacerts cert_policy certs eap_id groups id pubkeys revocation round",
  "connections.<conn>.remote<suffix>.cacert<suffix>": "file handle module slot",
  "connections.<conn>.remote<suffix>.cert<suffix>": "file handle module slot",
  "pools.<name>": "<attr> addrs",
  "secrets.eap<suffix>": "id<suffix> secret",
  "secrets.ecdsa<suffix>": "file secret",
  "secrets.ike<suffix>": "id<suffix> secret",
  "secrets.ntlm<suffix>": "id<suffix> secret",
  "secrets.pkcs12<suffix>": "file secret",
  "secrets.pkcs8<suffix>": "file secret",
  "secrets.ppk<suffix>": "id<suffix> secret",
  "secrets.private<suffix>": "file secret",
  "secrets.rsa<suffix>": "file secret",
  "secrets.token<suffix>": "handle module pin slot",
};

/** A name with something in place of the manual's placeholders. */
const concrete = (name: string): string =>
  name
    .replace("<suffix>", "-1")
    .replace("<conn>", "gw")
    .replace("<child>", "net")
    .replace("<name>", "one")
    .replace("<attr>", "dns");

/** What is said of a configuration that has that setting alone. */
function problems(section: string, setting: string, value: string): string[] {
  const path = section.split(".").map(concrete);
  const text = `${path.map((name) => `${name} {`).join("\n")}\n${concrete(setting)} = ${value}\n${"}\n".repeat(path.length)}`;
  const loaded = loadConfigurationText(text, "x.conf");
  return ("errors" in loaded ? loaded.errors : loaded.warnings).map(({ message }) => message);
}

const all = Object.entries(NAMES).flatMap(([section, settings]) =>
  settings.split(" ").map((setting) => [section, setting] as const),
);

test("no name of swanctl's is unknown", () => {
  assert.ok(all.length > 120);
  const strangers = all.filter(([section, setting]) =>
    problems(section, setting, "1").some((message) => message.startsWith("unknown ")),
  );
  assert.equal(
    strangers.map((name) => name.join(".")),
    [],
  );
});

test("a name that is nobody's is unknown in every section, with its place", () => {
  for (const section of Object.keys(NAMES)) {
    const said = problems(section, "no_such_setting", "1");
    assert.ok(
      said.some((message) => message.startsWith("unknown ") || message.includes("not supported by this gateway")),
      `${section}: ${said.join("; ")}`,
    );
  }
});

test("what is known and not done is named as such, and refused", () => {
  for (const [section, setting, value] of [
    ["connections.<conn>.children.<child>", "updown", "/bin/true"],
    ["connections.<conn>.children.<child>", "mark_in", "42"],
    ["connections.<conn>.children.<child>", "if_id_out", "1"],
    ["connections.<conn>.children.<child>", "tfc_padding", "mtu"],
    ["connections.<conn>.children.<child>", "ipcomp", "yes"],
    ["connections.<conn>.children.<child>", "mode", "beet"],
    ["connections.<conn>", "version", "1"],
    ["connections.<conn>", "mediation", "yes"],
    ["connections.<conn>.local<suffix>", "xauth_id", "x"],
    ["secrets.token<suffix>", "pin", "1234"],
    ["secrets.pkcs12<suffix>", "file", "x"],
    ["authorities.<name>", "ocsp_uris", "http://x"],
    ["authorities.<name>", "cert_uri_base", "http://x"],
  ] as const) {
    const said = problems(section, setting, value);
    assert.ok(
      said.some((message) => message.includes("not supported by this gateway")),
      `${section}.${setting}: ${said.join("; ")}`,
    );
  }
});

test.run();
