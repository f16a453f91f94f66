/**
 * The policer at work: two gateways on a cable, in lockstep on a virtual clock, so that it is the same every time. sun's only IPsec board is
 * the image that the command line names; a host behind moon sends 200 packets at once, a second later 200 more.
 *
 *   node --import tsx examples/board/story.ts build/policer.simd.wasm
 */
import { resolve } from "node:path";
import { udpPacket } from "../../host/demo/packets.ts";
import { Pair } from "../../host/demo/pair.ts";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("which image?");

const pair = new Pair({ boards: 1, nets: [1] });
await pair.start();
await pair.sun.chassis.insert(1, resolve(file));
await pair.sun.chassis.online(1);
if (!(await pair.establish(30_000, 1))) throw new Error("the SAs were not established");
let number = 0;
for (const turn of ["at once", "a second later"]) {
  const before = pair.sun.received.length;
  for (let i = 0; i < 200; i++) pair.moon.send(udpPacket("10.1.1.2", "10.2.1.2", number++, 200));
  await pair.drive.until(() => false, 1000);
  console.log(`${turn}: ${pair.sun.received.length - before} of 200 packets arrived`);
}
const board = pair.sun.chassis.show().slots.find(({ slot }) => slot === 1);
console.log(`${board?.image}: dropped ${JSON.stringify(board?.drops)}`);
await pair.close();
