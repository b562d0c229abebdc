//! The `zre` command as its users run it: real processes, on loopback only.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers report failure to the test that runs them, by panicking"
)]

mod chat;
mod child;
#[cfg(target_os = "linux")]
mod doctor;
mod ending;
#[cfg(target_os = "linux")]
mod hosts;
mod json;
mod listen;
mod options;
#[cfg(unix)]
mod plain;
mod visit;
