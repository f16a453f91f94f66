/** The SPD (RFC 4301 4.4.1, 5.2): what is bypassed, discarded and protected, in order, in both directions, with both IP versions. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  MANAGEMENT_CONNECTION_LOAD,
  MANAGEMENT_CONNECTION_UNLOAD,
  CONNECTION_NAME,
} from "../../assembly/abi/management.ts";
import type { Site } from "../../host/demo/pair.ts";
import { encodeMessage, textValue } from "../../host/operator/management.ts";
import type { PolicyStatus } from "../../host/operator/policies.ts";
import { clearPacket, clearPacket6, type Transport } from "./packets.ts";
import { LINKS, type Story, tell } from "./story.ts";

const NET = { moon: 1, sun: 2 } as const;
const hex = (packet: Uint8Array): string => Buffer.from(packet).toString("hex");

let serial = 0;

/** A packet between hosts of net `net` of both sites. */
const packet4 = (from: Site, net: number, transport: Transport = "udp"): Uint8Array => {
  const [own, other] = from.name === "moon" ? [NET.moon, NET.sun] : [NET.sun, NET.moon];
  return clearPacket(transport, [10, own, net, 5], [10, other, net, 7], 120, ++serial);
};
const packet6 = (from: Site, net: number): Uint8Array => {
  const [own, other] = from.name === "moon" ? [NET.moon, NET.sun] : [NET.sun, NET.moon];
  return clearPacket6([own, net], [other, net], 120, ++serial);
};

/** Takes what arrived at a site, as [octets, slot]. */
const taken = (site: Site): [string, number][] =>
  site.received.splice(0).map(({ packet, slot }) => [hex(packet), slot]);

/** What stood on the cable in clear is told as an offence: here it is meant. Takes them off, as octets. */
const inClear = (story: Story): string[] =>
  story.offences
    .splice(0)
    .filter((offence) => offence.startsWith("on the WAN"))
    .map((offence) => offence.replace(/^.*: /, ""));

const policies = async (site: Site): Promise<PolicyStatus[]> => site.gateway.policies();
const lines = async (site: Site): Promise<string[]> =>
  (await policies(site)).map(
    (p) => `${p.priority} ${p.action} ${p["local-ts"]} ${p["remote-ts"]} ${p.name}${p.state ? ` ${p.state}` : ""}`,
  );

/** Shunts of a site: a connection of its own that is no peer's. */
const shunts = (children: string): string => `policies { children { ${children} } }`;

const nets = (site: "moon" | "sun", net: number): string => {
  const [own, other] = site === "moon" ? [1, 2] : [2, 1];
  return `local_ts = 10.${own}.${net}.0/24, fd00:${own}:${net}::/64 \n remote_ts = 10.${other}.${net}.0/24, fd00:${other}:${net}::/64 \n`;
};

for (const links of LINKS) {
  test(`BYPASS passes beside the IPsec boards as it stands, both ways, both versions; moon on ${links.moon}`, () =>
    tell(
      {
        links,
        inside: "both",
        connections: {
          moon: shunts(`open { mode = pass \n ${nets("moon", 3)} }`),
          sun: shunts(`open { mode = pass \n ${nets("sun", 3)} }`),
        },
      },
      async (story) => {
        await story.establish();
        assert.equal(inClear(story), [], "what is protected is sealed");
        for (const from of [story.moon, story.sun]) {
          const to = story.other(from);
          const sent = [packet4(from, 3), packet4(from, 3, "icmp"), packet4(from, 3, "tcp"), packet6(from, 3)];
          const before = from.chassis.show().slots.map(({ counters }) => counters.in);
          for (const packet of sent) assert.ok(from.send(packet.slice()));
          await story.pair.drive.run(50);
          assert.equal(inClear(story), sent.map(hex), "unsealed on the cable, not an octet changed");
          assert.equal(
            taken(to),
            sent.map((packet) => [hex(packet), to.chassis.ikeSlot]),
            "the IKE board hands it through",
          );
          const boards = from.chassis.show().slots.filter(({ slot }) => slot !== from.chassis.ikeSlot);
          assert.equal(
            boards.map(({ counters, slot }) => counters.in - before[slot]!),
            boards.map(() => 0),
            "no IPsec board has seen it",
          );
        }
        const open = (await policies(story.moon)).filter(({ name }) => name === "open");
        assert.equal(
          open.map((p) => [p.action, p["local-ts"], p["packets-out"], p["packets-in"]]),
          [
            ["BYPASS", "fd00:1:3:0:0:0:0:0/64", 4, 4],
            ["BYPASS", "10.1.3.0/24", 4, 4],
          ],
        );
        await story.flows();
      },
    ));
}

test("the SPD in its order: BYPASS, PROTECT, DISCARD; a configured priority before all; listed as it is searched", () =>
  tell(
    {
      connections: {
        moon: shunts(`
          last { mode = drop \n remote_ts = 0.0.0.0/0 }
          ping { mode = drop \n local_ts = 10.1.1.0/24[icmp/8] \n remote_ts = 10.2.1.0/24[icmp] \n priority = 100 }
          host { mode = pass \n local_ts = 10.1.1.5[icmp] \n remote_ts = 10.2.1.7 \n priority = 99 }
          open { mode = pass \n local_ts = 10.1.2.0/24[tcp] \n remote_ts = 10.2.2.0/24[tcp/7] }`),
      },
      child: { moon: "start_action = trap" },
    },
    async (story) => {
      const { moon, sun } = story;
      const order = [
        "99 BYPASS 10.1.1.5/32[icmp] 10.2.1.7/32[icmp] host",
        "100 DISCARD 10.1.1.0/24[icmp/8] 10.2.1.0/24[icmp] ping",
        `${200_000 - 48 * 512 - 256 - 16 * 4 - 1} BYPASS 10.1.2.0/24[tcp] 10.2.2.0/24[tcp/7] open`,
      ];
      const last = "599999 DISCARD 0.0.0.0/0 0.0.0.0/0 last";
      assert.equal(await lines(moon), [
        ...order,
        `${400_000 - 48 * 512} PROTECT 10.1.2.0/24 10.2.2.0/24 net-2 TRAP`,
        `${400_000 - 48 * 512} PROTECT 10.1.1.0/24 10.2.1.0/24 net-1 TRAP`,
        last,
      ]);
      await story.establish();
      const installed = await policies(moon);
      assert.is(installed.filter(({ state }) => state === "INSTALLED").length, 2);
      assert.is(installed.filter(({ state }) => state === "TRAP").length, 2, "behind the SAs, for when they are gone");
      for (const { state, slot, uniqueid } of installed) {
        if (state !== "INSTALLED") continue;
        assert.ok(slot === 1 || slot === 2);
        assert.ok(Number(uniqueid) > 0);
      }
      // Echo from the host passes in clear (99), from its neighbour it ends (100), UDP of both is protected.
      const echo = clearPacket("icmp", [10, 1, 1, 5], [10, 2, 1, 7], 120, ++serial);
      moon.send(echo.slice());
      await story.pair.drive.run(50);
      assert.equal(inClear(story), [hex(echo)]);
      assert.is(
        story.drop(sun, "protection_missing"),
        1,
        "sun has no such policy: there it should have been protected",
      );
      moon.send(clearPacket("icmp", [10, 1, 1, 6], [10, 2, 1, 7], 120, ++serial));
      assert.is((await policies(moon))[1]!["packets-out"], 1);
      assert.is(story.drop(moon, "policy_discard"), 1);
      const udp = packet4(moon, 1);
      moon.send(udp.slice());
      // TCP to port 7 of net 2 is open, without priority but a BYPASS; anything else of net 2 is protected.
      const tcp = packet4(moon, 2, "tcp");
      moon.send(tcp.slice());
      await story.pair.drive.run(50);
      assert.equal(inClear(story), [hex(tcp)]);
      assert.equal(
        taken(sun).map(([octets]) => octets),
        [hex(udp)],
      );
      // What nothing else covers meets the last.
      moon.send(clearPacket("udp", [10, 1, 9, 9], [10, 9, 9, 9], 120, ++serial));
      await story.pair.drive.run(10);
      assert.is(story.drop(moon, "policy_discard"), 2);
      assert.is(story.drop(moon, "no_policy"), 0);
      const counts = new Map((await policies(moon)).map((p) => [`${p.name} ${p.state ?? ""}`, p["packets-out"]]));
      assert.is(counts.get("host "), 1);
      assert.is(counts.get("ping "), 1);
      assert.is(counts.get("open "), 1);
      assert.is(counts.get("last "), 1);
      assert.is(counts.get("net-1 INSTALLED"), 1, "counted by the IPsec board");
    },
  ));

test("SPD-I: a clear packet that should have been protected ends, with an SA and with a trap alone, of both versions", () =>
  tell({ inside: "both", child: { moon: "start_action = trap" } }, async (story) => {
    const { moon, sun } = story;
    const forge = async (packet: Uint8Array): Promise<void> => {
      assert.ok(moon.chassis.receive("unprotected", packet));
      await story.pair.drive.run(10);
    };
    await forge(packet4(sun, 1));
    await forge(packet6(sun, 1));
    assert.is(story.drop(moon, "protection_missing"), 2, "a trap is PROTECT");
    await forge(clearPacket("udp", [10, 2, 1, 7], [10, 1, 7, 7], 120, ++serial));
    await forge(clearPacket6([2, 7], [1, 7], 120, ++serial));
    assert.is(story.drop(moon, "ip_not_for_us"), 2, "no policy");
    await forge(clearPacket("tcp", [10, 9, 9, 9], [192, 0, 2, 1], 120, ++serial));
    assert.is(story.drop(moon, "protocol_unknown"), 1, "to us, no policy");
    assert.is(story.count("ike"), 0, "a packet from outside asks for no SA");
    await story.establish();
    for (const net of [1, 2]) {
      await forge(packet4(sun, net));
      await forge(packet6(sun, net));
    }
    assert.is(story.drop(moon, "protection_missing"), 6);
    assert.equal(taken(moon), []);
    await story.flows();
  }));

test("SPD-I: DISCARD and BYPASS for what comes to us, but IKE and ESP go their way", () =>
  tell(
    {
      connections: {
        moon: shunts(`
          nobody { mode = drop \n remote_ts = 0.0.0.0/0, ::/0 \n local_ts = 0.0.0.0/0, ::/0 \n priority = 2 }
          ssh { mode = pass \n local_ts = 192.0.2.1[tcp/7] \n remote_ts = 198.51.100.0/24[tcp] \n priority = 1 }`),
      },
      child: { moon: "priority = 1" },
    },
    async (story) => {
      const { moon } = story;
      await story.establish();
      await story.flows();
      const open = clearPacket("tcp", [198, 51, 100, 9], [192, 0, 2, 1], 120, ++serial);
      moon.chassis.receive("unprotected", open.slice());
      moon.chassis.receive("unprotected", clearPacket("tcp", [203, 0, 113, 9], [192, 0, 2, 1], 120, ++serial));
      moon.chassis.receive("unprotected", clearPacket6([9, 9], [1, 1], 120, ++serial));
      await story.pair.drive.run(10);
      assert.equal(taken(moon), [[hex(open), moon.chassis.ikeSlot]]);
      assert.is(story.drop(moon, "policy_discard"), 2);
      assert.equal(
        (await policies(moon)).filter(({ name }) => name === "nobody").map((p) => [p["packets-in"], p["packets-out"]]),
        [
          [2, 0],
          [2, 0],
        ],
        "of all its pairs together",
      );
    },
  ));

/** sun has its network in two halves, each a child; moon has a trap for the whole. */
const halves = {
  nets: [1],
  child: {
    moon: "start_action = trap",
    sun: `} high {
        local_ts = 10.2.1.128/25
        remote_ts = 10.1.1.0/24
        esp_proposals = aes256gcm16`,
  },
  selectors: { sun: "local_ts = 10.2.1.0/25 \n remote_ts = 10.1.1.0/24" },
} as const;

test("the packet that meets a trap names itself: the responder takes the child that has it, and the next packet another", () =>
  tell(halves, async (story) => {
    const { moon, sun } = story;
    const remotes = async (): Promise<string[]> =>
      (await story.children(moon)).flatMap((child) => child["remote-ts"]).sort();
    const to = async (host: number, transport: Transport): Promise<void> => {
      const packet = clearPacket(transport, [10, 1, 1, 5], [10, 2, 1, host], 120, ++serial);
      moon.send(packet.slice());
      await story.pair.drive.run(1000);
      assert.equal(
        taken(sun).map(([octets]) => octets),
        [hex(packet)],
        "the packet that asked has waited, and arrives",
      );
    };
    await to(200, "udp");
    assert.equal(await remotes(), ["10.2.1.128/25"], "not the first child of sun's, but the packet's");
    await to(201, "tcp");
    assert.equal(await remotes(), ["10.2.1.128/25"], "the SA is more than the packet: what sun grants");
    await to(7, "icmp");
    assert.equal(await remotes(), ["10.2.1.0/25", "10.2.1.128/25"], "what it does not cover meets the trap again");
    await to(7, "udp");
    await to(201, "icmp");
    assert.is((await remotes()).length, 2);
    assert.is(story.drop(moon, "no_sa_acquiring"), 0);
    const order = (await policies(moon)).map((p) => `${p["remote-ts"]} ${p.state}`);
    assert.equal(order.slice(0, 2).sort(), ["10.2.1.0/25 INSTALLED", "10.2.1.128/25 INSTALLED"]);
    assert.is(order[2], "10.2.1.0/24 TRAP");
  }));

test("a peer that leaves out the very packet that asked is not asked again and again", () =>
  tell({ ...halves, child: { moon: "start_action = trap" } }, async (story) => {
    const { moon } = story;
    for (let i = 0; i < 5; i++) {
      moon.send(clearPacket("udp", [10, 1, 1, 5], [10, 2, 1, 200], 120, ++serial));
      await story.pair.drive.run(2000);
    }
    assert.equal(
      (await story.children(moon)).map((child) => child["remote-ts"]),
      [["10.2.1.0/25"]],
      "one SA, without the packet",
    );
    await story.pair.drive.run(10_000);
    assert.is(story.drop(moon, "no_sa_acquiring"), 5);
  }));

test("explain tells which policy a packet meets in either direction, and what it comes to; asking counts nothing", () =>
  tell(
    {
      connections: {
        moon: shunts(`
          open { mode = pass \n ${nets("moon", 3)} }
          shut { mode = drop \n ${nets("moon", 4)} }`),
      },
    },
    async (story) => {
      const { moon, sun } = story;
      await story.establish();
      const said = async (packet: Uint8Array, from: "protected" | "unprotected"): Promise<unknown[]> => {
        const { verdict, reason, child, out, walk } = await moon.gateway.explain(packet, from);
        return [verdict, reason, child?.name, out?.side, walk.at(-1)!.step];
      };
      for (const packet of [packet4, packet6]) {
        assert.equal(await said(packet(moon, 3), "protected"), ["bypassed", undefined, "open", "unprotected", "S603"]);
        assert.equal(await said(packet(sun, 3), "unprotected"), ["bypassed", undefined, "open", "protected", "S603"]);
        assert.equal(await said(packet(moon, 4), "protected"), [
          "dropped",
          "policy_discard",
          "shut",
          undefined,
          "S606",
        ]);
        assert.equal(await said(packet(sun, 4), "unprotected"), [
          "dropped",
          "policy_discard",
          "shut",
          undefined,
          "S606",
        ]);
      }
      assert.equal(await said(packet4(sun, 1), "unprotected"), [
        "dropped",
        "protection_missing",
        "net-1",
        undefined,
        "S606",
      ]);
      const { walk } = await moon.gateway.explain(packet4(sun, 1), "unprotected");
      assert.match(
        walk.map(({ text }) => text).join("\n"),
        /as of one that comes in clear\nfinds child net-1.*PROTECT/,
      );
      for (const policy of await policies(moon)) assert.is(policy["packets-out"] + policy["packets-in"], 0);
    },
  ));

test("a shunt goes with its connection, and changes with it", () =>
  tell({ connections: { moon: shunts(`open { mode = pass \n ${nets("moon", 3)} }`) } }, async (story) => {
    const { moon } = story;
    const send = async (): Promise<string[]> => {
      moon.send(packet4(moon, 3));
      await story.pair.drive.run(20);
      return inClear(story);
    };
    assert.is((await send()).length, 1);
    const command = (type: number): void => {
      const name = { type: CONNECTION_NAME, value: textValue("policies") };
      assert.ok(moon.chassis.management(moon.chassis.ikeSlot).send(encodeMessage(type, 0, [name])));
    };
    assert.equal((await lines(moon)).length, 2, "IPv4 and IPv6");
    command(MANAGEMENT_CONNECTION_UNLOAD);
    await story.pair.drive.run(5);
    assert.equal(await lines(moon), []);
    assert.equal(await send(), []);
    assert.is(story.drop(moon, "no_policy"), 1);
    // Malformed: nothing changes.
    command(MANAGEMENT_CONNECTION_LOAD);
    await story.pair.drive.run(5);
    assert.equal(await lines(moon), []);
  }));

test("a connection of shunts alone has nothing to negotiate, is no peer's, and is never down", () =>
  tell({ connections: { moon: shunts(`open { mode = pass \n ${nets("moon", 3)} }`) } }, async (story) => {
    const { moon } = story;
    assert.equal(
      (await moon.gateway.connections()).map(({ name, children, shunts }) => [name, children, shunts]),
      [
        ["moon-sun", ["net-1", "net-2"], undefined],
        ["policies", [], ["open"]],
      ],
    );
    for (const name of ["open", "policies"]) {
      const refused = await moon.gateway.initiate(name).then(
        () => "",
        (error: Error) => error.message,
      );
      assert.match(refused, /nothing to negotiate/);
    }
    assert.equal(
      (await moon.gateway.sas()).map(({ name, state }) => `${name} ${state}`),
      ["moon-sun DOWN"],
    );
    await story.establish();
    await story.flows();
  }));

test.run();
