//! Why a command fails: in words for people, as a line for scripts.

use std::error::Error;
use std::time::Duration;

use zre::json::Line;
use zre::{SendError, StartError};

use crate::control::ControlError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("can't start a thread or catch signals: {0}")]
    System(std::io::Error),
    #[error("the node has failed: please report it, with a log of ZRE_LOG=debug")]
    Died,
    #[error("the node has ended")]
    Ended,
    #[error("can't write to standard output: {0}")]
    Output(std::io::Error),
    #[error("ended by a second signal; peers will notice by themselves")]
    Hurried,
    #[error("the program that reads standard output takes no more: the end was cut off")]
    Unread,
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    Usage(String),
    #[error("can't hear beacons: {0}")]
    Beacons(#[from] zre_beacon::OpenError),
    /// No chosen interface can be used now.
    #[error("no usable interface: {}", .0.join("; "))]
    Interfaces(Vec<String>),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("standard input: {0}")]
    Input(&'static str),
    #[error("no message to send: name words, or write lines to standard input")]
    NoMessage,
    #[error(
        "nobody came in {0:?}: `zre doctor` finds out why, and `zre listen` shows the beacons that arrive"
    )]
    Nobody(Duration),
    #[error("that node has no peers: `zre doctor` finds out why")]
    Alone,
    #[error("only {found} of {wanted} peers were here in time")]
    Few { found: usize, wanted: usize },
    #[error("no peer {peer:?} came in {wait:?}: `zre peers` lists those that are here")]
    Absent { peer: String, wait: Duration },
    #[error("no peer {peer:?} is with that node: `zre peers` lists those that are")]
    Unknown { peer: String },
    #[error("nobody is in the group {0:?}: `zre groups` lists those that there are")]
    Empty(String),
    #[error("not everything was confirmed before the end: it may not have been read")]
    Unconfirmed,
    /// What goes wrong in one command only, with a word for scripts.
    #[error("{error}")]
    Other {
        code: &'static str,
        error: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    pub(crate) fn other(code: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        let error = Box::new(error);
        Self::Other { code, error }
    }

    /// A word that stays the same in later versions.
    fn code(&self) -> &str {
        match self {
            Self::Start(error) => error.code(),
            Self::Send(error) => error.code(),
            Self::Control(ControlError::Refused { code, .. }) => code,
            Self::Control(_) => "control",
            Self::System(_) => "system",
            Self::Died => "died",
            Self::Ended => "stopped",
            Self::Output(_) | Self::Unread => "output",
            Self::Hurried | Self::Interrupted => "interrupted",
            Self::Usage(_) => "usage",
            Self::Beacons(_) | Self::Interfaces(_) => "beacon",
            Self::Input(_) | Self::NoMessage => "input",
            Self::Nobody(_) | Self::Alone => "nobody",
            Self::Few { .. } => "few",
            Self::Absent { .. } | Self::Unknown { .. } => "unknown_peer",
            Self::Empty(_) => "empty_group",
            Self::Unconfirmed => "unconfirmed",
            Self::Other { code, .. } => code,
        }
    }

    /// The line for scripts.
    pub(crate) fn line(&self) -> Line {
        Line::Error {
            message: self.to_string(),
            code: self.code().to_owned(),
        }
    }
}
