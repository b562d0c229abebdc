//! The `zre` command as its users run it: real processes, on loopback only.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers report failure to the test that runs them, by panicking, and say what they skip"
)]

mod bench;
mod chat;
mod child;
mod config;
#[cfg(unix)]
mod control;
#[cfg(target_os = "linux")]
mod doctor;
mod ending;
mod files;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(target_os = "linux")]
mod idle;
mod json;
mod keys;
mod listen;
mod options;
mod ping;
#[cfg(unix)]
mod plain;
mod quiet;
#[cfg(unix)]
mod terminal;
mod visit;
mod watch;
