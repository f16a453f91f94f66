/** IKE messages in the clear, as anybody on the way may send them: read from packets and put into packets. */
import { internetChecksum } from "./packets.ts";

/** The IKE message in a packet of IPv4 and UDP; undefined when there is none. */
export function ikeMessage(packet: Uint8Array): Buffer | undefined {
  const octets = Buffer.from(packet);
  const port = octets.readUInt16BE(22);
  if (octets[9] !== 17 || (port !== 500 && port !== 4500)) return undefined;
  const message = octets.subarray(port === 500 ? 28 : 32);
  return message.length >= 28 ? message : undefined;
}

/** The body of the first payload of a type that stands in the clear. */
export function payloadOf(message: Buffer, type: number): Buffer | undefined {
  let next = message[16]!;
  for (let at = 28; next !== 0 && at + 4 <= message.length; ) {
    const length = message.readUInt16BE(at + 2);
    if (next === type) return message.subarray(at + 4, at + length);
    next = message[at]!;
    at += length;
  }
  return undefined;
}

/** The answer to the message in `request`, made of Notify payloads alone, as a packet from whom that was sent to. */
export function plainAnswer(request: Uint8Array, responderSpi: Buffer, notifies: [number, Buffer][]): Uint8Array {
  const message = ikeMessage(request)!;
  const payloads = notifies.map(([type, data], i) => {
    const head = Buffer.from([i + 1 < notifies.length ? 41 : 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt16BE(8 + data.length, 2);
    head.writeUInt16BE(type, 6);
    return Buffer.concat([head, data]);
  });
  const header = Buffer.from(message.subarray(0, 28));
  responderSpi.copy(header, 8);
  header[16] = 41;
  header[19] = (header[19]! ^ 0x08) | 0x20;
  const octets = Buffer.concat([header, ...payloads]);
  octets.writeUInt32BE(octets.length, 24);
  // The non-ESP marker, if there was one.
  return packet(request, Buffer.concat([Buffer.alloc(request.length - message.length - 28), octets]));
}

/** A payload of UDP as a packet the other way round. */
function packet(request: Uint8Array, payload: Buffer): Uint8Array {
  const out = Buffer.concat([Buffer.from(request.subarray(0, 28)), payload]);
  out.set(request.subarray(16, 20), 12);
  out.set(request.subarray(12, 16), 16);
  out.writeUInt16BE(out.length, 2);
  out.writeUInt16BE(0, 10);
  out.writeUInt16BE(internetChecksum(out.subarray(0, 20)), 10);
  out.set(request.subarray(22, 24), 20);
  out.set(request.subarray(20, 22), 22);
  out.writeUInt16BE(out.length - 20, 24);
  out.writeUInt16BE(0, 26);
  return out;
}
