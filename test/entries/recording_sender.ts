/** A sender in a board's thread (chassis/drive/line.ts) that puts what it is given into a ring, for a test to read. */
import { MessageRing } from "../../host/chassis/drive/message_ring.ts";
import type { LineSender } from "../../host/chassis/drive/line.ts";
import type { OpenLine } from "../../host/chassis/drive/line_program.ts";

export interface RecordingData {
  ring: SharedArrayBuffer;
  slot: number;
}

export const open: OpenLine<LineSender> = (data) => {
  const { ring, slot } = data as RecordingData;
  const record = new MessageRing(ring);
  return {
    send(ram, starts, lengths, count) {
      for (let i = 0; i < count; i++) {
        if (!record.push(0, count, slot, ram, starts[i]!, lengths[i]!)) throw new Error("the test reads too seldom");
      }
    },
  };
};
