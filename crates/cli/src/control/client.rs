//! The client's side of the socket.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use zre::json::{Command, Line as Answer};

use super::ControlError;
use super::lines::LineReader;
use crate::input::Line;
use crate::json;

/// A connection to the socket of a running node.
#[derive(Debug)]
pub(crate) struct Remote {
    path: PathBuf,
    input: LineReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Remote {
    /// # Errors
    /// No node listens at this path.
    pub(crate) async fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|source| ControlError::Nobody {
            path: path.to_owned(),
            source,
        })?;
        let (input, output) = stream.into_split();
        Ok(Self {
            path: path.to_owned(),
            input: LineReader::new(input),
            output,
        })
    }

    /// Sends a command and returns the answer. After `Watch`, answers and events are
    /// mixed: read them by [`next`](Self::next).
    ///
    /// # Errors
    /// The node can't carry out the command, or has ended.
    pub(crate) async fn ask(&mut self, command: &Command) -> Result<Answer, ControlError> {
        self.send(command).await?;
        match self.next().await? {
            Answer::Error { message, code } => Err(ControlError::Refused { message, code }),
            answer => Ok(answer),
        }
    }

    /// Sends a command whose answer comes by [`next`](Self::next).
    ///
    /// # Errors
    /// The node takes no commands of this client, or has ended.
    pub(crate) async fn send(&mut self, command: &Command) -> Result<(), ControlError> {
        let mut line = Vec::new();
        json::line(command, &mut line);
        if self.output.write_all(&line).await.is_ok() {
            return Ok(());
        }
        // It may have said why before it closed the connection.
        match self.next().await? {
            Answer::Error { message, code } => Err(ControlError::Refused { message, code }),
            _ => Err(ControlError::Ended(self.path.clone())),
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// The node has ended, or its line isn't in the format of this version.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Answer, ControlError> {
        let malformed = |why: String| ControlError::Malformed {
            path: self.path.clone(),
            why,
        };
        match self.input.next().await {
            None => Err(ControlError::Ended(self.path.clone())),
            Some(Line::Unreadable(why)) => Err(malformed(why.into())),
            Some(Line::Text(text)) => {
                serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))
            }
        }
    }
}
