//! A unix socket through which others speak with a running node.
//!
//! Each line is a command, as `zre node --json` reads it from standard input,
//! and is answered by one line. [`server`] is the node's side, [`client`] the
//! other, [`place`] the file, [`lines`] what both read.

use std::path::PathBuf;

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod lines;
#[cfg(not(unix))]
mod nowhere;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod server;

#[cfg(unix)]
pub(crate) use client::Remote;
#[cfg(not(unix))]
pub(crate) use nowhere::{Remote, Server};
#[cfg(unix)]
pub(crate) use server::Server;

/// Why nothing goes through a socket.
#[cfg_attr(not(unix), expect(dead_code, reason = "there is no socket there"))]
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("a node already listens at {0:?}: end it, or name another path")]
    Live(PathBuf),
    #[error("{0:?} is there and isn't a socket: it is left alone, name another path")]
    Taken(PathBuf),
    #[error("{path:?} can't become a socket: {source}")]
    Place {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("no node listens at {path:?} ({source}): start one by zre node --control {path:?}")]
    Nobody {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the node at {0:?} has ended")]
    Ended(PathBuf),
    #[error("the node at {path:?} can't be understood: {why}; is it a zre of this version?")]
    Strange { path: PathBuf, why: String },
    #[error("the node answers something else: is it a zre of this version? {0}")]
    Astray(String),
    #[error("the node answers: {message}")]
    Refused { message: String, code: String },
    #[cfg(not(unix))]
    #[error("--control needs unix sockets, which this system hasn't")]
    Nowhere,
}
