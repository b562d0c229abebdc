"""What is left of nodes: after they are closed, collected, forked, interrupted."""

import asyncio
import concurrent.futures
import gc
import logging
import os
import signal
import sys
import threading
import time
import weakref

import pytest
import zre
from conftest import DEADLINE

unix = pytest.mark.skipif(os.name != "posix", reason="a system without fork and signals")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def threads():
    return len(os.listdir("/proc/self/task"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def resident():
    """KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def settled(look, wanted):
    """What it comes to; threads of the system end a moment after they are joined."""
    deadline = time.monotonic() + DEADLINE
    while look() > wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return look()


@linux
def test_a_thousand_starts_leave_nothing(settings):
    def once():
        with zre.blocking.Node("n", group="g", **settings) as node:
            node.join("x")

    async def once_async():
        async with zre.Node("n", group="g", **settings) as node:
            await node.join("x")

    async def many(count):
        # To leave takes 50 ms.
        for _ in range(count // 10):
            await asyncio.gather(*(once_async() for _ in range(10)))

    def many_blocking(count):
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            for ended in [pool.submit(once) for _ in range(count)]:
                ended.result()

    for _ in range(2):
        many_blocking(50)
        asyncio.run(many(50))
    gc.collect()
    before = threads(), descriptors(), len(gc.get_objects())
    memory = resident()
    many_blocking(500)
    asyncio.run(many(500))
    gc.collect()
    assert settled(threads, before[0]) <= before[0]
    assert descriptors() <= before[1]
    assert len(gc.get_objects()) <= before[2] + 50
    assert resident() - memory < 4096, "KiB"


@linux
def test_a_closed_node_has_no_thread(settings):
    before = threads()
    nodes = [zre.blocking.Node(**settings).start() for _ in range(3)]
    assert threads() > before
    for node in nodes:
        node.close()
    assert settled(threads, before) <= before
    assert settled(threading.active_count, 1) == 1


@linux
def test_a_node_that_nobody_closed_leaves_when_it_is_collected(settings):
    with zre.blocking.Node("watcher", **settings) as watcher:
        before = descriptors()
        node = zre.blocking.Node("lost", **settings).start()
        watcher.wait_for_peers(1)
        gone = weakref.ref(node)
        with pytest.warns(ResourceWarning, match="unclosed .*zre.blocking.Node 'lost'"):
            del node
            gc.collect()
        assert gone() is None
        while not isinstance(watcher.recv(DEADLINE), zre.Exit):
            pass
        assert settled(descriptors, before) <= before


@linux
def test_nor_does_a_loop_keep_it(settings):
    async def main():
        async with zre.Node("watcher", **settings) as watcher:
            before = descriptors()
            node = await zre.Node("lost", **settings).start()
            await watcher.wait_for_peers(1)
            gone = weakref.ref(node)
            with pytest.warns(ResourceWarning, match="unclosed"):
                del node
                gc.collect()
            assert gone() is None
            async for event in watcher.events():
                if isinstance(event, zre.Exit):
                    break
            # The loop has forgotten the descriptor, too: another node may have its number.
            assert settled(descriptors, before) <= before
            async with zre.Node("next", **settings) as node:
                await node.wait_for_peers(1)

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


START = """
import asyncio, os, signal, sys, threading, time
import zre
settings = dict(interface="lo", beacon_port=int(sys.argv[1]), interval=0.1, ipc="off")
def say(*words):
    print(*words, flush=True)
"""


@pytest.fixture
def run(python, port):
    """Runs a program in Python to its end."""

    def run(code, *arguments, status=0):
        process = python(START + code, port, *arguments)
        out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == status, (process.returncode, out, err)
        return out, err

    return run


@pytest.mark.parametrize("kind", ["blocking", "async"])
def test_the_end_of_the_program_is_a_goodbye(run, settings, kind):
    code = {
        "blocking": "node = zre.blocking.Node('guest', **settings).start(); node.wait_for_peers()",
        "async": """
async def main():
    global node
    node = await zre.Node('guest', **settings).start()
    await node.wait_for_peers()
asyncio.run(main())
""",
    }[kind]
    with zre.blocking.Node("host", **settings) as host:
        _, err = run(code)
        assert err == ""
        event = host.recv(DEADLINE)
        while not isinstance(event, zre.Exit):
            event = host.recv(DEADLINE)
        assert (event.peer.name, event.reason) == ("guest", "goodbye")


def test_the_end_comes_while_threads_wait(run):
    out, err = run(
        """
node = zre.blocking.Node('n', **settings).start()
for _ in range(3):
    threading.Thread(target=lambda: list(node.events()), daemon=True).start()
say('end')
"""
    )
    assert (out, err) == ("end\n", "")


INTERRUPTED = {
    "recv": "while True: node.recv()",
    "events": "for event in node.events(): pass",
    "wait_for_peers": "node.wait_for_peers(7, timeout=60)",
    "request": "node.wait_for_peers(); say(); node.request('host', '?', timeout=60)",
    "whisper": "node.wait_for_peers()\n        while True: node.whisper('host', b'x' * 100000)",
    "sleep": "time.sleep(60)",
}


@unix
@pytest.mark.parametrize("what", INTERRUPTED)
def test_ctrl_c_ends_every_wait(python, port, settings, what):
    host_settings = {**settings, "event_queue_bytes": 100} if what == "whisper" else settings
    with zre.blocking.Node("host", **host_settings):
        process = python(
            START
            + f"""
try:
    with zre.blocking.Node('guest', **settings) as node:
        say('ready')
        {INTERRUPTED[what]}
except KeyboardInterrupt:
    say('interrupted', node._native.is_open)
""",
            port,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        if what == "whisper":
            # The one that isn't read doesn't confirm, and the node says goodbye to it for
            # 5 s: a second Ctrl-C is for those in a hurry.
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        # Sooner than any wait would have ended by itself.
        out, err = process.communicate(timeout=DEADLINE)
        assert out.strip() == "interrupted False" and process.returncode == 0, (out, err)


ASYNC_INTERRUPTED = {
    "events": "async for event in node.events(): pass",
    "request": "await node.wait_for_peers(); await node.request('host', '?', timeout=60)",
    "flood": "await node.wait_for_peers()\n        while True: await node.whisper('host', b'x')",
    "sleep": "await asyncio.sleep(60)",
}


@unix
@pytest.mark.parametrize("what", ASYNC_INTERRUPTED)
def test_ctrl_c_ends_asyncio_too(python, port, settings, what):
    with zre.blocking.Node("host", **settings) as host:
        reader = threading.Thread(target=lambda: [None for _ in host.events()])
        reader.start()
        process = python(
            START
            + f"""
async def main():
    async with zre.Node('guest', **settings) as node:
        say('ready')
        {ASYNC_INTERRUPTED[what]}
try:
    asyncio.run(main())
except KeyboardInterrupt:
    say('interrupted')
""",
            port,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
        assert (out.strip(), process.returncode) == ("interrupted", 0), (out, err)
    reader.join(DEADLINE)


@unix
def test_ctrl_c_during_start_and_close(python, port):
    process = python(
        START
        + """
armed = False

def interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
say('ready')
interrupted = 0
while interrupted < 20:
    try:
        armed = True
        with zre.blocking.Node('n', **settings):
            pass
        armed = False
    except KeyboardInterrupt:
        interrupted += 1
signal.signal(signal.SIGINT, signal.SIG_IGN)
deadline = time.monotonic() + 30
while threading.active_count() > 1 and time.monotonic() < deadline:
    time.sleep(0.01)
say([one.name for one in threading.enumerate()])
""",
        port,
    )
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + DEADLINE
    number = 0
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        number += 1
        time.sleep(0.01 + number % 5 * 0.003)
    out, err = process.communicate(timeout=DEADLINE)
    assert (out, err, process.returncode) == ("['MainThread']\n", "", 0)


@unix
def test_a_forked_process_has_no_nodes_and_says_so(run):
    out, err = run(
        """
import warnings
# Newer versions of Python warn of every fork of a process with threads.
warnings.simplefilter('ignore', DeprecationWarning)
node = zre.blocking.Node('parent', **settings).start()
reader = threading.Thread(target=lambda: list(node.events()))
reader.start()
child = os.fork()
if child == 0:
    for call in (node.recv, node.peers, lambda: node.whisper('x', 'y'),
                 lambda: zre.blocking.Node('child', **settings).start()):
        try:
            call()
        except zre.ForkedError as error:
            assert 'spawn' in str(error) and error.code == 'forked', error
        else:
            say('no error')
    node.close()
    say(node)
    del node
    sys.exit(0)
_, status = os.waitpid(child, 0)
say(status, node.peers())
node.close()
reader.join()
"""
    )
    assert out == "<zre.blocking.Node of another process>\n0 []\n", (out, err)
    assert err == ""


@unix
def test_who_forks_before_the_first_node_may_have_nodes_in_both(run):
    out, err = run(
        """
with zre.blocking.Node('before', **settings):
    pass
child = os.fork()
name, other = ('child', 'parent') if child == 0 else ('parent', 'child')
with zre.blocking.Node(name, **settings) as node:
    peer, = node.wait_for_peers()
    assert peer.name == other and peer.link == 'tcp'
    node.whisper(peer, 'hello')
    for event in node.events():
        if isinstance(event, zre.Whisper):
            break
if child:
    assert os.waitpid(child, 0)[1] == 0
    say('met')
"""
    )
    assert (out, err) == ("met\n", "")


@unix
def test_processes_of_multiprocessing_that_are_spawned_have_nodes(tmp_path, python, port):
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, sys
import zre

def child(settings):
    with zre.blocking.Node('child', **settings) as node:
        node.wait_for_peers()
        node.whisper('parent', 'hello')

if __name__ == '__main__':
    settings = dict(interface='lo', beacon_port=int(sys.argv[1]), interval=0.1, ipc='off')
    with zre.blocking.Node('parent', **settings) as node:
        process = multiprocessing.get_context('spawn').Process(target=child, args=(settings,))
        process.start()
        for event in node.events():
            if isinstance(event, zre.Whisper):
                print(event.peer.name, event.message.text)
                break
        process.join()
        assert process.exitcode == 0
"""
    )
    process = python(program, port)
    out, err = process.communicate(timeout=DEADLINE)
    assert (out, process.returncode) == ("child hello\n", 0), err


@unix
@pytest.mark.skipif(sys.version_info < (3, 12), reason="older ones share modules unasked")
def test_subinterpreters_refuse_the_package(run):
    out, err = run(
        """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
name = interpreters.create()
result = interpreters.run_string(name, 'import zre')
say(result.type.__name__ if result else None, result.msg if result else None)
"""
    )
    assert "ImportError" in out + err and "interpreter" in out + err


def test_logs_go_to_logging_with_the_names_of_nodes(settings, caplog):
    caplog.set_level(logging.DEBUG, logger="zre")
    with zre.blocking.Node("alice", **settings), zre.blocking.Node("bob", **settings) as bob:
        bob.wait_for_peers()
    text = [record for record in caplog.records if record.name.startswith("zre.")]
    assert any("alice" in one.getMessage() and one.levelname == "DEBUG" for one in text)
    assert {one.name for one in text} <= {
        f"zre.{part}" for part in ["node", "session", "beacon", "proto", "curve", "zmtp"]
    }
    count = len(caplog.records)
    caplog.set_level(logging.CRITICAL, logger="zre")
    with zre.blocking.Node("alice", **settings):
        logging.getLogger("zre").setLevel(logging.DEBUG)
        zre.blocking.Node("x", **settings)
    logging.getLogger("zre").setLevel(logging.CRITICAL)
    zre.update_log_level()
    assert count > 0


def test_handlers_of_logging_may_use_nodes(settings):
    """A handler that sends what is logged is used on the thread of the log."""

    class Sender(logging.Handler):
        def emit(self, record):
            node.try_shout("log", record.getMessage())

    logger = logging.getLogger("zre")
    handler = Sender()
    with zre.blocking.Node("n", **settings) as node:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            with zre.blocking.Node("m", **settings) as other:
                other.wait_for_peers()
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
    zre.update_log_level()


def test_the_interpreter_is_free_while_a_node_waits(settings):
    with zre.blocking.Node("n", **settings) as node:
        thread = threading.Thread(target=lambda: list(node.events()))
        thread.start()
        # With the lock held, these would take half a second of waiting each.
        started = time.monotonic()
        for _ in range(1000):
            node.peers()
        assert time.monotonic() - started < DEADLINE
        node.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_an_event_loop_may_run_a_blocking_node_in_a_thread(settings):
    async def main():
        with zre.blocking.Node("n", **settings) as node:
            loop = asyncio.get_running_loop()
            with pytest.raises(zre.ElapsedError):
                await loop.run_in_executor(None, node.recv, 0.01)

    asyncio.run(main())
