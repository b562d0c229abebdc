"""Writes what other implementations put on the wire as a corpus to start from.

    seeds.py CAPTURES CORPUS
"""

import hashlib
import json
import pathlib
import struct
import sys


def put(corpus, target, data):
    directory = corpus / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


def gossip(corpus, frames):
    """Each frame alone, and all of them half a second apart."""
    timed = [b"\x01\xf4" + len(frame).to_bytes(2, "big") + frame for frame in frames]
    for frame in timed + [b"".join(timed)]:
        put(corpus, "gossip", frame)


def name(text):
    labels = text.encode().split(b".")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def answer(*records):
    """A name server's answer (RFC 1035): what is asked is left out."""
    head = struct.pack(">6H", 1, 0x8180, 0, len(records), 0, 0)
    return head + b"".join(
        name(owner) + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        for owner, kind, data in records
    )


def dns(corpus):
    ptr, txt, srv = 12, 16, 33
    service, instance = "_zre._tcp.example.org", "a._zre._tcp.example.org"
    target = struct.pack(">3H", 10, 20, 5670) + name("a.example.org")
    none = struct.pack(">3H", 0, 0, 0) + name("")
    who = b"\x25uuid=0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    listed = answer((service, srv, target), (service, srv, none))
    named = [
        answer(),
        answer((service, ptr, name(instance))),
        answer((instance, srv, target)),
        answer((instance, txt, who)),
    ]
    for said in ([listed], named, [listed] + named[1:]):
        put(corpus, "dns", b"".join(len(one).to_bytes(2, "big") + one for one in said))


def main():
    captures, corpus = sys.argv[1], pathlib.Path(sys.argv[2])
    gossiped = []
    dns(corpus)
    for line in open(captures, encoding="utf-8"):
        capture = json.loads(line)
        if capture["kind"] == "beacon":
            put(corpus, "beacon", bytes.fromhex(capture["bytes"]))
            continue
        frames = [bytes.fromhex(frame) for frame in capture.get("frames", [])]
        if capture["kind"] == "zgossip":
            gossiped += frames or [bytes.fromhex(capture["bytes"])]
            continue
        if not frames:
            continue
        together = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
        put(corpus, "command", together)
        if frames[0][2:3] == b"\x01":
            put(corpus, "hello", frames[0][6:])
    gossip(corpus, gossiped)


main()
