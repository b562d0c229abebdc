"""libzmq's sockets against our sessions alone: no ZRE, only messages, on loopback."""

import os
import signal
import tempfile

from report import require

MESSAGES = 20_000
# zeromq 0.7 takes a heartbeat for a broken protocol and ends the connection.
BEATS = {"native": "beat", "zeromq": "still"}
# Three times what libzmq waits for an answer to its heartbeat.
QUIET = 3.0


def sessions(report, stage):
    """Both engines, tcp and ipc: DEALER to our inbox, our mailbox to ROUTER."""
    for engine, curve in (("native", False), ("native", True), ("zeromq", False)):
        for link in ("tcp", "ipc"):
            with tempfile.TemporaryDirectory(prefix="zre-interop-") as directory:
                _echo(report, stage, engine, link, directory, curve)


def _echo(report, stage, engine, link, directory, curve):
    mechanism = ["curve"] if curve else []
    ours = stage.session_echo(engine, directory if link == "ipc" else "off", *mechanism)
    started = ours.about
    key = [started["key"]] if curve else []
    if link == "ipc":
        path = os.path.join(directory, "router")
        them = stage.libzmq_echo("ipc://" + started["ipc"], "ipc:" + path, BEATS[engine], *key)
        target = {"ipc": path}
    else:
        them = stage.libzmq_echo(ours.endpoint, "tcp", BEATS[engine], *key)
        target = {"tcp": them.endpoint[len("tcp://") :]}
    both = (ours, them)
    keys = them.about["keys"]
    target["key"] = keys.get("router")
    title = "libzmq and the %s engine over %s%s: " % (engine, link, ", CURVE" if curve else "")

    with report.check(title + "linked, both ways", both):
        ours.tell_all([target])
        up = ours.expect("up")
        require(up["link"] == link, "our mailbox took another link")
        require(up["key"] == keys.get("router"), "the ROUTER's key: %r" % up["key"])
        opened = ours.expect("opened", identity="01" + "da" * 16)
        require(opened["link"] == link, "our inbox says %r" % opened["link"])
        require(opened["key"] == keys.get("dealer"), "the DEALER's key: %r" % opened["key"])
        for side in ("dealer", "router"):
            them.expect("linked", side=side)
    with report.check(title + "%d messages there and back" % MESSAGES, both) as note:
        them.tell("run", messages=MESSAGES)
        answer = them.wait(
            lambda: next((e for e in them.pending if e["event"] in ("done", "wrong")), None),
            "answer",
            120.0,
        )
        require(answer["event"] == "done", answer.get("message"))
        require(answer["identity"] == "e0" * 17, "identity: %s" % answer["identity"])
        note("%.0f messages/s" % (MESSAGES / answer["seconds"]))
    if BEATS[engine] == "beat":
        _heartbeats(report, ours, them, title)
    ours.close()
    them.close()


def _heartbeats(report, ours, them, title):
    both = (ours, them)
    with report.check(title + "heartbeats hold both connections", both):
        them.nothing("cut", QUIET)
        require(not any("closed" in event["event"] for event in ours.pending), "ours closed")
        them.tell("run", messages=10)
        them.expect("done", messages=10)
    with report.check(title + "without them, both would be cut", both):
        # Proves that the check before this one can fail.
        os.kill(ours.process.pid, signal.SIGSTOP)
        try:
            for side in ("dealer", "router"):
                them.expect("cut", side=side)
        finally:
            os.kill(ours.process.pid, signal.SIGCONT)
