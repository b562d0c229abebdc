#!/usr/bin/env python3
"""Our node and other people's, talking: C Zyre, gyre, pyre, zyre.js and bare libzmq.

    tests/interop/run.py [SUITE].. [--zre PATH] [--zyre PROGRAM] [--gyre PROGRAM]

Suites: pyre, zyre.js, beacons, idle, soak, libzmq, sessions, gossip; all of
them by default. zyre and gyre run if a program is named for them, and C Zyre then takes
part in idle and soak, too, if those run. Foreign nodes run in network namespaces made here
(needs root and iproute2) and removed afterwards. pyre and zyre.js are fetched into the build
directory the first time. What is missing is said, and skipped; with CI=true in
the environment a skip is a failure.
"""

import argparse
import signal
import sys
import tempfile

import conversation
import gossip
import libzmq
import network
import tools
from beacons import beside_pyre
from idle import idle
from report import Report
from sessions import sessions
from soak import soak
from stage import Stage

LINES = ["zyre", "gyre"]
SUITES = ["pyre", "zyre.js", "beacons", "idle", "soak", "libzmq", "sessions", "gossip"]
ON_LOOPBACK = ["libzmq", "sessions", "gossip"]
ENGINES = ["native", "zeromq"]


def talk(report, stage, net, start, header, manner):
    """Everything one foreign implementation is asked: three lives of it, two of ours."""
    ours = stage.ours("ours", namespace=net.hosts[0])
    them = start("theirs", net.hosts[1])
    met = conversation.meet(report, ours, them, header)
    conversation.converse(report, ours, them, manner)
    conversation.they_stop(report, ours, them, manner, met)

    def meeting():
        ours.expect("enter", peer=them.uuid)
        them.expect("enter", peer=ours.uuid)

    them = start("killed", net.hosts[1])
    conversation.they_die(report, ours, them, meeting)
    them = start("survivor", net.hosts[1])
    conversation.we_stop(report, ours, them, meeting)


def foreign(report, arguments, binary, python, modules):
    """The suites that need namespaces."""
    for engine in ENGINES:
        if "pyre" in arguments.suites:
            stage = Stage(binary, python, engine=engine)
            with report.suite("pyre, %s engine" % engine), network.Network(2) as net, stage:
                talk(report, stage, net, stage.pyre, ("X-SIDE", "pyre"), conversation.Manner())
        if "zyre.js" in arguments.suites and modules:
            manner = conversation.Manner(
                frames_sent=1,
                frames_delivered=1,
                # It closes its connections before it says so.
                reasons=("goodbye", "disconnected"),
                # In one of fifteen cases, whoever its peer is, its binding of
                # libzmq aborts or crashes while it unbinds.
                codes=(0, -signal.SIGABRT, -signal.SIGSEGV),
            )
            stage = Stage(binary, modules=modules, engine=engine)
            with report.suite("zyre.js, %s engine" % engine), network.Network(2) as net, stage:
                talk(report, stage, net, stage.zyrejs, ("X-SIDE", "zyre.js"), manner)
    for name in LINES:
        path = getattr(arguments, name)
        if path:
            with report.suite(name), network.Network(2) as net, Stage(binary) as stage:

                def start(who, namespace, name=name, path=path, stage=stage):
                    return stage.lines(name, path, who, namespace)

                manner = conversation.Manner(reasons=("goodbye", "disconnected"))
                talk(report, stage, net, start, ("X-SIDE", name), manner)
        elif name in arguments.suites or arguments.all:
            report.pass_over(name, "no program: name one by --%s (README.md)" % name)
    if "beacons" in arguments.suites:
        with report.suite("beacons"), network.Network(2) as net, Stage(binary, python) as stage:
            beside_pyre(report, stage, net)
    if "idle" in arguments.suites and modules:
        with report.suite("idle"), network.Network(5) as net:
            with Stage(binary, python, modules) as stage:
                idle(report, stage, net, arguments.zyre)
    if "soak" in arguments.suites:
        for zyre in [None, arguments.zyre] if arguments.zyre else [None]:
            with report.suite("soak"), network.Network(2) as net, Stage(binary, python) as stage:
                ours = stage.ours("ours", namespace=net.hosts[0])
                host = net.hosts[1]
                them = stage.lines("zyre", zyre, "theirs", host) if zyre else stage.pyre("theirs", host)
                ours.expect("enter", peer=them.uuid)
                them.expect("enter", peer=ours.uuid)
                soak(report, ours, them)


def provided(report, suite, provide):
    """What `provide()` gives, or None with the suite skipped."""
    try:
        return provide()
    except (tools.Unavailable, OSError) as why:
        report.skip(suite, str(why))
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--zre", help="the zre command to test (default: built now)")
    parser.add_argument("--zyre", metavar="PROGRAM", help="peers/zyre_peer.c, compiled")
    parser.add_argument("--gyre", metavar="PROGRAM", help="a gyre node that speaks such lines")
    arguments = parser.parse_args()
    named = any(getattr(arguments, name) for name in LINES)
    arguments.all = not arguments.suites and not named
    arguments.suites = arguments.suites or ([] if named else SUITES)
    for suite in arguments.suites:
        if suite not in SUITES + LINES:
            parser.error("unknown suite %r; there are: %s" % (suite, ", ".join(SUITES)))

    report = Report()
    binary = arguments.zre or tools.program("zre")
    cache = tools.cache()
    python = None
    if any(suite not in LINES for suite in arguments.suites):
        who = "pyre, beacons, idle, soak, libzmq, sessions"
        python = provided(report, who, lambda: tools.python(cache))
    modules = None
    if "zyre.js" in arguments.suites or "idle" in arguments.suites:
        modules = provided(report, "zyre.js, idle", lambda: tools.node_modules(cache))
    if python is None:
        arguments.suites = [suite for suite in arguments.suites if suite in ("zyre.js", "gossip", *LINES)]

    namespaced = [suite for suite in arguments.suites if suite not in ON_LOOPBACK]
    namespaced += [name for name in LINES if getattr(arguments, name)]
    obstacle = network.why_not() if namespaced else None
    if obstacle:
        report.skip(", ".join(namespaced), obstacle)
    elif namespaced:
        foreign(report, arguments, binary, python, modules)
    if "libzmq" in arguments.suites:
        with report.suite("libzmq"), Stage(binary, python) as stage:
            with tempfile.TemporaryDirectory(prefix="zre-interop-") as directory:
                libzmq.talk(report, stage, directory)
    if "sessions" in arguments.suites:
        echo = tools.program("session_echo")
        with report.suite("sessions"), Stage(python=python, echo=echo) as stage:
            sessions(report, stage)
    if "gossip" in arguments.suites:
        obstacle = gossip.why_not()
        if obstacle:
            report.skip("gossip", obstacle)
        else:
            with report.suite("gossip"), Stage(binary) as stage:
                gossip.gossip(report, stage)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
