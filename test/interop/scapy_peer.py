"""Scapy's IPsec layer as the other end of an SA, for test/interop/scapy.ts: a batch of requests a line, as JSON, and a line of answers.

`seal` makes ESP or AH of a clear packet, `open` a clear packet of ESP or AH; a packet that Scapy does not take is `refused`, with the
name of its exception. An SA is told anew with every request: Scapy keeps no replay window, and counts for no one.
"""

import json
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.config import conf
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, AUTH_ALGOS, CRYPT_ALGOS, ESP, SecurityAssociation


def packet_of(octets):
    return (IPv6 if octets[0] >> 4 == 6 else IP)(octets)


def tunnel_header(ends):
    if ends is None:
        return None
    if ":" in ends["source"]:
        return IPv6(
            src=ends["source"], dst=ends["destination"], tc=ends["class"], fl=ends["label"], hlim=ends["hops"]
        )
    return IP(src=ends["source"], dst=ends["destination"], tos=ends["class"], ttl=ends["hops"])


def association(request):
    number = int(request["number"])
    extended = request["extended"]
    encryption = request.get("encryption")
    integrity = request.get("integrity")
    return SecurityAssociation(
        AH if request["protocol"] == 51 else ESP,
        spi=request["spi"],
        # The low half stands here and not among the arguments of encrypt(), which take 0 for "not given".
        seq_num=number & 0xFFFFFFFF,
        crypt_algo=encryption,
        crypt_key=bytes.fromhex(request["encryptionKey"]) if encryption not in (None, "NULL") else None,
        crypt_icv_size=request.get("icvOctets"),
        auth_algo=integrity,
        auth_key=bytes.fromhex(request["integrityKey"]) if integrity else None,
        tunnel_header=tunnel_header(request.get("tunnel")),
        nat_t_header=UDP(sport=4500, dport=4500) if request.get("udp") else None,
        esn_en=extended,
        esn=number >> 32 if extended else 0,
    )


def seal(request):
    clear = packet_of(bytes.fromhex(request["packet"]))
    arguments = {"iv": bytes.fromhex(request["iv"])} if "iv" in request else {}
    sealed = association(request).encrypt(clear, **arguments)
    octets = bytearray(bytes(sealed))
    if request.get("udp") and sealed.version == 4:
        # Scapy 2.5 writes UDP's length before there is anything in it.
        at = sealed.ihl * 4
        octets[at + 4 : at + 6] = (len(octets) - at).to_bytes(2, "big")
    return bytes(octets)


def open_packet(request):
    packet = packet_of(bytes.fromhex(request["packet"]))
    if request.get("udp") and request.get("tunnel") is None and packet.version == 6:
        # Scapy 2.5 opens such a packet, but leaves the UDP header in front of what it was.
        udp = packet[UDP]
        before, esp = udp.underlayer, udp[ESP]
        before.nh = 50
        before.remove_payload()
        packet.plen = len(packet.payload) + len(esp)
        packet = packet / esp
    return bytes(association(request).decrypt(packet))


def answer(request):
    if request["do"] == "transforms":
        return {"version": conf.version, "encryption": list(CRYPT_ALGOS), "integrity": list(AUTH_ALGOS)}
    try:
        return {"packet": (seal if request["do"] == "seal" else open_packet)(request).hex()}
    except Exception as error:  # whatever it is, the test has to judge it
        return {"refused": type(error).__name__, "why": str(error)[:200]}


for line in sys.stdin:
    sys.stdout.write(json.dumps([answer(request) for request in json.loads(line)]) + "\n")
    sys.stdout.flush()
