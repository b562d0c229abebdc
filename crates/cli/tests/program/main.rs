//! The `zre` command as its users run it: real processes, on loopback only.

mod chat;
mod child;
mod ending;
mod json;
mod options;
#[cfg(unix)]
mod plain;
