"""A ZRE peer written by hand on libzmq's own sockets, behind the usual JSON lines.

    libzmq_peer.py beat|still NAME UUID NODE_ENDPOINT [IPC_PATH_OF_NODE [IPC_PATH_OF_OURS]]

With ZRE_NODE_KEY in the environment, the node's public key, all sockets use CURVE with one
pair of keys, as C Zyre's do; `started` says the public one.

Its DEALER dials the node by tcp, or by ipc where a path is given; its ROUTERs
listen on tcp, and on ipc where a path of its own is given, and every event says
by which of them it came (`by`). With `beat` all of them send heartbeats and
want answers. A connection that ends is told as `cut`.
"""

import itertools
import json
import os
import struct
import sys

import zmq
from zmq.utils.monitor import parse_monitor_message
from lines import emit, meant, shown

HELLO, WHISPER, SHOUT, JOIN, LEAVE, PING, PING_OK = range(1, 8)
HEARTBEAT_MS = 100
SILENCE_MS = 1000


def string(text):
    data = text.encode()
    return struct.pack("!B", len(data)) + data


def longstr(text):
    data = text.encode()
    return struct.pack("!I", len(data)) + data


class Reader:
    """Fields of a message, front to back."""

    def __init__(self, data):
        self.data = data

    def take(self, size):
        taken, self.data = self.data[:size], self.data[size:]
        if len(taken) != size:
            raise ValueError("a message ends early")
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def string(self):
        return self.take(self.number(1)).decode()

    def longstr(self):
        return self.take(self.number(4)).decode()


class Peer:
    def __init__(self, beat, name, uuid, endpoint, node_path=None, own_path=None):
        self.beat = beat == "beat"
        self.name, self.uuid = name, bytes.fromhex(uuid)
        self.context = zmq.Context()
        self.sequence, self.expected, self.status = 0, 0, 0
        self.node_key = os.environ.get("ZRE_NODE_KEY", "").encode()
        self.keys = zmq.curve_keypair() if self.node_key else None
        self.poller = zmq.Poller()
        self.poller.register(0, zmq.POLLIN)
        self.inboxes, self.monitors = {}, {}
        tcp = self.socket(zmq.ROUTER, "inbox")
        tcp.bind("tcp://127.0.0.1:*")
        self.endpoint = tcp.getsockopt_string(zmq.LAST_ENDPOINT)
        self.inboxes[tcp] = "tcp"
        if own_path:
            ipc = self.socket(zmq.ROUTER, "inbox")
            ipc.bind("ipc://" + own_path)
            self.inboxes[ipc] = "ipc"
        for inbox in self.inboxes:
            self.poller.register(inbox, zmq.POLLIN)
        self.mailbox = self.socket(zmq.DEALER, "mailbox")
        self.mailbox.setsockopt(zmq.IDENTITY, b"\x01" + self.uuid)
        self.mailbox.connect("ipc://" + node_path if node_path else endpoint)
        self.input = b""
        self.running = True

    def socket(self, kind, label):
        made = self.context.socket(kind)
        made.setsockopt(zmq.LINGER, 1000)
        if self.beat:
            made.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            made.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
            made.setsockopt(zmq.HEARTBEAT_TTL, SILENCE_MS)
        if kind == zmq.ROUTER:
            made.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if self.keys:
            public, secret = self.keys
            made.setsockopt(zmq.CURVE_PUBLICKEY, public)
            made.setsockopt(zmq.CURVE_SECRETKEY, secret)
            if kind == zmq.ROUTER:
                made.setsockopt(zmq.CURVE_SERVER, 1)
            else:
                made.setsockopt(zmq.CURVE_SERVERKEY, self.node_key)
        monitor = made.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.monitors[monitor] = label
        self.poller.register(monitor, zmq.POLLIN)
        return made

    def send(self, number, fields=b"", frames=()):
        self.sequence = (self.sequence + 1) & 0xFFFF
        head = struct.pack("!HBBH", 0xAAA1, number, 2, self.sequence) + fields
        self.mailbox.send_multipart([head, *frames])

    def hello(self):
        headers = {"X-SIDE": "libzmq"}
        if self.keys:
            headers["X-PUBLICKEY"] = self.keys[0].decode()
        fields = string(self.endpoint) + struct.pack("!I", 1) + longstr("THEIRS")
        fields += struct.pack("!B", self.status) + string(self.name)
        fields += struct.pack("!I", len(headers))
        fields += b"".join(string(key) + longstr(value) for key, value in headers.items())
        self.send(HELLO, fields)

    def receive(self, inbox):
        identity, head, *frames = inbox.recv_multipart()
        reader = Reader(head)
        signature, number, version = reader.number(2), reader.number(1), reader.number(1)
        if signature != 0xAAA1 or version != 2:
            emit("error", message="not a ZRE message: " + head[:8].hex())
            return
        sequence = reader.number(2)
        self.expected = 1 if number == HELLO else (self.expected + 1) & 0xFFFF
        about = {"peer": identity[1:].hex(), "by": self.inboxes[inbox]}
        if sequence != self.expected:
            emit("gap", expected=self.expected, got=sequence, **about)
            self.expected = sequence
        if number == HELLO:
            endpoint = reader.string()
            groups = [reader.longstr() for _ in range(reader.number(4))]
            status, name = reader.number(1), reader.string()
            headers = {}
            for _ in range(reader.number(4)):
                key = reader.string()
                headers[key] = reader.longstr()
            about.update(endpoint=endpoint, status=status, name=name, headers=headers)
            emit("enter", groups=groups, identity=identity.hex(), **about)
            for group in groups:
                emit("join", group=group, **about)
        elif number == WHISPER:
            emit("whisper", frames=[shown(frame) for frame in frames], **about)
        elif number == SHOUT:
            emit("shout", group=reader.string(), frames=[shown(f) for f in frames], **about)
        elif number in (JOIN, LEAVE):
            group, status = reader.string(), reader.number(1)
            emit("join" if number == JOIN else "leave", group=group, status=status, **about)
        elif number == PING:
            self.send(PING_OK)
        elif number == PING_OK:
            emit("ping-ok", **about)
        else:
            emit("other", number=number, **about)

    def read_commands(self):
        block = os.read(0, 1 << 16)
        if not block:
            self.running = False
        *lines, self.input = (self.input + block).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, command):
        cmd = command["cmd"]
        if cmd == "hello":
            self.hello()
        elif cmd in ("join", "leave"):
            self.status = (self.status + 1) & 0xFF
            fields = string(command["group"]) + struct.pack("!B", self.status)
            self.send(JOIN if cmd == "join" else LEAVE, fields)
        elif cmd == "whisper":
            self.send(WHISPER, frames=[meant(frame) for frame in command["frames"]])
        elif cmd == "shout":
            frames = [meant(frame) for frame in command["frames"]]
            self.send(SHOUT, string(command["group"]), frames)
        elif cmd == "ping":
            self.send(PING)
        elif cmd == "stop":
            self.running = False
        else:
            emit("error", message="unknown command " + cmd)

    def run(self):
        key = self.keys[0].decode() if self.keys else None
        emit("started", uuid=self.uuid.hex(), name=self.name, endpoint=self.endpoint, key=key)
        while self.running:
            for ready, _ in self.poller.poll():
                if ready == 0:
                    self.read_commands()
                elif ready in self.monitors:
                    change = parse_monitor_message(ready.recv_multipart())["event"]
                    cut = change == zmq.EVENT_DISCONNECTED
                    emit("cut" if cut else "linked", side=self.monitors[ready])
                else:
                    # A bounded share, so that commands get their turn.
                    for _ in itertools.repeat(None, 1000):
                        if not ready.get(zmq.EVENTS) & zmq.POLLIN:
                            break
                        self.receive(ready)

    def close(self):
        for monitor in self.monitors:
            self.poller.unregister(monitor)
        for made in (self.mailbox, *self.inboxes):
            made.disable_monitor()
            made.close()
        self.context.term()


peer = Peer(*sys.argv[1:])
peer.run()
peer.close()
emit("stopped")
