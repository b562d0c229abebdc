//! Why keys can't be had.

use std::io;
use std::path::PathBuf;

use crate::PublicKey;

/// Keys can't be read, written or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A text isn't a key.
    #[error("not a key: a key is 40 characters of Z85, as `zre keygen` and czmq write them")]
    Z85,
    /// A file can't be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A secret key is open to others.
    #[error(
        "{path}: others may read this secret key (mode {mode:03o}): make it yours alone (`chmod 600`), and a new key if somebody may have read it",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file would be overwritten.
    #[error("{path} is there already: name another file, or remove it if nobody needs its key", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file isn't a certificate.
    #[error("{path}: line {line}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file lacks a key.
    #[error("{path} has no {what}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key that it lacks.
        what: &'static str,
    },
    /// The two keys of a file are of two pairs.
    #[error("{path}: its public key isn't that of its secret key, which is {public}", path = path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The public key that belongs to the secret one.
        public: PublicKey,
    },
    /// The system has no random bytes.
    #[error("the system has no random bytes for a new key")]
    Random,
}
