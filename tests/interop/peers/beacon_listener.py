"""Tells of every datagram on a beacon port: {"event":"datagram","to":..,"bytes":hex,"from":..}.

    beacon_listener.py PORT INTERFACE_ADDRESS GROUP|BROADCAST_ADDRESS..

One socket for each address, bound to it. Ends when its input ends.
"""

import ipaddress
import select
import socket
import struct
import sys

from lines import emit

IP_MULTICAST_ALL = 49


def listen(address, port, interface):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    udp.bind((address, port))
    if ipaddress.ip_address(address).is_multicast:
        membership = struct.pack("4s4s", socket.inet_aton(address), socket.inet_aton(interface))
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        udp.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
    return udp


def main():
    port, interface = int(sys.argv[1]), sys.argv[2]
    sockets = {listen(address, port, interface): address for address in sys.argv[3:]}
    emit("started", uuid=None, name=None)
    while True:
        for source in select.select([sys.stdin, *sockets], [], [])[0]:
            if source is sys.stdin:
                emit("stopped")
                return
            payload, sender = source.recvfrom(2048)
            emit("datagram", to=sockets[source], bytes=payload.hex(), **{"from": sender[0]})


main()
