"""A pyre node behind the JSON lines that `zre node --json` speaks.

    pyre_peer.py NAME [--header key=value].. [--group GROUP]..

Beyond the commands of `zre node`, `{"cmd":"alive"}` answers with the threads
of pyre that still run: pyre's node thread dies of an exception without ending
the process, and then nothing but this tells.
"""

import json
import os
import sys
import threading

import zmq
from pyre import Pyre
from pyre.pyre_event import PyreEvent
from lines import emit, meant, options, shown


class Peer:
    def __init__(self, name, headers, groups):
        self.node = Pyre(name)
        for key, value in headers:
            self.node.set_header(key, value)
        for group in groups:
            self.node.join(group)
        self.ids = {}
        self.input = b""
        self.running = True

    def start(self):
        self.node.start()
        emit(
            "started",
            uuid=self.node.uuid().hex,
            name=self.node.name(),
            endpoint=self.node.endpoint(),
        )

    def run(self):
        poller = zmq.Poller()
        poller.register(self.node.socket(), zmq.POLLIN)
        poller.register(0, zmq.POLLIN)
        while self.running:
            ready = dict(poller.poll())
            # Events first: a command's effect never overtakes what led to it.
            for event in self.node.recent_events():
                self.report(event)
            if 0 in ready:
                self.read_commands()

    def report(self, event):
        kind = event.type.lower()
        fields = {"peer": event.peer_uuid.hex, "name": event.peer_name}
        if kind == "enter":
            self.ids[event.peer_uuid.hex] = event.peer_uuid
            fields.update(headers=event.headers, endpoint=event.peer_addr)
        if kind in ("join", "leave", "shout"):
            fields["group"] = event.group
        if kind in ("whisper", "shout"):
            fields["frames"] = [shown(frame) for frame in event.msg]
        if kind == "stop":
            return
        emit(kind, **fields)

    def read_commands(self):
        block = os.read(0, 1 << 16)
        if not block:
            self.running = False
            return
        *lines, self.input = (self.input + block).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, command):
        cmd = command["cmd"]
        if cmd == "join":
            self.node.join(command["group"])
        elif cmd == "leave":
            self.node.leave(command["group"])
        elif cmd == "whisper":
            frames = [meant(frame) for frame in command["frames"]]
            self.node.whisper(self.ids[command["peer"]], frames)
        elif cmd == "shout":
            self.node.shout(command["group"], [meant(frame) for frame in command["frames"]])
        elif cmd == "alive":
            mine = threading.main_thread()
            names = [t.name for t in threading.enumerate() if t is not mine and t.is_alive()]
            emit("alive", threads=len(names))
        elif cmd == "stop":
            self.running = False
        else:
            emit("error", message="unknown command " + cmd)


def main():
    headers, groups = options(sys.argv[2:])
    peer = Peer(sys.argv[1], headers, groups)
    peer.start()
    peer.run()
    peer.node.stop()
    emit("stopped")


main()
