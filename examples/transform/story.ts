/**
 * Two gateways on a cable negotiate a proposal of ESP, and carry packets of many sizes both ways.
 *
 *   node --import tsx examples/transform/story.ts aes128-sha1_160
 */
import { udpPacket } from "../../host/demo/packets.ts";
import { Pair, type Site } from "../../host/demo/pair.ts";
import { suiteText } from "../../host/operator/transform_name.ts";

const [esp = "aes128gcm16"] = process.argv.slice(2);
const pair = new Pair({ boards: 1, nets: [1], esp });
await pair.start();
if (!(await pair.establish(30_000, 1))) throw new Error(`${esp}: the SAs were not established`);
const suites = (await pair.moon.gateway.sas()).flatMap((connection) =>
  connection["child-sas"].map(({ suite }) => suite),
);
console.log(`agreed on ${suites.map(suiteText).join(", ")}`);
const SIZES = Array.from({ length: 64 }, (_, i) => 60 + 21 * i);
const send = (from: Site, source: string, destination: string): void =>
  SIZES.forEach((octets, i) => from.send(udpPacket(source, destination, i, octets)));
send(pair.moon, "10.1.1.2", "10.2.1.2");
send(pair.sun, "10.2.1.2", "10.1.1.2");
await pair.drive.until(() => false, 1000);
for (const { name, received, chassis } of [pair.moon, pair.sun]) {
  const drops = Object.values(chassis.show().drops).reduce((sum, count) => sum + count, 0);
  console.log(`${name} received ${received.length} of ${SIZES.length}, dropped ${drops}`);
}
await pair.close();
