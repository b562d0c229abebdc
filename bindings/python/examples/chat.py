"""A chat: python chat.py NAME [SETTING=VALUE ...]

Type a line and everybody in the chat reads it. It talks to the chats of the other
languages, too.
"""

import asyncio
import sys
import threading

import zre


def lines(loop: asyncio.AbstractEventLoop) -> "asyncio.Queue[str | None]":
    """The lines of standard input, then None. A thread reads them: nothing can interrupt
    a read."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return queue


async def listen(node: zre.Node) -> None:
    async for event in node.events():
        match event:
            case zre.Join(peer, "chat"):
                print(f"* {peer} is here", flush=True)
            case zre.Exit(peer, reason):
                print(f"* {peer} has gone: {reason}", flush=True)
            case zre.Shout(peer, "chat", message):
                print(f"{peer}: {message.text or '(no text)'}", flush=True)


async def main(name: str, **settings: str) -> None:
    async with zre.Node(name, group="chat", **settings) as node:
        listener = asyncio.create_task(listen(node))
        typed = lines(asyncio.get_running_loop())
        while (line := await typed.get()) is not None:
            shouted = await node.shout("chat", line)
            print(f"* {shouted.accepted} heard that", flush=True)
        listener.cancel()


if len(sys.argv) < 2:
    sys.exit("say your name")
try:
    asyncio.run(main(sys.argv[1], **dict(one.split("=", 1) for one in sys.argv[2:])))
except KeyboardInterrupt:
    pass
