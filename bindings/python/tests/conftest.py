"""Nodes on loopback that meet no others."""

import os
import socket
import sys
from pathlib import Path

import pytest

os.environ["ZRE_INTERFACE"] = "lo"

#: How long a test waits for what must come.
DEADLINE = 30.0

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(port):
    """For nodes that meet each other and nobody else."""
    return {"interface": "lo", "beacon_port": port, "interval": 0.1, "ipc": "off"}


@pytest.fixture
def python(port):
    """Starts programs: ``python(code)`` gives a running process."""
    import subprocess

    started = []

    def start(code, *arguments, **options):
        program = [sys.executable, "-X", "faulthandler", "-u"]
        program += [code] if isinstance(code, Path) else ["-c", code]
        options = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **options,
        }
        process = subprocess.Popen([*program, *map(str, arguments)], **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
