"""A switch between network namespaces that does harm on demand.

    switch.py PORT ...      carries frames between these interfaces
    switch.py --plain NAME  has NAME send whole frames with checksums, no others

Commands come by the input, one in each line; each is answered by `ok`:

    loss SHARE      that share of all frames is dropped
    delay SECONDS   each frame comes so much later
    reorder SHARE   that share of all frames comes 20 ms later than it would
    cut             no frame crosses from the first half of the ports to the rest
    clear           no harm from now on
"""

import array
import fcntl
import heapq
import itertools
import random
import select
import socket
import struct
import sys
import time

EVERY_PROTOCOL = 3
OUTGOING = 4
SIOCETHTOOL = 0x8946
TX_CHECKSUM = 0x17


def make_plain(name):
    """Segments and checksums are otherwise left to hardware that isn't there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        value = array.array("B", struct.pack("II", TX_CHECKSUM, 0))
        address, _ = value.buffer_info()
        request = struct.pack("16sP", name.encode(), address)
        fcntl.ioctl(sock, SIOCETHTOOL, request.ljust(40, b"\0"))


class Switch:
    def __init__(self, names):
        self.ports = []
        for name in names:
            port = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)
            )
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            port.bind((name, 0))
            port.setblocking(False)
            self.ports.append(port)
        self.learned = {}
        self.later = []
        self.count = itertools.count()
        self.random = random.Random(7)
        self.clear()

    def clear(self):
        self.loss = self.delay = self.reorder = 0.0
        self.is_cut = False

    def obey(self, line):
        word, _, value = line.strip().partition(" ")
        if word == "clear":
            self.clear()
        elif word == "cut":
            self.is_cut = True
        elif word in ("loss", "delay", "reorder"):
            setattr(self, word, float(value))
        else:
            sys.exit(f"unknown command {line!r}")
        print("ok", flush=True)

    def carry(self, index):
        for _ in range(64):
            try:
                frame, address = self.ports[index].recvfrom(65536)
            except BlockingIOError:
                return
            if address[2] == OUTGOING or len(frame) < 14:
                continue
            to, by = frame[:6], frame[6:12]
            self.learned[by] = index
            known = None if to[0] & 1 else self.learned.get(to)
            targets = range(len(self.ports)) if known is None else [known]
            for target in targets:
                if target != index:
                    self.forward(index, target, frame)

    def forward(self, index, target, frame):
        half = len(self.ports) // 2
        if self.is_cut and (index < half) != (target < half):
            return
        if self.loss and self.random.random() < self.loss:
            return
        delay = self.delay
        if self.reorder and self.random.random() < self.reorder:
            delay += 0.02
        if delay:
            due = time.monotonic() + delay
            heapq.heappush(self.later, (due, next(self.count), target, frame))
        else:
            self.send(target, frame)

    def send(self, target, frame):
        try:
            self.ports[target].send(frame)
        except OSError:
            pass  # its cable is out, or its queue is full: the frame is lost

    def run(self):
        poll = select.poll()
        indices = {port.fileno(): index for index, port in enumerate(self.ports)}
        for descriptor in indices:
            poll.register(descriptor, select.POLLIN)
        poll.register(sys.stdin.fileno(), select.POLLIN)
        while True:
            wait = None
            if self.later:
                wait = max(0.0, self.later[0][0] - time.monotonic()) * 1000
            for descriptor, _ in poll.poll(wait):
                if descriptor != sys.stdin.fileno():
                    self.carry(indices[descriptor])
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self.obey(line)
            now = time.monotonic()
            while self.later and self.later[0][0] <= now:
                _, _, target, frame = heapq.heappop(self.later)
                self.send(target, frame)


if sys.argv[1] == "--plain":
    make_plain(sys.argv[2])
else:
    switch = Switch(sys.argv[1:])
    print("ok", flush=True)
    switch.run()
