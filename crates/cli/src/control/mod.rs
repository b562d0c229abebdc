//! A unix socket by which other programs control a running node.
//!
//! Each line is a command, as `zre node --json` reads it from standard input, and
//! gets one line as an answer. [`server`] is the node's side, [`client`] the other
//! side, [`socket`] the file, and [`lines`] the reader that both sides use.

use std::path::PathBuf;

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod lines;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod socket;
#[cfg(not(unix))]
mod unsupported;

#[cfg(unix)]
pub(crate) use client::Remote;
#[cfg(unix)]
pub(crate) use server::Server;
#[cfg(not(unix))]
pub(crate) use unsupported::{Remote, Server};

/// Why the control socket can't be used.
#[cfg_attr(
    not(unix),
    expect(dead_code, reason = "this system has no unix sockets")
)]
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("a node already listens at {0:?}: end it, or name another path")]
    Live(PathBuf),
    #[error("{0:?} exists and isn't a socket: name another path")]
    Taken(PathBuf),
    #[error("{path:?} can't be used as a socket: {source}")]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("no node listens at {path:?} ({source}): start one with zre node --control {path:?}")]
    Nobody {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the node at {0:?} has ended")]
    Ended(PathBuf),
    #[error(
        "the answer of the node at {path:?} can't be read: {why}; is it a zre of this version?"
    )]
    Malformed { path: PathBuf, why: String },
    #[error("unexpected answer from the node: is it a zre of this version? {0}")]
    Unexpected(String),
    #[error("the node answers: {message}")]
    Refused { message: String, code: String },
    #[cfg(not(unix))]
    #[error("--control needs unix sockets, which this system doesn't have")]
    Unsupported,
}
