"""A distributor of work: python broker.py [NAME] [SETTING=VALUE ...]

With a name it is a worker, which squares numbers. Without one it is the broker, which
gives numbers to workers that are ready, and ends when it has all results.
"""

import asyncio
import sys

import zre

JOBS = 20


async def worker(name: str, **settings: str) -> None:
    async with zre.Node(name, group="workers", **settings) as node:
        async for event in node.events():
            match event:
                case zre.Whisper(peer, message) if (message.text or "").isdecimal():
                    await node.set_state("busy")
                    await asyncio.sleep(0.05)
                    result = str(int(message.text) ** 2)
                    try:
                        await node.whisper(peer, result)
                    except zre.SendError as error:
                        print(f"{peer} doesn't get the result: {error}")
                    await node.set_state("ready")
                case zre.Whisper(peer):
                    print(f"{peer} sent something that isn't a job", flush=True)


async def broker(**settings: str) -> None:
    jobs = list(range(1, JOBS + 1))
    given: dict[zre.Peer, int] = {}
    async with zre.Node("broker", **settings) as node:
        events = node.events()
        while jobs or given:
            for peer in node.available("workers"):
                if jobs and peer not in given:
                    try:
                        await node.whisper(peer, str(jobs[-1]))
                    except zre.SendError:
                        continue
                    given[peer] = jobs.pop()
            match await anext(events):
                case zre.Whisper(peer, message) if peer in given:
                    print(f"{given.pop(peer)} gave {message.text} ({peer})", flush=True)
                case zre.Exit(peer) if peer in given:
                    # Another worker does it.
                    jobs.append(given.pop(peer))
    print("all jobs are done")


names = [word for word in sys.argv[1:] if "=" not in word]
settings = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
try:
    asyncio.run(worker(names[0], **settings) if names else broker(**settings))
except KeyboardInterrupt:
    pass
