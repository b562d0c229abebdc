"""A Windows node, under Wine, and a Linux node tell each other what nodes tell each other.

    cross.py ZRE FOLDER TARGET   the command for Linux, the folder that `run` has made, the
                                 target's name

Runs in a network namespace of its own. The first time they meet by multicast over the
loopback, the second time by broadcast over an Ethernet link.
"""

import json
import os
import pty
import queue
import subprocess
import sys
import threading
import time

DEADLINE = 60
ZRE, FOLDER, TARGET = sys.argv[1:]
LINUX = [ZRE]
WINDOWS = [
    "chroot", FOLDER, "env", "-i", "HOME=/root", "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
    "WINEDEBUG=-all", "XDG_RUNTIME_DIR=/tmp", "TERM=xterm", "LANG=C.UTF-8",
    "wine", f"/root/target/{TARGET}/debug/zre.exe",
]


class Node:
    """A `zre node --json`."""

    def __init__(self, program, name, options):
        command = [*program, "node", "--json", "--name", name, "--ipc", "off", *options]
        self.name = name
        self.seen = []
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}
        )
        threading.Thread(target=self.read, daemon=True).start()
        self.uuid = self.event("started")["uuid"]

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def say(self, cmd, **fields):
        line = json.dumps({"cmd": cmd, **fields}, ensure_ascii=False)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def event(self, kind, **fields):
        """The next event of that kind with these fields; what comes before it is dropped."""
        until = time.monotonic() + DEADLINE
        self.seen = []
        while True:
            try:
                event = self.lines.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                event = None
            if event is None:
                wanted = {"event": kind, **fields}
                sys.exit(f"FAILED: {self.name} has seen no {wanted}, but {self.seen}")
            self.seen.append(event)
            if event["event"] == kind and fields.items() <= event.items():
                return event

    def stop(self):
        self.say("stop")
        self.event("stopped")
        code = self.process.wait(DEADLINE)
        if code != 0:
            sys.exit(f"FAILED: {self.name} ended with {code}")


def hear(program, other, options, cast):
    """A beacon of a node arrives in a program of the other system, over the right interface."""
    interface = options[options.index("--interface") + 1]
    process = subprocess.Popen(
        [*program, "listen", "--json", *options],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    late = threading.Timer(DEADLINE, process.kill)
    late.start()
    wanted = {"uuid": other.uuid, "cast": cast, "interface": interface}
    heard = (wanted.items() <= json.loads(line).items() for line in process.stdout)
    if not any(heard):
        sys.exit(f"FAILED: {program[-1]} hears no {wanted}")
    late.cancel()
    process.kill()
    process.wait()


def talk(options, via):
    """All that two nodes do with each other, in both directions."""
    windows = Node(WINDOWS, "windows", options)
    linux = Node(LINUX, "linux", options)
    for node, other in [(windows, linux), (linux, windows)]:
        node.event("enter", name=other.name, link="tcp")
    for program, other in [(WINDOWS, linux), (LINUX, windows)]:
        hear(program, other, options, via)
    for node, other in [(windows, linux), (linux, windows)]:
        node.say("join", group="lab")
        other.event("join", name=node.name, group="lab")
    for node, other in [(windows, linux), (linux, windows)]:
        node.say("whisper", peer=other.name, frames=["Grüße, 世界", {"base64": "/wD+"}])
        other.event("whisper", name=node.name, frames=["Grüße, 世界", {"base64": "/wD+"}])
        node.say("shout", group="lab", frames=["x" * 100_000])
        other.event("shout", name=node.name, frames=["x" * 100_000])
        node.say("state", state="busy")
        other.event("state", name=node.name, to="busy")
        node.say("request", peer=other.name, frames=["and?"], tag="1")
        other.say("reply", id=other.event("request", frames=["and?"])["id"], frames=["well"])
        node.event("reply", frames=["well"], tag="1")
    begun = time.monotonic()
    linux.stop()
    windows.event("exit", name="linux", reason="goodbye")
    linux = Node(LINUX, "linux", options)
    windows.event("enter", name="linux")
    linux.event("enter", name="windows")
    windows.stop()
    linux.event("exit", name="windows", reason="goodbye")
    print(f"met by {via}, talked and parted twice ({time.monotonic() - begun:.1f} s for the latter)")
    return linux


def leave(linux, options, what, end):
    """A Windows node at a console says goodbye when it is ended so."""
    command = [*WINDOWS, "node", "--name", "console", *options]
    process, console = pty.fork()
    if process == 0:
        os.execvp(command[0], command)

    def drain():
        try:
            while os.read(console, 4096):
                pass
        except OSError:
            pass

    threading.Thread(target=drain, daemon=True).start()
    linux.event("enter", name="console")
    end(console)
    linux.event("exit", name="console", reason="goodbye")
    os.waitpid(process, 0)
    print(f"a Windows node leaves with a goodbye after {what}")


def main():
    loopback = ["--interface", "lo"]
    talk(loopback, "multicast").stop()
    for command in [
        "link add lan0 type veth peer name lan1",
        "link set lan1 up",
        "addr add 10.98.7.1/24 broadcast + dev lan0",
        "link set lan0 up",
    ]:
        subprocess.run(["ip", *command.split()], check=True)
    lan = ["--interface", "lan0", "--multicast", "off"]
    linux = talk(lan, "broadcast")
    leave(linux, lan, "Ctrl-C", lambda console: os.write(console, b"\x03"))
    linux.stop()


main()
