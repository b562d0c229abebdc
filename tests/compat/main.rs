//! `libzyre.so.2` (compat/zyre) as C Zyre's programs see it: `zyre.c` calls every function,
//! plainly and under valgrind, built against what `make install` installs.
//!
//! If ZYRE_BUILD names a directory with C Zyre's own programs, they run with this library, too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use zre_tests::c::{cc, have, install, pkg_config, run, valgrind};
use zre_tests::{beacon_port, skip};

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../compat/zyre");

/// Why the library can't be built here, if so.
fn missing() -> Option<&'static str> {
    if !have(&["cc", "make", "pkg-config"]) {
        return Some("cc, make or pkg-config is missing");
    }
    let czmq = Command::new("pkg-config")
        .args(["--exists", "libczmq"])
        .status();
    match czmq {
        Ok(found) if found.success() => None,
        _ => Some("libczmq-dev is missing"),
    }
}

/// The library, installed below this directory, once.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zyre");
        let out = format!("OUT={}", prefix.join("built").display());
        install(Path::new(SHIM), &prefix, &[out]);
        prefix
    })
}

/// Compiles the program against it.
fn program(directory: &TempDir) -> PathBuf {
    let program = directory.path().join("zyre");
    let prefix = installed();
    run(cc()
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/compat/zyre.c"))
        .args(pkg_config(prefix, &["--cflags", "--libs", "libzyre"]))
        .arg("-lzmq")
        .arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()))
        .arg("-o")
        .arg(&program));
    program
}

#[test]
fn every_function_works() {
    if let Some(why) = missing() {
        skip!("{why}");
    }
    let directory = TempDir::new().unwrap();
    run(Command::new(program(&directory)).env("ZRE_TEST_PORT", beacon_port().to_string()));
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if let Some(why) = missing() {
        skip!("{why}");
    }
    if !have(&["valgrind"]) {
        skip!("there is no valgrind");
    }
    let directory = TempDir::new().unwrap();
    run(valgrind()
        .arg(program(&directory))
        .env("ZRE_TEST_PORT", beacon_port().to_string()));
}

#[test]
fn exactly_the_functions_of_c_zyre_are_exported() {
    if let Some(why) = missing() {
        skip!("{why}");
    }
    let library = installed().join("lib/libzyre.so.2");
    let symbols = run(Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(&library));
    let exported: BTreeSet<&str> = symbols.lines().collect();
    let headers = ["zyre.h", "zyre_event.h"];
    let text = headers.map(|name| std::fs::read_to_string(format!("{SHIM}/include/{name}")));
    let text = text.map(Result::unwrap).concat();
    let declared: BTreeSet<&str> = text
        .match_indices("zyre_")
        .filter_map(|(at, _)| text[at..].split_once(" ("))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .filter(|name| *name != "zyre_dump")
        .collect();
    assert_eq!(exported, declared);
    assert_eq!(exported.len(), 57);
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("[libzyre.so.2]"), "{dynamic}");
}

/// C Zyre's own programs, which were compiled against its own library. They are nowhere in
/// this repository, therefore it is ignored unless somebody has them.
#[test]
#[ignore = "ZYRE_BUILD has to name a directory with C Zyre's programs"]
fn programs_of_c_zyre_run_unchanged() {
    let built = std::env::var_os("ZYRE_BUILD").map(PathBuf::from);
    let built = built.expect("ZYRE_BUILD names a directory with C Zyre's programs");
    let library = installed().join("lib");
    let command = |name: &str| {
        let mut command = Command::new(built.join(name));
        command
            .env("LD_LIBRARY_PATH", &library)
            .env("ZSYS_INTERFACE", "lo");
        command
    };
    let text = run(command("ztester_gossip").args(["4", "20"]));
    assert!(text.contains("started node"), "{text}");
    let mut remote = command("perf_remote").arg("3").spawn().unwrap();
    let text = run(command("perf_local").args(["3", "300"]));
    remote.kill().unwrap();
    remote.wait().unwrap();
    assert!(text.contains("GROUP message"), "{text}");
}
