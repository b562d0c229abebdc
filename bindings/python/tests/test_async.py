"""Nodes for asyncio."""

import asyncio
import gc
import sys
import threading
import time

import pytest
import zre
from conftest import DEADLINE

try:
    import uvloop
except ImportError:
    uvloop = None


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop that polls no descriptors, like that of Windows."""

    def add_reader(self, *_):
        raise NotImplementedError

    remove_reader = add_reader


LOOPS = [asyncio.SelectorEventLoop, WithoutReaders]
if uvloop is not None:
    LOOPS.append(uvloop.new_event_loop)


def run(main, loop=asyncio.SelectorEventLoop):
    """asyncio.run on that loop, with a time limit and every complaint an error."""
    loop = loop()
    complaints = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        result = loop.run_until_complete(asyncio.wait_for(main, DEADLINE))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    gc.collect()
    assert complaints == []
    return result


async def until(events, kind):
    while True:
        event = await events.__anext__()
        if isinstance(event, kind):
            return event


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_they_meet_and_talk(settings, loop):
    async def main():
        async with (
            zre.Node("alice", **settings) as alice,
            zre.Node("bob", group="chat", **settings) as bob,
        ):
            (peer,) = await alice.wait_for_peers(1, group="chat")
            events = bob.events()
            assert (await until(events, zre.Enter)).peer.name == "alice"
            for content in (b"x", "text", ["a", b"b"], b"z" * (1 << 20)):
                await alice.whisper(peer, content)
                assert (await until(events, zre.Whisper)).message == content
                assert await alice.shout("chat", content) == (1, [], [])
                shout = await until(events, zre.Shout)
                assert (shout.message, shout.group) == (content, "chat")
            await alice.shout_to(peer, "chat", "only you")
            assert (await until(events, zre.Shout)).message == "only you"
            assert await alice.join("room") and not await alice.join("room")
            assert await alice.leave("room")
            await alice.set_state("busy")
            assert (await until(events, zre.State)).new == "busy"
            assert await alice.set_name("alicia")
            assert (await until(events, zre.Update)).peer.name == "alicia"
            assert await alice.set_header("a", "b") and await alice.remove_header("a")
            assert await bob.contest("chat")
            assert await bob.leader("chat") in (None, bob.uuid)
            await alice.add_peer("tcp://127.0.0.1:1")
            await alice.remove_peer("tcp://127.0.0.1:1")
            assert 0 < await alice.ping("bob") < DEADLINE
            assert (await alice.stats())["peers"] == 1 and await alice.silences() == {}
            await alice.close()
            assert (await until(events, zre.Exit)).reason == "goodbye"
            for call in (alice.join("x"), alice.whisper("bob", "x"), alice.ping("bob")):
                with pytest.raises(zre.StoppedError):
                    await call
            assert await alice.recv() is not None  # bob's Enter
            async for event in alice.events():
                assert isinstance(event, (zre.Join, zre.Exit, zre.Update, zre.State))
            assert await alice.recv() is None

    run(main(), loop)


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_requests_and_errors(settings, loop):
    async def main():
        async with zre.Node("alice", **settings) as alice, zre.Node("bob", **settings) as bob:
            await alice.wait_for_peers(1)

            async def answer():
                async for event in bob.events():
                    if isinstance(event, zre.Request):
                        if event.message == "no":
                            event.responder.decline()
                        elif event.message != "later":
                            await bob.reply(event, [event.message.text, "!"])

            answering = asyncio.create_task(answer())
            answers = await asyncio.gather(*(alice.request("bob", str(n)) for n in range(100)))
            assert [answer[0] for answer in answers] == [str(n).encode() for n in range(100)]
            with pytest.raises(zre.UnansweredError):
                await alice.request("bob", "no")
            with pytest.raises(zre.ElapsedError):
                await alice.request("bob", "later", timeout=0.05)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(alice.request("bob", "later"), 0.05)
            with pytest.raises(zre.UnknownPeerError):
                await alice.whisper("carol", "?")
            with pytest.raises(zre.LimitError):
                await alice.join("")
            assert (await alice.stats())["requests"] == 0, "what is cancelled waits no more"
            answering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await answering

    run(main(), loop)


def test_cancelled_readers_lose_no_event(settings):
    async def main():
        async with zre.Node("alice", **settings) as alice, zre.Node("bob", **settings) as bob:
            await alice.wait_for_peers(1)
            seen = []
            sent = 0
            while len(seen) < 200:
                if sent < 200:
                    await alice.whisper("bob", str(sent))
                    sent += 1
                reader = asyncio.ensure_future(bob.recv())
                await asyncio.sleep(0)
                if sent % 2:
                    reader.cancel()
                try:
                    event = await reader
                except asyncio.CancelledError:
                    continue
                if isinstance(event, zre.Whisper):
                    seen.append(int(event.message.text))
            assert seen == list(range(200))

    run(main())


def test_a_flood_lets_other_tasks_run(settings):
    async def main():
        async with zre.Node("alice", **settings) as alice, zre.Node("bob", **settings) as bob:
            await alice.wait_for_peers(1)
            turns = 0

            async def other():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            for _ in range(5000):
                await alice.whisper("bob", "x")
            assert turns > 50, "while it sends"
            turns = count = 0
            async for event in bob.events():
                count += isinstance(event, zre.Whisper)
                if count == 5000:
                    break
            assert turns > 50, "while it reads"
            task.cancel()

    run(main())


def test_what_waits_ends_when_the_node_is_closed(settings):
    async def main():
        async with zre.Node("alice", **settings) as alice, zre.Node("bob", **settings) as bob:
            await alice.wait_for_peers(1)

            async def read():
                return [type(event) async for event in alice.events()]

            reader = asyncio.create_task(read())
            request = asyncio.create_task(alice.request("bob", "?"))
            peers = asyncio.create_task(alice.wait_for_peers(5, timeout=DEADLINE))
            while not isinstance(await bob.recv(), zre.Request):
                pass
            await alice.close()
            with pytest.raises(zre.Error):
                await request
            with pytest.raises(zre.StoppedError):
                await peers
            assert (await reader)[0] is zre.Enter

    run(main())


def test_a_full_queue_is_waited_for(settings):
    async def main():
        small = {"queue_bytes_per_peer": "64K"}
        async with (
            zre.Node("alice", link_limits=small, **settings) as alice,
            zre.Node("bob", event_queue_bytes=1, group="g", **settings) as bob,
        ):
            await alice.wait_for_peers(1, group="g")

            async def send():
                for number in range(300):
                    await alice.whisper("bob", str(number).ljust(1000))
                for number in range(300):
                    assert (await alice.shout("g", str(number).ljust(1000))).accepted == 1

            sending = asyncio.create_task(send())
            await asyncio.sleep(0.1)
            assert not sending.done()
            seen = []
            async for event in bob.events():
                if isinstance(event, (zre.Whisper, zre.Shout)):
                    seen.append(int(event.message.text))
                    if len(seen) == 600:
                        break
            assert seen == list(range(300)) * 2
            await sending

    run(main())


def test_a_node_that_cannot_start_leaves_nothing(settings):
    async def main():
        for _ in range(3):
            with pytest.raises(zre.StartError, match="must be longer"):
                await zre.Node("n", expired=1, evasive=2, **settings).start()
        node = zre.Node("n", **settings)
        with pytest.raises(zre.NotStartedError):
            await node.whisper("x", "y")
        starting = asyncio.ensure_future(node.start())
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await node.close()

    threads = threading.active_count()
    run(main())
    assert threading.active_count() == threads


def test_closing_can_be_cancelled(settings):
    async def main():
        node = await zre.Node("n", **settings).start()
        async with zre.Node("deaf", event_queue_bytes=1, auto_busy=True, **settings) as deaf:
            (peer,) = await node.wait_for_peers(1)
            # From then on it reads nothing, and confirms nothing.
            while peer.state != "busy":
                await asyncio.sleep(0.01)
            await node.whisper(peer, "?")
            started = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(node.close(timeout=DEADLINE), 0.2)
            assert time.monotonic() - started < DEADLINE / 2
            await deaf.close(timeout=0)
        assert not node._native.is_open
        await node.close()

    run(main())


def test_an_exception_in_the_block_closes_the_node(settings):
    async def main():
        with pytest.raises(KeyError):
            async with zre.Node("n", **settings) as node:
                raise KeyError("the program's own")
        assert not node._native.is_open

    run(main())


def test_a_node_belongs_to_its_loop(settings):
    async def start():
        return await zre.Node("n", **settings).start()

    loop = asyncio.new_event_loop()
    node = loop.run_until_complete(start())

    async def elsewhere():
        with pytest.raises(RuntimeError, match="another event loop"):
            await node.join("x")
        with pytest.raises(RuntimeError, match="another event loop"):
            await node.recv()

    run(elsewhere())
    loop.run_until_complete(node.close())
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup")
def test_task_groups(settings):
    async def main():
        async with zre.Node("alice", **settings) as alice, zre.Node("bob", **settings):
            await alice.wait_for_peers(1)
            async with asyncio.TaskGroup() as group:
                pings = [group.create_task(alice.ping("bob")) for _ in range(10)]
            assert all(ping.result() > 0 for ping in pings)

    run(main())
