/**
 * Stories of establishment and traffic: RFC 7296's first exchanges and the patent's two phases between two gateways, on both
 * links, both drives, sound and bad cables.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LINKS, LINKS_AND_CELLS, type Story, tell } from "./story.ts";

/** Both children up at both ends, on different boards, and traffic both ways through both. */
async function negotiateAndTalk(story: Story): Promise<void> {
  // RFC 7296 1.2: IKE_SA_INIT ->, <-, IKE_AUTH ->, <- with the first child; 1.3.1: CREATE_CHILD_SA ->, <- for the second.
  await story.establish();
  // RFC 4555 3.3: what can move speaks by port 4500 from IKE_AUTH on.
  assert.is(story.count("ike"), 2);
  assert.is(story.count("ike-natt"), 4);
  // S402: round robin; S403/S404: both ends know where each child is.
  for (const site of [story.moon, story.sun]) {
    const children = await story.children(site);
    assert.equal(
      children.map(({ name, slot }) => [name, slot]),
      [
        ["net-1", 1],
        ["net-2", 2],
      ],
    );
  }
  await story.mirrored();
  // S601 to S606 on the IKE boards, S701 to S706 on the IPsec boards.
  await story.exchange();
  for (const site of [story.moon, story.sun]) {
    for (const { packet, slot } of site.received) assert.is(slot, packet[14], "the board of the child sends");
  }
  const sealed = story.sun.received.length + story.moon.received.length;
  story.account({ whole: true, ordered: true });
  assert.is(story.count("esp"), sealed, "one ESP packet per clear packet");
  for (const { "packets-in": inbound, "packets-out": outbound } of await story.children(story.moon)) {
    assert.is(inbound, sealed / 4);
    assert.is(outbound, sealed / 4);
  }
}

for (const links of LINKS_AND_CELLS) {
  for (const drive of ["lockstep", "threaded"] as const) {
    test(`${drive}, moon on ${links.moon}, sun on ${links.sun}: negotiate, place, talk both ways`, () =>
      tell({ links, drive }, negotiateAndTalk));
  }
}

// RFC 7296 2.1: every request is repeated until it is answered; RFC 4303 3.4.3: a sequence number is taken once.
for (const links of LINKS) {
  for (const [name, cable] of [
    ["loses 10 %", { lose: 0.1 }],
    ["reorders", { reorder: 0.3 }],
    ["duplicates", { duplicate: 0.3 }],
    ["does all of it", { lose: 0.1, reorder: 0.2, duplicate: 0.2 }],
  ] as const) {
    for (const seed of [1, 2, 3]) {
      test(`a cable that ${name}, moon on ${links.moon}, seed ${seed}`, () =>
        tell({ links, cable, seed }, async (story) => {
          await story.establish(120_000);
          await story.pair.drive.run(5000);
          await story.mirrored();
          await story.exchange(undefined, undefined, 1000);
          const lossy = "lose" in cable;
          const missing = story.account({ whole: !lossy });
          if (lossy) assert.ok(missing < 40, `${missing} of 64 are missing`);
          if ("duplicate" in cable) {
            assert.ok(story.drop(story.moon, "replay") + story.drop(story.sun, "replay") > 0, "replays were counted");
          }
          assert.is(story.drop(story.moon, "icv") + story.drop(story.sun, "icv"), 0);
        }));
    }
  }
}

test("threaded, on a cable that does all of it, with retransmission", () =>
  tell(
    { drive: "threaded", cable: { lose: 0.1, reorder: 0.2, duplicate: 0.2 }, seed: 4, chassis: { retransmitMs: 100 } },
    async (story) => {
      await story.establish(20_000);
      await story.exchange(undefined, undefined, 300);
      story.account();
    },
  ));

test("encap = yes: IKE moves to port 4500 at IKE_AUTH, ESP goes in UDP (RFC 7296 2.23, RFC 3948)", () =>
  tell({ connection: { moon: "encap = yes", sun: "encap = yes" } }, async (story) => {
    await story.establish();
    assert.is(story.count("ike"), 2);
    assert.is(story.count("ike-natt"), 4);
    await story.exchange();
    story.account({ whole: true, ordered: true });
    assert.is(story.count("esp"), 0);
    assert.ok(story.count("esp-udp") > 0);
    for (const child of await story.mirrored()) assert.ok(child.encap);
  }));

test("start_action = trap: the first packet raises an acquire and waits for its SA", () =>
  tell({ child: { moon: "start_action = trap" } }, async (story) => {
    await story.pair.drive.run(100);
    assert.is(story.seen.length, 0, "nothing is negotiated before there is a packet");
    // S602/S603: no SA; RFC 4301 4.4.1: the policy says PROTECT, so the packet makes an SA instead of passing.
    story.send(story.moon, 1, 100);
    await story.pair.drive.run(1000);
    assert.is(story.drop(story.moon, "no_sa_acquiring"), 0);
    assert.is(story.account(), 0);
    const children = await story.children(story.moon);
    assert.equal(
      children.map(({ name, state }) => [name, state]),
      [["net-1", "INSTALLED"]],
    );
    await story.flows([1]);
    story.send(story.moon, 2, 100);
    await story.pair.drive.run(1000);
    assert.is(story.account(), 0);
    await story.flows();
  }));

test("a packet that no policy covers is dropped as such and never goes out", () =>
  tell({}, async (story) => {
    await story.establish();
    story.send(story.moon, 9, 100);
    await story.pair.drive.run(100);
    assert.is(story.account(), 1);
    assert.is(story.drop(story.moon, "no_policy"), 1);
    assert.is(story.count("esp"), 0);
  }));

test("wrong PSK: no SA at either end, and the reason is told", () =>
  tell({ secret: { sun: "another secret" } }, async (story) => {
    // RFC 7296 2.21.2: IKE_AUTH ->, <- AUTHENTICATION_FAILED (24).
    assert.not.ok(await story.pair.establish(5000));
    assert.equal(await story.children(story.moon), []);
    assert.equal(await story.children(story.sun), []);
    for (const site of [story.moon, story.sun]) {
      const [connection] = await site.gateway.connections();
      assert.ok(story.alerts(site).length > 0, `${site.name} alerts`);
      assert.is.not(connection!.failure, "", `${site.name} says why`);
    }
    assert.ok(story.moon.events.some((event) => "notify" in event && event.notify === 24));
  }));

const notified = (story: Story, notify: number): boolean =>
  story.moon.events.some((event) => "notify" in event && event.notify === notify);

// RFC 7296 2.7: IKE_SA_INIT ->, <- NO_PROPOSAL_CHOSEN (14).
test("NO_PROPOSAL_CHOSEN for the IKE_SA: no SA at either end, and the reason is told", () =>
  tell({ proposals: { moon: "aes256gcm16-prfsha384-x25519", sun: "aes128gcm16-prfsha256-x25519" } }, async (story) => {
    assert.not.ok(await story.pair.establish(3000));
    assert.ok(notified(story, 14), story.alerts(story.moon).join());
    assert.is.not((await story.moon.gateway.connections())[0]!.failure, "");
    for (const site of [story.moon, story.sun]) assert.equal(await story.children(site), []);
    assert.is(story.count("esp"), 0);
  }));

test("NO_PROPOSAL_CHOSEN for the CHILD_SAs: the IKE_SA stands, no child does", () =>
  tell({ esp: { moon: "aes256gcm16", sun: "aes128gcm16" } }, async (story) => {
    assert.not.ok(await story.pair.establish(3000));
    assert.ok(notified(story, 14), story.alerts(story.moon).join());
    for (const site of [story.moon, story.sun]) {
      assert.equal(await story.children(site), []);
      assert.is((await site.gateway.sas())[0]!.state, "ESTABLISHED");
    }
  }));

// RFC 7296 2.9: <- TS_UNACCEPTABLE (38) for the one, the other lives.
test("TS_UNACCEPTABLE: the child that the peer does not know is refused, the other one flows", () =>
  tell({ nets: { moon: [1, 2], sun: [1, 3] } }, async (story) => {
    await story.establish(5000, 1);
    await story.pair.drive.run(1000);
    assert.ok(notified(story, 38), story.alerts(story.moon).join());
    await story.mirrored(1);
    await story.flows([1]);
  }));

// RFC 7296 1.2: IKE_SA_INIT (KE of the wrong group) ->, <- INVALID_KE_PAYLOAD, IKE_SA_INIT (KE of that group) ->.
test("INVALID_KE_PAYLOAD: the second attempt uses the group that the peer wants", () =>
  tell(
    {
      proposals: {
        moon: "aes256gcm16-prfsha384-x25519-ecp256",
        sun: "aes256gcm16-prfsha384-ecp256",
      },
    },
    async (story) => {
      await story.establish();
      assert.is(story.count("ike"), 4);
      assert.is(story.count("ike-natt"), 4);
      await story.flows();
      const [ike] = await story.moon.gateway.sas();
      assert.is(ike!.suite!["dh-group"], "ECP_256");
    },
  ));

test.run();
