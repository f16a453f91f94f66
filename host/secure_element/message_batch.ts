/**
 * Messages of one turn in one piece of memory, LENGTH u32 in front of each: between threads a message costs more than its
 * octets do.
 */

export function packBatch(messages: readonly Uint8Array[]): Uint8Array {
  let octets = 0;
  for (const { length } of messages) octets += 4 + length;
  const batch = new Uint8Array(octets);
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const message of messages) {
    view.setUint32(at, message.length, true);
    batch.set(message, at + 4);
    at += 4 + message.length;
  }
  return batch;
}

/** The messages of a batch, as views of it. */
export function unpackBatch(batch: Uint8Array): Uint8Array[] {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < batch.length; ) {
    const length = view.getUint32(at, true);
    messages.push(batch.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return messages;
}
