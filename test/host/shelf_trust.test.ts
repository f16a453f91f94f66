/** A shelf that has the key and wants more than the boards that it houses: the chassis gives it nothing, and says what it did. */
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FABRIC_MAC_HIGH } from "../../assembly/abi/fabric.ts";
import { PORT_CHANNEL, PORT_MANAGEMENT, PORT_SECURE_ELEMENT } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";
import { Chassis, type SlotStatus } from "../../host/chassis/chassis.ts";
import { PORT_CHECKPOINT, PORT_TAP } from "../../host/chassis/drive/board_thread.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import {
  decodePower,
  encodeMessage,
  MESSAGE_ONLINE,
  MESSAGE_PUBLISH,
  MESSAGE_TRANSMIT,
  MessageReader,
  u32,
} from "../../host/chassis/remote/control_message.ts";
import { writeShelfKey } from "../../host/chassis/remote/key_file.ts";
import { PathEnd } from "../../host/chassis/remote/path.ts";
import { createShelfServer, pathKeys } from "../../host/chassis/remote/secure_connection.ts";

const [ike, ipsec] = await Promise.all(
  ["echo_ike", "echo_ipsec"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
);
const PATIENCE = 20_000;

interface Rogue {
  /** Over the connection. */
  say(message: Buffer): void;
  /** On the internal path. */
  send(port: number, octets: Uint8Array): void;
  raw(datagram: Buffer): void;
  path: PathEnd;
}

/** A chassis with slot 1 in a shelf that is `rogue`, which does its deed once the board counts as online. */
async function housed(deed: (rogue: Rogue) => void, outcome: (chassis: Chassis) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-shelf-"));
  const keyFile = join(directory, "shelf.key");
  writeShelfKey(keyFile);
  const socket = createSocket("udp4");
  const beats: NodeJS.Timeout[] = [];
  const connections: TLSSocket[] = [];
  let act: () => void = () => undefined;
  const server = createShelfServer(keyFile, (connection) => {
    connections.push(connection);
    connection.on("error", () => undefined);
    const reader = new MessageReader();
    let path: PathEnd | undefined;
    connection.on("data", (chunk: Buffer) => {
      for (const { body } of path ? [] : reader.push(chunk)) {
        const { port } = decodePower(body);
        const raw = (datagram: Buffer): void => socket.send(datagram, port, "127.0.0.1");
        path = new PathEnd(connections.length, pathKeys(connection, "shelf"));
        const end = path;
        connection.write(encodeMessage(MESSAGE_ONLINE, u32(end.session)));
        socket.removeAllListeners("message").on("message", (datagram) => end.open(datagram));
        beats.push(setInterval(() => raw(end.beat()), 50));
        act = () =>
          deed({
            path: end,
            raw,
            say: (message) => void connection.write(message),
            send: (to, octets) => raw(end.seal(to, 0, octets, 0, octets.length)),
          });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => socket.bind(port, "127.0.0.1", resolve));
  const drive = new Threaded();
  const asked: Uint8Array[] = [];
  const chassis = new Chassis({
    drive,
    link: "ethernet",
    slots: [
      { slot: 0, board: "ike", image: ike! },
      { slot: 1, board: "ipsec", image: ipsec!, shelf: { host: "127.0.0.1", port, keyFile } },
      { slot: 2, board: "ipsec", image: ipsec! },
    ],
    secureElement: {
      handle: async (request) => {
        asked.push(request);
        return request;
      },
    },
  });
  try {
    await chassis.powerOn();
    assert.is(slotOf(chassis).state, "Online", slotOf(chassis).reason);
    act();
    await outcome(chassis);
    assert.equal(asked, [], "nobody asked the secure element");
  } finally {
    await chassis.close();
    await drive.close();
    beats.forEach(clearInterval);
    for (const connection of connections) connection.destroy();
    socket.close();
    server.close();
    rmSync(directory, { recursive: true });
  }
}

const slotOf = (chassis: Chassis): SlotStatus => chassis.show().slots.find(({ slot }) => slot === 1)!;

/** A frame on the Ethernet of the backplane, its FCS left out of account. */
function frame(from: number, to: number): Buffer {
  const octets = Buffer.alloc(100);
  for (const [at, slot] of [
    [0, to],
    [6, from],
  ] as const) {
    octets.writeUInt32BE(FABRIC_MAC_HIGH, at);
    octets.writeUInt16BE(slot, at + 4);
  }
  return octets;
}

for (const [what, deed, message] of [
  ["asks the secure element", (rogue) => rogue.say(transmit(PORT_SECURE_ELEMENT)), /a packet of port 4/],
  ["writes into the checkpoint", (rogue) => rogue.say(transmit(PORT_CHECKPOINT)), /a packet of port 14/],
  ["shows frames that never were", (rogue) => rogue.say(transmit(PORT_TAP)), /a packet of port 15/],
  ["sends frames past the path", (rogue) => rogue.say(transmit(PORT_CHANNEL)), /a packet of port/],
  ["sends management on the path", (rogue) => rogue.send(PORT_MANAGEMENT, Buffer.alloc(20)), /sends on port 3/],
  ["publishes half a state", (rogue) => rogue.say(encodeMessage(MESSAGE_PUBLISH, Buffer.alloc(50))), /published state/],
  ["is online twice", (rogue) => rogue.say(encodeMessage(MESSAGE_ONLINE, u32(1))), /online twice/],
  ["says what is no message", (rogue) => rogue.say(encodeMessage(99)), /a message of type 99/],
  ["says nothing that ends", (rogue) => rogue.say(Buffer.alloc(8, 0xff)), /a message of type 255/],
] as [string, (rogue: Rogue) => void, RegExp][]) {
  test(`a shelf that ${what} has no board any more`, () =>
    housed(deed, async (chassis) => {
      assert.ok(await chassis.until(() => chassis.faults.length > 0, PATIENCE));
      assert.is(chassis.faults[0]!.kind, "link");
      assert.match(chassis.faults[0]!.message, message);
    }));
}

const transmit = (port: number): Buffer => encodeMessage(MESSAGE_TRANSMIT, u32(port), Buffer.alloc(20));

for (const [what, deed, reason] of [
  ["under another slot's address", (rogue) => rogue.send(PORT_CHANNEL, frame(2, 0)), "ethernet_source"],
  ["to another IPsec board", (rogue) => rogue.send(PORT_CHANNEL, frame(1, 2)), "ethernet_destination"],
  ["that is no frame", (rogue) => rogue.send(PORT_CHANNEL, Buffer.alloc(5)), "ethernet_malformed"],
  ["that it did not seal", (rogue) => rogue.raw(Buffer.alloc(80, 1)), "remote_forged"],
  ["twice", repeat, "remote_replayed"],
] as [string, (rogue: Rogue) => void, string][]) {
  test(`what a shelf sends ${what} is dropped as ${reason}, once`, () =>
    housed(deed, async (chassis) => {
      assert.ok(await chassis.until(() => (slotOf(chassis).chassisDrops[reason] ?? 0) > 0, PATIENCE));
      assert.is(slotOf(chassis).chassisDrops[reason], 1);
      assert.equal(chassis.faults, [], "that alone is no reason to do without it");
    }));
}

function repeat({ path, raw }: Rogue): void {
  const octets = frame(1, 0);
  const datagram = path.seal(PORT_CHANNEL, 0, octets, 0, octets.length);
  raw(datagram);
  raw(datagram);
}

test.run();
