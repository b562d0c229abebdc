//! libzre as C programs see it: `suite.c`, plainly and under valgrind, and the example,
//! built against what `make install` installs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use zre_tests::c::{cc, have, install, library, pkg_config, run, valgrind};
use zre_tests::{Program, beacon_port, ipc_directory, skip};

const CAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/capi");

/// Compiles the suite against the static library.
fn suite(directory: &TempDir) -> PathBuf {
    let program = directory.path().join("suite");
    run(cc()
        .arg(format!(
            "-DZRE_TEST_VERSION=\"{}\"",
            env!("CARGO_PKG_VERSION")
        ))
        .arg(format!("-I{CAPI}/include"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/capi/suite.c"))
        .arg(library("a"))
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program));
    program
}

#[test]
fn the_suite_passes() {
    if !have(&["cc"]) {
        skip!("there is no C compiler (cc)");
    }
    let directory = TempDir::new().unwrap();
    let suite = suite(&directory);
    run(Command::new(&suite).env("ZRE_TEST_PORT", beacon_port().to_string()));
    let (_sockets, path) = ipc_directory();
    run(Command::new(&suite)
        .arg("deaths")
        .env("ZRE_TEST_PORT", beacon_port().to_string())
        .env("ZRE_TEST_SOCKETS", path));
}

#[test]
fn the_log_goes_to_stderr_without_colours() {
    if !have(&["cc"]) {
        skip!("there is no C compiler (cc)");
    }
    let directory = TempDir::new().unwrap();
    let output = Command::new(suite(&directory))
        .arg("log")
        .env("ZRE_TEST_PORT", beacon_port().to_string())
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    assert!(log.contains("name=\"logger\""), "{log}");
    assert!(!log.contains('\x1b'), "{log}");
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if !have(&["cc", "valgrind"]) {
        skip!("there is no C compiler (cc), or no valgrind");
    }
    let directory = TempDir::new().unwrap();
    run(valgrind()
        .arg(suite(&directory))
        .env("ZRE_TEST_PORT", beacon_port().to_string()));
}

#[test]
fn the_example_runs_with_what_is_installed() {
    if !have(&["cc", "c++", "make", "pkg-config"]) {
        skip!("cc, c++, make or pkg-config is missing");
    }
    let directory = TempDir::new().unwrap();
    let prefix = directory.path().join("prefix");
    install(Path::new(CAPI), &prefix, &[]);
    let version = pkg_config(&prefix, &["--modversion", "zre"]);
    assert_eq!(version, [env!("CARGO_PKG_VERSION")]);
    let chat = directory.path().join("chat");
    run(cc()
        .arg(format!("{CAPI}/examples/chat.c"))
        .args(pkg_config(&prefix, &["--cflags", "--libs", "zre"]))
        .arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()))
        .arg("-o")
        .arg(&chat));
    run(Command::new("c++")
        .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"])
        .arg(prefix.join("include/zre.h")));

    let port = format!("beacon_port={}", beacon_port());
    let settings = ["interface=lo", "interval=100ms", "ipc=off", port.as_str()];
    let start = |name| Program::start(&chat, &[&[name][..], &settings].concat());
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    bob.line("alice comes", |line| line == "alice is here");
    alice.line("bob comes", |line| line == "bob is here");
    alice.say("hello");
    bob.line("alice says it", |line| line == "alice: hello");
    let (status, _) = alice.end_input();
    assert!(status.success());
    bob.line("alice goes", |line| line == "alice has gone: goodbye");
}
