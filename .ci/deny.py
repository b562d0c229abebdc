#!/usr/bin/env python3
"""Checks the dependency tree against deny.toml: licences, forbidden crates, sources.

Does the part of `cargo deny --all-features check bans licenses sources` that this
repository uses, because cargo-deny itself takes minutes to compile. Prints what is
wrong and exits with 1.
"""

import json
import re
import subprocess
import sys
import tomllib


def allowed(expression, licences):
    """Whether the allowed licences satisfy an SPDX expression."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)

    def either():
        found = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            found = both() or found
        return found

    def both():
        found = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            found = one() and found
        return found

    def one():
        name = tokens.pop(0)
        if name == "(":
            found = either()
            if tokens.pop(0) != ")":
                raise ValueError(expression)
            return found
        if tokens and tokens[0] == "WITH":
            name = " ".join((name, tokens.pop(0), tokens.pop(0)))
        return name in licences

    found = either()
    if tokens:
        raise ValueError(expression)
    return found


def check(manifest, rules):
    """The number of packages that a lock file holds, and what is wrong with them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    command += ["--manifest-path", manifest]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    names = {package["id"]: package["name"] for package in found["packages"]}
    users = {}
    for node in found["resolve"]["nodes"]:
        for dependency in node["deps"]:
            users.setdefault(names[dependency["pkg"]], set()).add(names[node["id"]])

    wrong = []
    licences = set(rules["licenses"]["allow"])
    exceptions = {one["crate"]: set(one["allow"]) for one in rules["licenses"].get("exceptions", [])}
    for package in found["packages"]:
        name = f"{package['name']} {package['version']}"
        excepted = licences | exceptions.get(package["name"], set())
        if not allowed(package["license"] or "none", excepted):
            wrong.append(f"{name}: its licence, {package['license']}, isn't among those allowed")
        if package["source"] not in (None, "registry+https://github.com/rust-lang/crates.io-index"):
            wrong.append(f"{name} comes from {package['source']}")
        for dependency in package["dependencies"]:
            if dependency["req"] == "*" and not dependency.get("path"):
                wrong.append(f"{name} takes any version of {dependency['name']}")
    for ban in rules["bans"]["deny"]:
        for user in users.get(ban["name"], set()) - set(ban.get("wrappers", [])):
            wrong.append(f"{user} uses {ban['name']}: {ban['reason']}")
    return len(found["packages"]), wrong


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    failed = False
    # The second isn't compiled by any check, and what it brings is looked at nevertheless.
    for manifest in ("Cargo.toml", "benches/zenoh/Cargo.toml"):
        packages, wrong = check(manifest, rules)
        for line in wrong:
            print(line, file=sys.stderr)
        print(f"{manifest}: {packages} packages, {len(wrong)} wrong")
        failed |= bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
