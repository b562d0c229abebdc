//! libzre as C programs see it: `suite.c`, plainly and under valgrind, and the example,
//! built against what `make install` installs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use zre_tests::{Program, beacon_port, c_libraries, skip};

const CAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/capi");

/// One of the two libraries.
fn library(extension: &str) -> &'static Path {
    let mut files = c_libraries().iter();
    files
        .find(|file| file.extension() == Some(OsStr::new(extension)))
        .expect("both libraries are built")
}

/// Runs a command that has to succeed, and gives what it wrote to stdout.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

/// Whether a program is there.
fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// The C compiler, with the warnings that users have.
fn cc() -> Command {
    let mut command = Command::new("cc");
    command.args([
        "-std=c11",
        "-D_GNU_SOURCE",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    command
}

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
    if !has("cc") {
        skip!("there is no C compiler (cc)");
    }
    let directory = TempDir::new().unwrap();
    run(Command::new(suite(&directory)).env("ZRE_TEST_PORT", beacon_port().to_string()));
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if !has("cc") || !has("valgrind") {
        skip!("there is no C compiler (cc), or no valgrind");
    }
    let directory = TempDir::new().unwrap();
    run(Command::new("valgrind")
        .args(["--error-exitcode=9", "--leak-check=full"])
        .arg("--errors-for-leak-kinds=definite,indirect,possible")
        .arg("--show-leak-kinds=definite,indirect,possible")
        .arg(suite(&directory))
        .env("ZRE_TEST_PORT", beacon_port().to_string()));
}

#[test]
fn the_example_runs_with_what_is_installed() {
    if !has("cc") || !has("c++") || !has("make") || !has("pkg-config") {
        skip!("cc, c++, make or pkg-config is missing");
    }
    let directory = TempDir::new().unwrap();
    let prefix = directory.path().join("prefix");
    run(Command::new("make")
        .args(["-C", CAPI, "install", "BUILD=true"])
        .arg(format!(
            "BUILT={}",
            library("so").parent().unwrap().display()
        ))
        .arg(format!("PREFIX={}", prefix.display())));
    let pkg_config = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        let flags = run(command
            .args(arguments)
            .arg("zre")
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")));
        flags
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let chat = directory.path().join("chat");
    run(cc()
        .arg(format!("{CAPI}/examples/chat.c"))
        .args(pkg_config(&["--cflags", "--libs"]))
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
