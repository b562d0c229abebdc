"""A program that speaks lines, behind the JSON lines that `zre node --json` speaks.

    lines_peer.py PROGRAM NAME KEY=VALUE GROUP

The program is started with the last three. It is a node of that name, with that
header, in that group. Fields are separated by tabs; a frame is in hexadecimal
digits, and an empty one is a minus sign. It writes

    started UUID NAME
    ENTER UUID NAME ENDPOINT KEY=VALUE..      EXIT UUID NAME
    JOIN UUID NAME GROUP                      LEAVE UUID NAME GROUP
    WHISPER UUID NAME FRAME..                 SHOUT UUID NAME GROUP FRAME..
    stopped

and reads

    join GROUP      leave GROUP      whisper UUID FRAME..      shout GROUP FRAME..
    stop

Other events are passed over.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading

from lines import emit, meant, shown


def report(line):
    kind, *fields = line.split("\t")
    kind = kind.lower()
    if kind == "stopped":
        return emit("stopped")
    if len(fields) < 2:
        # czmq logs to standard output.
        return None
    uuid, name, *rest = fields
    if kind == "started":
        return emit(kind, uuid=uuid.lower(), name=name)
    told = {"peer": uuid.lower(), "name": name}
    if kind == "enter":
        told["endpoint"] = rest[0]
        told["headers"] = dict(header.split("=", 1) for header in rest[1:])
    if kind in ("join", "leave", "shout"):
        told["group"] = rest.pop(0)
    if kind in ("whisper", "shout"):
        told["frames"] = [shown(b"" if frame == "-" else bytes.fromhex(frame)) for frame in rest]
    if kind in ("enter", "exit", "join", "leave", "whisper", "shout"):
        emit(kind, **told)


def command(told):
    """The line of a command."""
    words = [told["cmd"]]
    if "group" in told:
        words.append(told["group"])
    elif "peer" in told:
        words.append(told["peer"].upper())
    words += [meant(frame).hex() or "-" for frame in told.get("frames", [])]
    return "\t".join(words) + "\n"


def die_with_us():
    """A killed adapter is to look like a killed node: PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    # The program has the writing end, too: its input doesn't end a moment before it is
    # killed with us, because it would stop in good order then.
    commands, writing = os.pipe()
    program = subprocess.Popen(
        sys.argv[1:],
        stdin=commands,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        preexec_fn=die_with_us,
        pass_fds=(writing,),
    )

    def listen():
        with open(writing, "w", buffering=1) as lines:
            for line in sys.stdin:
                lines.write(command(json.loads(line)))
            lines.write("stop\n")

    threading.Thread(target=listen, daemon=True).start()
    for line in program.stdout:
        report(line.rstrip("\n"))
    sys.exit(program.wait())


main()
