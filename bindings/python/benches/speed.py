#!/usr/bin/env python3
"""Whispers a second and memory: zre in Python, in Rust, and pyre, by turns.

    python3 bindings/python/benches/speed.py [--rounds N] [--python PYTHON]

Builds the package and the Rust program (cargo, release). pyre refuses the loopback
interface, therefore it runs in two network namespaces with a cable between them, which need
root and are removed afterwards; the others run in the same two. Without root, or without
zeromq-pyre for the python that is named, pyre is left out.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
SIZES = (16, 1024)
PEERS = 50


def build(directory):
    """Gives a directory for PYTHONPATH, and the program in Rust."""
    command = ["cargo", "build", "--quiet", "--release", "-p", "zre-python"]
    subprocess.run([*command, "--lib", "--example", "whispers"], cwd=REPOSITORY, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release"
    shutil.copytree(HERE.parent / "python", directory, dirs_exist_ok=True)
    shutil.copy(target / "libzre_python.so", directory / "zre/_native.abi3.so")
    return target / "examples/whispers"


class Hosts:
    """Two hosts with a cable between them, or this host's loopback."""

    def __init__(self, stack):
        self.prefixes = [[], []]
        self.separate = os.geteuid() == 0 and shutil.which("ip") is not None
        if not self.separate:
            return
        names = ["zb%d-%s" % (os.getpid(), side) for side in "ab"]
        for name in names:
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            self.ip("netns", "add", name)
        cable = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1]]
        self.ip("-n", names[0], *cable)
        for number, name in enumerate(names, 1):
            self.ip("-n", name, "link", "set", "lo", "up")
            address = ["addr", "add", "10.79.0.%d/24" % number, "broadcast", "10.79.0.255"]
            self.ip("-n", name, *address, "dev", "eth0")
            self.ip("-n", name, "link", "set", "eth0", "up")
        self.prefixes = [["ip", "netns", "exec", name] for name in names]

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    def start(self, side, command, path):
        environment = dict(os.environ, PYTHONPATH=str(path) if path else "")
        environment["ZRE_INTERFACE"] = "eth0" if self.separate else "lo"
        return subprocess.Popen(
            [*self.prefixes[side], *map(str, command)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )


def number(process, word):
    """The value that it says behind that word."""
    for line in process.stdout:
        said, value = line.split()
        if said == word:
            return float(value)
    raise SystemExit("%s ended with %s" % (process.args, process.wait(10)))


@contextlib.contextmanager
def running(*processes):
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def rate(hosts, commands, size, count, path):
    receiver = hosts.start(0, [*commands[0], "receive", size, count], path)
    with running(receiver):
        number(receiver, "ready")
        sender = hosts.start(1, [*commands[1], "send", size, count], path)
        with running(sender):
            return count / number(receiver, "seconds")


def memory(hosts, command, path, crowd_path):
    """KiB that a process takes with PEERS peers, and how many more than with none."""
    watcher = hosts.start(0, [*command, "memory", PEERS, 0], path)
    with running(watcher):
        alone = number(watcher, "alone")
        command = [sys.executable, HERE / "child.py", "zre", "crowd", PEERS, 0]
        crowd = hosts.start(1, command, crowd_path)
        with running(crowd):
            return number(watcher, "together"), alone


def spread(values, digits=0):
    middle = statistics.median(values)
    return "%s (%s to %s)" % tuple(f"{v:,.{digits}f}" for v in (middle, min(values), max(values)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable, help="one that has zeromq-pyre")
    options = parser.parse_args()
    # The namespaces go, too, if it is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as stack:
        path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rust = build(path)
        hosts = Hosts(stack)
        child = HERE / "child.py"
        contestants = {
            "Rust, blocking": ([rust], 1_000_000, None),
            "Python, blocking": ([sys.executable, child, "blocking"], 300_000, path),
            "Python, asyncio": ([sys.executable, child, "async"], 300_000, path),
            "zre.pyre": ([sys.executable, child, "zre.pyre"], 300_000, path),
        }
        has_pyre = [options.python, "-c", "import pyre.zbeacon"]
        if hosts.separate and subprocess.run(has_pyre, capture_output=True).returncode == 0:
            contestants["pyre"] = ([options.python, child, "pyre"], 10_000, None)
        else:
            print("pyre is left out: it needs root for namespaces, and zeromq-pyre")
        print("whispers a second over tcp, median of %d (least to most)" % options.rounds)
        for size in SIZES:
            rates = {name: [] for name in contestants}
            for _ in range(options.rounds):
                for name, (command, count, modules) in contestants.items():
                    commands = [command, command]
                    rates[name].append(rate(hosts, commands, size, count, modules))
            for name, values in rates.items():
                ratios = []
                for rival in ("Rust, blocking", "pyre"):
                    if rival in rates and rival != name:
                        ratio = statistics.median(values) / statistics.median(rates[rival])
                        ratios.append("%.2f of %s" % (ratio, rival))
                print("  %5d B  %-17s %s  %s" % (size, name, spread(values), ", ".join(ratios)))
        print("KiB of a process that has met %d peers, and with none" % PEERS)
        for name, (command, _, modules) in contestants.items():
            if name.startswith("Rust"):
                continue
            rounds = range(min(3, options.rounds))
            figures = [memory(hosts, command, modules, path) for _ in rounds]
            together, alone = zip(*figures)
            print("         %-17s %s, alone %s" % (name, spread(together), spread(alone)))


if __name__ == "__main__":
    main()
