/**
 * A board in a shelf on a machine of its own, a namespace here: strongSwan's packets go through it, and on when the shelf dies or the cable to
 * it is cut; it comes again, and takes the SA back. Nothing is negotiated, and strongSwan sees no number twice.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeShelfKey } from "../../host/chassis/remote/key_file.ts";
import type { Cardcage } from "./cardcage.ts";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import { complaintsIn, done, placed } from "./failover_cases.ts";
import { expect, must, Program, until } from "./process.ts";
import type { Side } from "./topology.ts";
import { expectAnswers, expectPing, Flood, stream } from "./traffic.ts";
import { CAGE, establish } from "./world.ts";

const COMMAND = fileURLToPath(new URL("../../host/cli/cardcage.mjs", import.meta.url));
const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };
const OCTETS = 3_000_000;
/** Seconds until a silent shelf is given up, and its SAs are elsewhere. */
const GIVEN_UP = 12;

function inShelf(side: Side): Case {
  return {
    name: `${ROLE[side]}: a board in a shelf behind a network: traffic, a shelf that is killed, a cable that is cut`,
    oursOnly: true,
    paced: true,
    async story(world) {
      const namespace = await world.topology.shelf(side);
      const keyFile = join(world.directory, "shelf.key");
      mkdirSync(world.directory, { recursive: true });
      writeShelfKey(keyFile);
      let starts = 0;
      const shelve = async (): Promise<Program> => {
        const words = [COMMAND, "shelf", "--listen", "198.18.0.2", "--key-file", keyFile];
        const log = join(world.directory, `shelf-${++starts}.log`);
        const shelf = new Program("ip", ["netns", "exec", namespace, process.execPath, ...words], log);
        await until("the shelf listens", 20, () => shelf.log.includes("ready: 198.18.0.2:9815"));
        return shelf;
      };
      let shelf = await shelve();
      const connection = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16", psk: freshPsk() };
      const pair = await world.pair(side, connection, { ...CAGE, shelf: { place: "198.18.0.2", keyFile } });
      const ours = pair.ours as Cardcage;
      await establish(pair);
      const first = await placed(ours);
      expect(first.slot === 1, `the CHILD_SA is on slot ${first.slot}, not in the shelf`);
      await expectPing(world.topology);
      let speed = 0;
      for (const receiver of ["a", "b"] as const) {
        const { sent, seconds } = await stream(world.topology, receiver, world.directory, OCTETS);
        speed = Math.max(speed, (sent * 8) / seconds / 1e6);
      }
      const on = (slot: number, what: string): Promise<boolean> =>
        until(`the CHILD_SA is on slot ${slot} ${what}`, GIVEN_UP, async () => (await placed(ours)).slot === slot);
      /** The shelf's board is there again, and the other one gives its SA away. */
      const back = async (): Promise<void> => {
        await until("the board in the shelf is back", 20, () => /online, .*generation \d+/.test(shelf.log));
        await done(ours, "slot", "2", "offline");
        await on(1, "again");
        await done(ours, "slot", "2", "online");
        await expectAnswers(world.topology, "a");
      };

      const flood = new Flood(world.topology, "b", world.directory);
      await shelf.stop("SIGKILL");
      await on(2, "after the shelf died");
      await expectAnswers(world.topology, "a");
      shelf = await shelve();
      await back();
      const { sent, received } = await flood.finish();

      const gateway = world.topology.gateway(side);
      await must("ip", "-n", gateway, "link", "set", "back0", "down");
      await on(2, "after the cable was cut");
      await expectAnswers(world.topology, "a");
      await until("the shelf powers its board off", GIVEN_UP, () =>
        shelf.log.includes("no sign of life of the chassis"),
      );
      await shelf.stop();
      await must("ip", "-n", gateway, "link", "set", "back0", "up");
      shelf = await shelve();
      await back();
      await expectPing(world.topology);

      const last = await placed(ours);
      expect(
        last["spi-in"] === first["spi-in"] && last["spi-out"] === first["spi-out"],
        "a CHILD_SA was negotiated that nobody asked for",
      );
      const complaints = complaintsIn(pair.peer.log());
      expect(complaints.length === 0, `strongSwan says: ${complaints.slice(0, 3).join("; ")}`);
      expect((await shelf.stop()) === 0, `the shelf ends well: ${shelf.log}`);
      return `${speed.toFixed(0)} Mbit/s through the shelf; ${sent - received} of ${sent} echo requests unanswered when it was killed; SPIs as they were`;
    },
  };
}

export const SHELF_CASES: readonly Case[] = [inShelf("a"), inShelf("b")];
