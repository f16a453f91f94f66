/** Allocates a managed object: must not compile (rt/managed.ts). */
class Packet {
  length: i32 = 0;
}

export function allocate(): i32 {
  const packet = new Packet();
  packet.length = 1;
  return packet.length;
}
