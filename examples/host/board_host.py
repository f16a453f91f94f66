"""Hosts IPsec boards on wasmtime: the board ABI (docs/board-abi.md) in another language, on another runtime.

    python board_host.py ipsec.base.wasm

Two boards, one of each of two gateways, as their IKE boards would have them: each is given the SAs of a tunnel in sealed control
messages, and packets in capsules. What one board sends to the unprotected network is handed to the other. After every poll the books are
checked: each frame was sent, consumed or dropped for a reason, or is held.
"""
import os
import struct
import sys
import time

import wasmtime
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC, ABI_VERSION, CLASS_IPSEC = 0x31424343, 1, 2
SELF_TEST, REFUSED, MORE_WORK = 1, 3, 1
UNPROTECTED, PROTECTED, CHANNEL = 0, 1, 2
IKE_SLOT, GENERATION = 0, 1
ETHERTYPE_IPV4, ETHERTYPE_CONTROL = 0x0800, 0x88B5


class Board:
    """One board with RAM of its own: power-on, rings, books (board-abi.md, sections 2 to 6)."""

    def __init__(self, engine, module, slot, config):
        self.store = wasmtime.Store(engine)
        pages = module.imports[0].type.limits.min
        self.ram = wasmtime.Memory(self.store, wasmtime.MemoryType(wasmtime.Limits(pages, pages)))
        exports = wasmtime.Instance(self.store, module, [self.ram]).exports(self.store)
        self.call = lambda name: exports[name](self.store)
        self.map = self.call("boardMap") & 0xFFFFFFFF
        if self.words(self.map, 3) != (MAGIC, ABI_VERSION, CLASS_IPSEC):
            raise SystemExit("not an IPsec board of ABI version 1")
        self.ram.write(self.store, config, self.words(self.map + 24)[0])
        self.ram.write(self.store, struct.pack("<IIII", GENERATION, slot, len(config), 0), self.map + 80)
        self.ram.write(self.store, os.urandom(64), self.map + 96)
        self.tell_time()
        self.call("boardReset")
        while self.words(self.map + 160)[0] <= SELF_TEST:
            self.poll()
        if self.words(self.map + 160)[0] == REFUSED:
            raise SystemExit("the board refuses service")
        self.ports, self.port_count = self.words(self.map + 16, 2)

    def words(self, at, count=1):
        return struct.unpack(f"<{count}I", self.ram.read(self.store, at, at + 4 * count))

    def longs(self, at, count=1):
        return struct.unpack(f"<{count}Q", self.ram.read(self.store, at, at + 8 * count))

    def tell_time(self):
        self.ram.write(self.store, struct.pack("<QQ", time.monotonic_ns(), time.time_ns()), self.map + 64)

    def poll(self):
        self.tell_time()
        return self.call("boardPoll")

    def ring(self, port, direction):
        """Address of a ring, its size and its cursors: POSTED by the firmware, DONE by us."""
        (ring,) = self.words(self.ports + port * 8 + direction * 4)
        return ring, self.words(ring)[0], self.words(ring + 16)[0], self.words(ring + 32)[0]

    def deliver(self, port, frame):
        """A frame into the next empty one that the board has posted; False when there is none, and the frame is lost."""
        ring, size, posted, done = self.ring(port, 0)
        if done == posted:
            return False
        descriptor = ring + 64 + done % size * 16
        address, room = self.words(descriptor, 2)
        if len(frame) > room:
            return False
        self.ram.write(self.store, frame, address)
        self.ram.write(self.store, struct.pack("<II", len(frame), 0), descriptor + 4)
        self.ram.write(self.store, struct.pack("<I", (done + 1) & 0xFFFFFFFF), ring + 32)
        return True

    def run(self):
        """Polls until there is no more work; what the board sent, by port."""
        sent = {port: [] for port in range(self.port_count)}
        more = MORE_WORK
        while more & MORE_WORK:
            more = self.poll()
            for port in sent:
                ring, size, posted, done = self.ring(port, 1)
                while done != posted:
                    address, length = self.words(ring + 64 + done % size * 16, 2)
                    sent[port].append(bytes(self.ram.read(self.store, address, address + length)))
                    done = (done + 1) & 0xFFFFFFFF
                self.ram.write(self.store, struct.pack("<I", done), ring + 32)
        came, originated, gone, consumed, dropped = self.longs(self.map + 192, 5)
        if came + originated != gone + consumed + dropped + self.words(self.map + 176)[0]:
            raise SystemExit("the books do not balance")
        return sent

    def drops(self):
        """Drop counters that are not 0, by their number in assembly/abi/drop.ts."""
        at, count = self.words(self.map + 40, 2)
        return {reason: n for reason, n in enumerate(self.longs(at, count)) if n > 0}


def ipv4(source, destination, protocol, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0, source, destination)
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return header[:10] + struct.pack(">H", checksum) + header[12:] + payload


def item(kind, value):
    return struct.pack("<HH", kind, len(value)) + value + bytes(-len(value) % 4)


class Gateway:
    """A board and what its chassis and IKE board would do for it."""

    def __init__(self, engine, module, slot, outside):
        self.slot, self.outside, self.sequence = slot, outside, time.monotonic_ns()
        key = os.urandom(32)
        self.control = AESGCM(key)
        kind, ike_slot, sas = (struct.pack("<I", n) for n in (1, IKE_SLOT, 16))
        items = item(1, kind) + item(2, ike_slot) + item(3, outside) + item(4, key) + item(5, sas)
        self.board = Board(engine, module, slot, items)

    def frame(self, ethertype, payload):
        """On the Ethernet backplane, from the IKE board's slot to this one's."""
        mac = lambda slot: bytes([0x02, 0x43, 0x43, 0x00, 0x00, slot])
        return (mac(self.slot) + mac(IKE_SLOT) + struct.pack(">H", ethertype) + payload).ljust(60, b"\0")

    def install(self, direction, link, spi, key, peer, local_ts, remote_ts):
        """S404: an SA to the board, in a control message that is sealed and sequenced (assembly/abi/message.ts)."""
        address = lambda four: four.ljust(16, b"\0")
        record = struct.pack("<IIBBBBHHHHBBBxHHHH", link, spi, direction, 50, 0, 0, 20, 128, 0, 64, 4, 1, 1, len(key), 0, 0, 0)
        record += address(self.outside) + address(peer) + bytes(48) + key.ljust(144, b"\0") + bytes(8)
        for first, last in (local_ts, remote_ts):
            record += struct.pack("<BBHHxx", 4, 0, 0, 65535) + address(first) + address(last)
        message = struct.pack("<HHII", 1, 1, link, 12 + len(record)) + record
        self.sequence += 1
        header = struct.pack("<IIQ", self.slot, GENERATION, self.sequence)
        sealed = self.control.encrypt(struct.pack("<IQ", 0, self.sequence), message, header)
        self.board.deliver(CHANNEL, self.frame(ETHERTYPE_CONTROL, header + sealed))
        (answer,) = self.board.run()[CHANNEL]
        header, sealed = answer[14:30], answer[30:]
        opened = self.control.decrypt(struct.pack("<I", 1) + header[8:], sealed, header)
        return struct.unpack("<H", opened[:2])[0] == 129  # SA_INSTALLED

    def packet(self, packet):
        """S605: a packet from either network, in a capsule."""
        inside = bytes([169, 254, 83])
        capsule = ipv4(inside + bytes([IKE_SLOT]), inside + bytes([self.slot]), 4, packet)
        self.board.deliver(CHANNEL, self.frame(ETHERTYPE_IPV4, capsule))
        return self.board.run()


def main(image):
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, image)
    moon_address, sun_address = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
    moon = Gateway(engine, module, 1, moon_address)
    sun = Gateway(engine, module, 2, sun_address)
    net = lambda n: (bytes([10, n, 0, 0]), bytes([10, n, 255, 255]))
    key = os.urandom(20)  # AES-128-GCM: key and salt
    spi = 0x80020001  # its low 17 bits are the link at the end that chose it
    installed = moon.install(1, 1, spi, key, sun_address, net(1), net(2))
    installed = sun.install(0, 1, spi, key, moon_address, net(2), net(1)) and installed
    print("SAs installed:", installed)

    clear = ipv4(bytes([10, 1, 0, 2]), bytes([10, 2, 0, 2]), 17, struct.pack(">HHHH", 1000, 2000, 13, 0) + b"hello")
    (esp,) = moon.packet(clear)[UNPROTECTED]
    print(f"moon's board sends {len(esp)} octets of ESP, SPI {esp[20:24].hex()}, number {int.from_bytes(esp[24:28], 'big')}")
    (opened,) = sun.packet(esp)[PROTECTED]
    print("sun's board sends to its network:", opened[28:].decode())
    sun.packet(esp)
    sun.packet(esp[:20] + b"\x80\x04\x00\x02" + esp[24:])
    print("then once more the same, and one of another SPI; drops of sun's board:", sun.board.drops())


main(sys.argv[1])
