/**
 * Stories of virtual IPs (RFC 7296 2.19): moon asks, sun has pools. What both ends agree on, who gets which address, keeps it, and what
 * becomes of those who can have none.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ConnectionSas } from "../../host/operator/sas.ts";
import type { Site } from "../../host/demo/pair.ts";
import { type Address, clearPacket } from "./packets.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

/** A second peer behind moon's address, with an identity of its own. */
const TWO = {
  connection: `two {
    local_addrs = 192.0.2.1
    remote_addrs = 192.0.2.2
    proposals = aes256gcm16-prfsha384-x25519
    vips = 0.0.0.0
    local {
      auth = psk
      id = two.example
    }
    remote {
      auth = psk
      id = sun.example
    }
    children {
      two-net {
        local_ts = dynamic
        remote_ts = 10.2.0.0/16
        esp_proposals = aes256gcm16
      }
    }
  }`,
  secret: `ike-two {
    id-a = two.example
    id-b = sun.example
    secret = "a shared secret of two and sun"
  }`,
};

const POOLS = (v4: string): string => `pools {
  v4 {
    addrs = ${v4}
    dns = 10.2.0.53
    subnet = 10.2.0.0/16
  }
  v6 {
    addrs = fd00:c::/120
    dns = fd00:b::53
  }
}`;

/** moon asks for addresses of both families, sun gives of its pools. */
const asking = (more: StoryOptions = {}, v4 = "10.3.0.0/29"): StoryOptions => ({
  links: LINKS[0],
  nets: [1],
  connection: { moon: "vips = 0.0.0.0, ::", sun: "pools = v4, v6" },
  connections: { moon: TWO.connection },
  selectors: {
    moon: "local_ts = dynamic\n remote_ts = 10.2.0.0/16, fd00:b::/64",
    sun: "local_ts = 10.2.0.0/16, fd00:b::/64\n remote_ts = dynamic",
  },
  authentication: { sun: "local {\n auth = psk\n id = sun.example\n }\n remote {\n auth = psk\n }" },
  secrets: { moon: TWO.secret, sun: TWO.secret },
  sections: { sun: POOLS(v4) },
  ...more,
});

const told = (options: StoryOptions, tale: (story: Story) => Promise<void>): Promise<void> => tell(options, tale);

const hex = (packet: Uint8Array): string => Buffer.from(packet).toString("hex");

async function ikeSa(site: Site, peer = "moon.example"): Promise<ConnectionSas | undefined> {
  return (await site.gateway.sas()).find((ike) => ike["remote-id"] === peer || ike["local-id"] === peer);
}

/** A child is initiated, and up at the end. */
async function up(story: Story, child: string): Promise<void> {
  const already = story.pair.installed(story.moon);
  await story.moon.gateway.initiate(child);
  const there = await story.pair.drive.until(() => story.pair.installed(story.moon) > already, 20_000);
  assert.ok(there, `${child} is up: ${story.alerts(story.moon)} ${story.alerts(story.sun)}`);
  await story.pair.drive.run(100);
}

async function leases(story: Story): Promise<Record<string, string>> {
  const [v4] = (await story.sun.gateway.pools()).filter(({ name }) => name === "v4");
  return Object.fromEntries(v4!.leases.map((l) => [l.identity, `${l.address} ${l.online ? "online" : "offline"}`]));
}

/** One packet from moon to sun and one back, between a virtual IP and a host. */
async function carries(story: Story, virtual: Address): Promise<void> {
  const { moon, sun, pair } = story;
  const host: Address = [10, 2, 1, 7];
  const there = clearPacket("udp", virtual, host, 100, 7001);
  const back = clearPacket("udp", host, virtual, 100, 7002);
  assert.ok(moon.send(there) && sun.send(back));
  await pair.drive.until(() => moon.received.length > 0 && sun.received.length > 0, 1000);
  const arrived = (site: Site): string[] => site.received.splice(0).map(({ packet }) => hex(packet));
  assert.equal([arrived(sun), arrived(moon)], [[hex(there)], [hex(back)]]);
}

test("an address of each family, name servers, selectors narrowed to them, and traffic", () =>
  told(asking(), async (story) => {
    const { moon, sun } = story;
    await up(story, "net-1");
    const v6 = "fd00:c:0:0:0:0:0:1";
    assert.equal((await ikeSa(moon))?.["local-vips"], ["10.3.0.1", v6]);
    assert.equal((await ikeSa(sun))?.["remote-vips"], ["10.3.0.1", v6]);
    const [child] = await story.mirrored(1);
    assert.equal(child!["local-ts"], ["10.3.0.1/32", `${v6}/128`]);
    assert.equal((await story.children(sun))[0]!["remote-ts"], ["10.3.0.1/32", `${v6}/128`]);
    const event = moon.events.find(({ kind }) => kind === "virtual-ip");
    assert.equal(event, {
      kind: "virtual-ip",
      connection: "moon-sun",
      up: true,
      "virtual-ips": ["10.3.0.1", v6],
      dns: ["10.2.0.53", "fd00:b:0:0:0:0:0:53"],
    });
    await carries(story, [10, 3, 0, 1]);
    const refused = clearPacket("udp", [10, 3, 0, 2], [10, 2, 1, 7], 100, 7003);
    moon.send(refused);
    await story.pair.drive.run(100);
    assert.is(story.drop(moon, "no_policy"), 1, "no other source is let through");
    const [pool] = await sun.gateway.pools();
    assert.equal(pool, {
      name: "v4",
      first: "10.3.0.1",
      last: "10.3.0.6",
      size: 6,
      online: 1,
      offline: 0,
      leases: [{ address: "10.3.0.1", identity: "moon.example", online: true }],
    });
  }));

test("a lease is kept over rekeys of CHILD_SA and IKE_SA by either end, and free at the end", () =>
  told(asking(), async (story) => {
    const { moon, sun, pair } = story;
    await up(story, "net-1");
    for (const [site, name] of [
      [moon, "net-1"],
      [sun, "net-1"],
      [moon, "moon-sun"],
      [sun, "sun-moon"],
    ] as const) {
      const before = (await ikeSa(moon))!;
      await site.gateway.rekey(name);
      await pair.drive.run(2000);
      const after = (await ikeSa(moon))!;
      const isIke = name !== "net-1";
      assert.is(after["initiator-spi"] !== before["initiator-spi"], isIke, "the IKE_SA is another one");
      assert.equal(after["local-vips"], ["10.3.0.1", "fd00:c:0:0:0:0:0:1"]);
      assert.equal(await leases(story), { "moon.example": "10.3.0.1 online" });
      const [child] = await story.mirrored(1);
      assert.equal(child!["local-ts"], ["10.3.0.1/32", "fd00:c:0:0:0:0:0:1/128"]);
      await carries(story, [10, 3, 0, 1]);
    }
    assert.is(moon.events.filter(({ kind }) => kind === "virtual-ip").length, 1, "no news");
    await moon.gateway.terminate("moon-sun");
    await pair.drive.run(1000);
    assert.equal(await leases(story), { "moon.example": "10.3.0.1 offline" });
    const last = moon.events.filter(({ kind }) => kind === "virtual-ip").at(-1);
    assert.is(last && "up" in last && last.up, false);
  }));

test("IKE boards that restart: both ends have the addresses still, and nobody else gets them", () =>
  told(asking({ faults: true }), async (story) => {
    const { moon, sun, pair } = story;
    await up(story, "two-net");
    await up(story, "net-1");
    const before = await leases(story);
    for (const site of [sun, moon]) {
      await site.chassis.reset(0);
      await pair.drive.run(100);
    }
    assert.equal((await ikeSa(moon))?.["local-vips"], ["10.3.0.2", "fd00:c:0:0:0:0:0:1"]);
    assert.equal((await ikeSa(sun))?.["remote-vips"], ["10.3.0.2", "fd00:c:0:0:0:0:0:1"]);
    assert.equal(await leases(story), before);
    await carries(story, [10, 3, 0, 2]);
    await moon.gateway.terminate("two-net");
    await moon.gateway.terminate("two");
    await pair.drive.run(6000);
    assert.equal(await leases(story), { ...before, "two.example": "10.3.0.1 offline" });
    await up(story, "two-net");
    assert.equal(await leases(story), before, "each has its own");
  }));

test("two peers have two addresses, and each gets its own again, in whatever order they come back", () =>
  told(asking(), async (story) => {
    const { moon, pair } = story;
    await up(story, "net-1");
    await up(story, "two-net");
    const both = { "moon.example": "10.3.0.1 online", "two.example": "10.3.0.2 online" };
    assert.equal(await leases(story), both);
    await carries(story, [10, 3, 0, 1]);
    await carries(story, [10, 3, 0, 2]);
    await moon.gateway.terminate();
    await pair.drive.run(1000);
    await up(story, "two-net");
    await up(story, "net-1");
    assert.equal(await leases(story), both);
  }));

test("an exhausted pool: INTERNAL_ADDRESS_FAILURE in place of the CHILD_SA, until an address is free", () =>
  told(asking({}, "10.3.0.9"), async (story) => {
    const { moon, sun, pair } = story;
    await up(story, "two-net");
    await moon.gateway.initiate("net-1");
    await pair.drive.run(1000);
    assert.equal((await ikeSa(sun))?.["remote-vips"], ["fd00:c:0:0:0:0:0:1"], "what there is, it gets");
    await moon.gateway.terminate("moon-sun");
    await moon.gateway.terminate("two");
    await pair.drive.run(1000);
    await up(story, "net-1");
    await moon.gateway.initiate("two-net");
    await pair.drive.run(1000);
    const failure = moon.events.find((event) => event.kind === "alert" && "notify" in event && event.notify === 36);
    assert.ok(failure, "INTERNAL_ADDRESS_FAILURE is told");
    assert.equal((await ikeSa(moon, "two.example"))?.["child-sas"], [], "an IKE_SA without a CHILD_SA");
    await moon.gateway.terminate("two");
    await moon.gateway.terminate("moon-sun");
    await pair.drive.run(1000);
    await up(story, "two-net");
    assert.equal(await leases(story), { "two.example": "10.3.0.9 online" });
  }));

test("a peer that asks for no address of a connection with pools: FAILED_CP_REQUIRED, and no CHILD_SA", () =>
  told(
    asking({
      connection: { sun: "pools = v4, v6" },
      selectors: {
        sun: "local_ts = 10.2.0.0/16\n remote_ts = dynamic",
        moon: "local_ts = dynamic\n remote_ts = 10.2.0.0/16",
      },
    }),
    async (story) => {
      await story.moon.gateway.initiate("net-1");
      await story.pair.drive.run(1000);
      assert.ok(story.moon.events.some((event) => event.kind === "alert" && "notify" in event && event.notify === 37));
      assert.is((await ikeSa(story.moon))?.state, "ESTABLISHED");
      assert.equal((await ikeSa(story.moon))?.["child-sas"], []);
      assert.equal(await leases(story), {});
    },
  ));

test("a peer that asks where there are no pools: INTERNAL_ADDRESS_FAILURE", () =>
  told(asking({ connection: { moon: "vips = 0.0.0.0" }, sections: {} }), async (story) => {
    await story.moon.gateway.initiate("net-1");
    await story.pair.drive.run(1000);
    assert.ok(story.moon.events.some((event) => event.kind === "alert" && "notify" in event && event.notify === 36));
    assert.equal((await ikeSa(story.moon))?.["child-sas"], []);
  }));

test("a peer gets the address that it asks for, if it is one of the pool's", () =>
  told(asking({ connection: { moon: "vips = 10.3.0.4", sun: "pools = v4, v6" } }), async (story) => {
    await up(story, "net-1");
    assert.equal((await ikeSa(story.moon))?.["local-vips"], ["10.3.0.4"]);
    await carries(story, [10, 3, 0, 4]);
  }));

const ROUNDS = (own: string, peer: string): string =>
  [
    ["local", own],
    ["remote", peer],
  ]
    .flatMap(([end, id]) => [1, 2].map((n) => `${end}-${n} {\n auth = psk\n id = ${id}\n round = ${n}\n }`))
    .join("\n");

test("several rounds of authentication: asked for in the first request, given in the last answer", () =>
  told(
    asking({
      authentication: { moon: ROUNDS("moon.example", "sun.example"), sun: ROUNDS("sun.example", "moon.example") },
    }),
    async (story) => {
      await up(story, "net-1");
      assert.equal((await ikeSa(story.moon))?.["local-vips"]?.[0], "10.3.0.1");
      await carries(story, [10, 3, 0, 1]);
    },
  ));

test("dynamic without virtual IPs is each end's own address", () =>
  told(
    asking({
      connection: {},
      selectors: {
        moon: "local_ts = dynamic[udp]\n remote_ts = dynamic",
        sun: "local_ts = dynamic\n remote_ts = dynamic",
      },
    }),
    async (story) => {
      await up(story, "net-1");
      const [child] = await story.mirrored(1);
      assert.equal(child!["local-ts"], ["192.0.2.1/32[udp]"]);
      assert.equal(child!["remote-ts"], ["192.0.2.2/32"]);
    },
  ));

for (const seed of [1, 2, 3])
  test(`packets are lost, doubled and late (${seed}): one lease all the same`, () =>
    told(
      asking({ seed, cable: { lose: 0.2, duplicate: 0.2, reorder: 0.2 }, child: { moon: "start_action = start" } }),
      async (story) => {
        const there = await story.pair.drive.until(
          () => story.pair.installed(story.moon) > 0 && story.pair.installed(story.sun) > 0,
          120_000,
        );
        assert.ok(there);
        assert.equal(await leases(story), { "moon.example": "10.3.0.1 online" });
      },
    ));

test.run();
