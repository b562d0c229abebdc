"""What the suites need: our binary, a virtual environment, a node_modules.

Everything made here is kept below the build directory, and made once.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON_PACKAGES = ["zeromq-pyre==0.3.4", "pyzmq>=26,<28"]
NODE_PACKAGES = ["zyre.js@1.3.0"]


class Unavailable(Exception):
    """Something is missing, and the message says what to install."""


def _run(command, what, **options):
    """Runs a step of the preparation; its output shows only when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **options
    )
    if done.returncode != 0:
        tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-12:]
        raise Unavailable("%s failed:\n    %s" % (what, "\n    ".join(tail)))


def _metadata():
    text = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return json.loads(text)


def cache():
    """The directory for what is fetched: git ignores it, `cargo clean` removes it."""
    directory = pathlib.Path(_metadata()["target_directory"]) / "interop"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def program(name):
    """Builds a program of this workspace and gives its path."""
    command = ["cargo", "build", "--workspace", "--bin", name, "--message-format", "json"]
    built = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=False)
    for line in built.stdout.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("executable") and message.get("target", {}).get("name") == name:
            return message["executable"]
    raise SystemExit("%s could not be built; see `cargo build --bin %s`" % (name, name))


def _fresh(directory, packages):
    """Whether `directory` was completed for just these packages."""
    mark = directory / "complete"
    return mark.exists() and mark.read_text() == "\n".join(packages)


def _complete(directory, packages):
    (directory / "complete").write_text("\n".join(packages))


def python(directory):
    """A python that has pyre and pyzmq."""
    home = directory / "python"
    interpreter = home / "bin" / "python"
    if not _fresh(home, PYTHON_PACKAGES):
        shutil.rmtree(home, ignore_errors=True)
        _run([sys.executable, "-m", "venv", home], "python3 -m venv (package python3-venv)")
        _run(
            [interpreter, "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES],
            "pip install " + " ".join(PYTHON_PACKAGES),
        )
        _complete(home, PYTHON_PACKAGES)
    return str(interpreter)


def node_modules(directory):
    """A node_modules that has zyre.js, its zeromq built against the system's libzmq."""
    home = directory / "node"
    modules = home / "node_modules"
    if not _fresh(home, NODE_PACKAGES):
        for tool in ("node", "npm", "pkg-config", "c++"):
            if shutil.which(tool) is None:
                raise Unavailable("the command `%s` is missing" % tool)
        if subprocess.run(["pkg-config", "--exists", "libzmq"], check=False).returncode != 0:
            raise Unavailable("libzmq's headers are missing (package libzmq3-dev)")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text('{"private": true}\n')
        # zyre.js asks for a zeromq whose own install step downloads binaries of
        # old node versions; it is built here instead.
        _run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES],
            "npm install " + " ".join(NODE_PACKAGES),
            cwd=home,
        )
        _run(
            ["npx", "--yes", "node-gyp", "rebuild", *_headers(), "--", "-Dzmq_external=true"],
            "building zyre.js's zeromq",
            cwd=modules / "zeromq",
            env=dict(os.environ, npm_config_zmq_external="true"),
        )
        _complete(home, NODE_PACKAGES)
    return str(modules)


def _headers():
    """Where node's own headers are installed; without them node-gyp fetches a copy."""
    executable = pathlib.Path(shutil.which("node")).resolve()
    prefix = executable.parent.parent
    if (prefix / "include" / "node" / "node.h").exists():
        return ["--nodedir=%s" % prefix]
    return []
