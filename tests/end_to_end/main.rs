//! Nodes as their users run them: processes that find each other, talk, leave
//! and die. What a test needs and can't have is said, and skipped.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod commands;
mod descriptors;
mod discovery;
mod foreign;
mod hostile;
mod leaving;
mod links;
mod memory;
mod newcomers;
mod stopped;
mod stranger;
