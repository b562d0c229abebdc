"""A network of sensors: python sensors.py [NAME] [SETTING=VALUE ...]

With a name it is a sensor, which publishes a reading each second. Without one it is the
dashboard. Start them in any order.
"""

import random
import sys
import time

import zre.blocking


def sensor(node: zre.blocking.Node) -> None:
    degrees = 20.0
    while True:
        degrees = min(25.0, max(15.0, degrees + random.uniform(-0.5, 0.5)))
        for peer in node.try_shout("readings", f"{degrees:.1f}").full:
            print(f"{peer} doesn't keep up", file=sys.stderr)
        time.sleep(1)


def dashboard(node: zre.blocking.Node) -> None:
    board = {}
    for event in node.events():
        match event:
            case zre.Shout(peer, "readings", message):
                board[peer.uuid] = f"{peer} {message.text or '?'} {peer.header('unit', '')}"
            case zre.Evasive(peer):
                board[peer.uuid] = f"{peer} doesn't answer"
            case zre.Exit(peer):
                if board.pop(peer.uuid, None) is None:
                    continue
            case _:
                continue
        print(" | ".join(sorted(board.values())), flush=True)


names = [word for word in sys.argv[1:] if "=" not in word]
settings = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
try:
    if names:
        # A sensor isn't in the group: it doesn't hear the others.
        with zre.blocking.Node(names[0], header={"unit": "°C"}, **settings) as node:
            sensor(node)
    else:
        with zre.blocking.Node("dashboard", group="readings", **settings) as node:
            dashboard(node)
except KeyboardInterrupt:
    pass
