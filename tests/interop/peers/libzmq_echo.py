"""libzmq's DEALER and ROUTER against `session_echo`: what goes out has to come back.

    libzmq_echo.py TARGET tcp|ipc:PATH beat|still [KEY]

TARGET is what the DEALER dials; the ROUTER listens on a port of loopback or at
PATH. With `beat` both send heartbeats and want answers. With TARGET's public
key both use CURVE, and `started` says their own ones. `{"cmd":"run","messages":n}`
sends that many messages of all shapes, compares what returns, and answers `done` or
`wrong`; `{"cmd":"stop"}` ends it. A connection that ends is told as `cut`.
"""

import json
import os
import sys
import time

import zmq
from zmq.utils.monitor import parse_monitor_message
from lines import emit

HEARTBEAT_MS = 100
SILENCE_MS = 1000
WINDOW = 2000
IDENTITY = b"\x01" + b"\xda" * 16
PATTERN = bytes(range(256)) * 4096


def message(number):
    """Message `number`: one to five frames, from nothing to a megabyte."""
    frames = [b"%d" % number]
    sizes = [0, 1, 255, 256, 8192, 65_536, 1 << 20]
    if number % 10 == 0:
        frames.append(b"")
    if number % 7 == 0:
        frames.append(PATTERN[: sizes[(number // 7) % 5]])
    if number % 1000 == 999:
        frames += [PATTERN[: sizes[5]], PATTERN[: sizes[6]]]
    return frames


class Echo:
    def __init__(self, target, own, beat, key=None):
        self.beat = beat == "beat"
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.poller.register(0, zmq.POLLIN)
        self.monitors = {}
        self.keys = {}
        self.router = self.socket(zmq.ROUTER, "router")
        if key:
            self.curve(self.router, "router")
            self.router.setsockopt(zmq.CURVE_SERVER, 1)
        self.router.bind("tcp://127.0.0.1:*" if own == "tcp" else "ipc://" + own[4:])
        self.endpoint = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.dealer = self.socket(zmq.DEALER, "dealer")
        self.dealer.setsockopt(zmq.IDENTITY, IDENTITY)
        if key:
            self.curve(self.dealer, "dealer")
            self.dealer.setsockopt(zmq.CURVE_SERVERKEY, key.encode())
        self.dealer.connect(target)
        self.running = True

    def socket(self, kind, label):
        made = self.context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        if self.beat:
            made.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            made.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
            made.setsockopt(zmq.HEARTBEAT_TTL, SILENCE_MS)
        monitor = made.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.monitors[monitor] = label
        self.poller.register(monitor, zmq.POLLIN)
        return made

    def curve(self, made, label):
        public, secret = zmq.curve_keypair()
        made.setsockopt(zmq.CURVE_PUBLICKEY, public)
        made.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self.keys[label] = public.decode()

    def run(self, count):
        begun = time.monotonic()
        sent = received = 0
        while received < count:
            while sent < count and sent - received < WINDOW:
                try:
                    self.dealer.send_multipart(message(sent), zmq.DONTWAIT)
                except zmq.Again:
                    break
                sent += 1
            if not self.router.poll(20_000):
                emit("wrong", message="%d sent, %d returned" % (sent, received))
                return
            while received < sent and self.router.get(zmq.EVENTS) & zmq.POLLIN:
                identity, *frames = self.router.recv_multipart()
                if frames != message(received):
                    emit("wrong", message="number %d: %r" % (received, frames[:1]))
                    return
                received += 1
        emit("done", messages=received, seconds=time.monotonic() - begun, identity=identity.hex())

    def serve(self):
        emit("started", uuid=None, endpoint=self.endpoint, keys=self.keys)
        while self.running:
            for ready, _ in self.poller.poll():
                if ready in self.monitors:
                    change = parse_monitor_message(ready.recv_multipart())["event"]
                    cut = change == zmq.EVENT_DISCONNECTED
                    emit("cut" if cut else "linked", side=self.monitors[ready])
                    continue
                for line in os.read(0, 65_536).splitlines() or [b'{"cmd":"stop"}']:
                    command = json.loads(line)
                    if command["cmd"] == "run":
                        self.run(command["messages"])
                    else:
                        self.running = False


echo = Echo(*sys.argv[1:])
echo.serve()
emit("stopped")
os._exit(0)
