//! What the end-to-end tests stand on: `zre node --json` as a child process,
//! hosts made of network namespaces, and a look at who is connected to whom.
//!
//! This library uses none of the crates under test: the tests see what a user's
//! script sees, and datagrams that a test forges are written byte by byte. (The
//! program `session_echo` does use one: it is what `interop/` talks to where
//! sessions are tested without a node.)
//!
//! - [`Node`] is one process; commands go in and events come out as JSON lines.
//! - [`c`] builds programs in C and runs them, also under valgrind.
//! - [`Program`] is any other process; lines go in and come out.
//! - [`books`] has nodes that number their messages, and settles who got which.
//! - [`Clock`] is a time of day that can be set for some processes.
//! - [`Network`] is some hosts on a bridge, without a link to anything outside.
//! - [`sockets`] reads from `/proc` which connections two processes share.
//! - [`together`] and [`alone`] keep what is timed apart from what is busy.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness reports failure to the test that runs it, by panicking"
)]

pub mod beacon;
mod binary;
pub mod books;
pub mod c;
mod clock;
mod event;
mod network;
mod node;
mod program;
pub mod sockets;
mod turns;

pub use binary::{example, python_library, simulator, zre};
pub use clock::Clock;
pub use event::Event;
pub use network::{Daemon, Host, Network};
pub use node::{DEADLINE, Node, Options};
pub use program::Program;
pub use turns::{alone, together};

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;

/// Ends a test that can't run here, with a clear word; where `CI` is `true` it
/// fails instead, so that nothing is skipped unseen.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::skipped(&format!($($why)*));
        return;
    }};
}

/// Says that a test is skipped; panics on CI. Use [`skip!`].
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
pub fn skipped(why: &str) {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!ci, "skipped on CI: {why}");
    eprintln!("skipped: {why}");
}

/// A UDP port for the beacons of one test: tests that run side by side don't
/// meet. Never gives the same port twice.
pub fn beacon_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let probe = UdpSocket::bind("127.0.0.1:0").expect("a UDP port on loopback");
        let port = probe.local_addr().expect("its number").port();
        let mut given = GIVEN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if given.insert(port) {
            return port;
        }
    }
}

/// A UUID that no other test uses, nor another run of the tests beside this one:
/// nodes of one UUID find each other's ipc sockets.
pub fn fresh_uuid() -> String {
    format!("{:016x}{:016x}", std::process::id(), beacon_port())
}

/// A place for ipc sockets that no other test knows; it goes with the
/// [`TempDir`]. The nodes create it themselves, closed to others.
pub fn ipc_directory() -> (TempDir, PathBuf) {
    let directory = TempDir::with_prefix("zre-").expect("a temporary directory");
    let path = directory.path().join("ipc");
    (directory, path)
}
