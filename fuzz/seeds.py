"""Writes what other implementations put on the wire as a corpus to start from.

    seeds.py CAPTURES CORPUS
"""

import hashlib
import json
import pathlib
import sys


def put(corpus, target, data):
    directory = corpus / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main():
    captures, corpus = sys.argv[1], pathlib.Path(sys.argv[2])
    for line in open(captures, encoding="utf-8"):
        capture = json.loads(line)
        if capture["kind"] == "beacon":
            put(corpus, "beacon", bytes.fromhex(capture["bytes"]))
            continue
        frames = [bytes.fromhex(frame) for frame in capture.get("frames", [])]
        if not frames:
            continue
        together = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
        put(corpus, "command", together)
        if frames[0][2:3] == b"\x01":
            put(corpus, "hello", frames[0][6:])


main()
