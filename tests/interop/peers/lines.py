"""What all peers share: JSON lines, and how frames and options stand in them."""

import base64
import json
import sys


def emit(event, **fields):
    sys.stdout.write(json.dumps(dict(event=event, **fields)) + "\n")
    sys.stdout.flush()


def shown(frame):
    try:
        return frame.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(frame).decode()}


def meant(frame):
    return base64.b64decode(frame["base64"]) if isinstance(frame, dict) else frame.encode()


def options(arguments):
    """The headers and groups of `[--header key=value].. [--group GROUP]..`."""
    headers, groups = [], []
    words = iter(arguments)
    for word in words:
        if word == "--header":
            headers.append(next(words).split("=", 1))
        elif word == "--group":
            groups.append(next(words))
        else:
            raise SystemExit("unknown option " + word)
    return headers, groups
