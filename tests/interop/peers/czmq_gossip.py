"""czmq's own zgossip actor, behind the usual JSON lines.

    czmq_gossip.py NAME

Commands: `bind` and `connect` with an `endpoint`, `publish` with `key` and
`value`, `stop`. Each tuple that the actor delivers is told as `tuple`.
"""

import contextlib
import ctypes
import ctypes.util
import json
import queue
import sys
import threading

from lines import emit

TURN_MS = 20


def library():
    name = ctypes.util.find_library("czmq")
    czmq = ctypes.CDLL(name)
    czmq.zactor_new.restype = ctypes.c_void_p
    czmq.zactor_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    czmq.zsock_set_rcvtimeo.argtypes = [ctypes.c_void_p, ctypes.c_int]
    czmq.zstr_free.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
    czmq.zactor_destroy.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
    return czmq


class Gossip:
    """The actor."""

    def __init__(self, name):
        self.czmq = library()
        body = ctypes.cast(self.czmq.zgossip, ctypes.c_void_p)
        self.actor = ctypes.c_void_p(self.czmq.zactor_new(body, name.encode()))
        self.czmq.zsock_set_rcvtimeo(self.actor, TURN_MS)

    def send(self, *words):
        arguments = [ctypes.c_char_p(word.encode()) for word in words]
        self.czmq.zstr_sendx(self.actor, *arguments, ctypes.c_char_p(None))

    def receive(self):
        """The strings of one message, or none within a turn."""
        slots = [ctypes.c_void_p() for _ in range(3)]
        pointers = [ctypes.byref(slot) for slot in slots]
        self.czmq.zstr_recvx(self.actor, *pointers, ctypes.c_void_p(None))
        words = [ctypes.string_at(slot.value).decode() for slot in slots if slot.value]
        for slot in slots:
            if slot.value:
                self.czmq.zstr_free(ctypes.byref(slot))
        return words

    def port(self):
        self.send("PORT")
        while True:
            words = self.receive()
            if words and words[0] == "PORT":
                return int(words[1])

    def close(self):
        self.czmq.zactor_destroy(ctypes.byref(self.actor))


def listen(commands):
    for line in sys.stdin:
        commands.put(json.loads(line))
    commands.put({"cmd": "stop"})


def main():
    gossip = Gossip(sys.argv[1])
    emit("started", uuid="", name=sys.argv[1])
    commands = queue.Queue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    while True:
        # Only one thread may use the actor.
        with contextlib.suppress(queue.Empty):
            command = commands.get_nowait()
            if command["cmd"] == "stop":
                break
            if command["cmd"] == "publish":
                gossip.send("PUBLISH", command["key"], command["value"])
            else:
                gossip.send(command["cmd"].upper(), command["endpoint"])
            if command["cmd"] == "bind":
                emit("bound", port=gossip.port())
        words = gossip.receive()
        if words and words[0] == "DELIVER":
            emit("tuple", key=words[1], value=words[2])
    gossip.close()


main()
