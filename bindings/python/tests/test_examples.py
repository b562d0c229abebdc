"""The examples, run as their readers run them."""

import signal
import time

import pytest
from conftest import DEADLINE, PACKAGE


@pytest.fixture
def example(python, port):
    settings = ["interface=lo", f"beacon_port={port}", "interval=100ms", "ipc=off"]

    def start(name, *arguments):
        return python(PACKAGE / "examples" / name, *arguments, *settings)

    return start


def until(process, wanted):
    """Reads lines until one has all of that in it."""
    seen = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        seen.append(line)
        if all(part in line for part in wanted):
            return line
    process.kill()
    raise AssertionError((wanted, seen, process.communicate()))


def interrupt(process):
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=DEADLINE)[1] == ""
    assert process.returncode == 0


def test_chat(example):
    alice, bob = example("chat.py", "alice"), example("chat.py", "bob")
    until(alice, ["* bob is here"])
    until(bob, ["* alice is here"])
    print("lunch at noon?", file=alice.stdin, flush=True)
    until(bob, ["alice: lunch at noon?"])
    until(alice, ["* 1 heard that"])
    alice.stdin.close()
    alice.stdin = None
    until(bob, ["* alice has gone: goodbye"])
    assert alice.wait(DEADLINE) == 0
    interrupt(bob)


def test_sensors(example):
    early = example("sensors.py", "kitchen")
    board = example("sensors.py")
    late = example("sensors.py", "attic")
    until(board, ["kitchen", "°C", " | "])
    interrupt(early)
    line = until(board, ["attic"])
    while "kitchen" in line:
        line = until(board, ["attic"])
    interrupt(late)
    interrupt(board)


def test_broker(example):
    anna, ben = example("broker.py", "anna"), example("broker.py", "ben")
    broker = example("broker.py")
    anna.kill()
    out, err = broker.communicate(timeout=DEADLINE)
    assert err == "" and broker.returncode == 0
    results = [line.split(" (")[0] for line in out.splitlines()[:-1]]
    assert sorted(results) == sorted(f"{job} gave {job**2}" for job in range(1, 21))
    assert out.splitlines()[-1] == "all jobs are done"
    interrupt(ben)
