/** One control message, sealed and put on the internal path to an IPsec board (13). */
import { DROP_BOARD_OFFLINE } from "../abi/drop";
import { PORT_CHANNEL } from "../abi/ring";
import { Frame } from "../bus/frame";
import { drop, transmit } from "../bus/port";
import { channelLink, channelPushControl } from "../channel/channel";
import { controlSeal } from "../channel/control";
import { zeroize } from "../rt/bytes";

/** Seals the message in `frame` for `slot` and sends it; the frame is gone afterwards, wiped when it could not go. */
export function sendControl(frame: Frame, slot: u32): bool {
  if (!controlSeal(frame, slot) || !channelPushControl(frame, slot)) {
    zeroize(frame.start, frame.length); // it may hold KEYMAT that no seal covers
    drop(frame, DROP_BOARD_OFFLINE);
    return false;
  }
  return transmit(PORT_CHANNEL, frame, channelLink(slot));
}
