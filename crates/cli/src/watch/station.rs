//! The node that is watched: one of its own, or a running one.

use std::path::Path;

use zre::json::{self, Command, Line};
use zre::{Builder, Events, Node};

use crate::commands::carry_out;
use crate::control::Remote;
use crate::failure::Failure;

/// Takes commands.
#[derive(Debug)]
pub(crate) enum Station {
    Own(Node),
    Running(Remote),
}

/// Gives the events.
#[derive(Debug)]
pub(crate) enum Feed {
    Own(Events),
    Running(Remote),
}

impl Station {
    /// Starts a node, or connects to a running one.
    ///
    /// # Errors
    /// The node doesn't start, or no node listens there.
    pub(crate) async fn open(
        builder: Builder,
        control: Option<&Path>,
    ) -> Result<(Self, Feed), Failure> {
        let Some(path) = control else {
            let (node, events) = builder.start().await?;
            return Ok((Self::Own(node), Feed::Own(events)));
        };
        let mut feed = Remote::connect(path).await?;
        feed.ask(&Command::Watch {}).await?;
        let station = Remote::connect(path).await?;
        Ok((Self::Running(station), Feed::Running(feed)))
    }

    /// Whether the node ends with the command.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Has a command carried out and returns the answer.
    ///
    /// # Errors
    /// The reason why it can't be carried out, as a sentence.
    pub(crate) async fn ask(&mut self, command: Command) -> Result<Line, String> {
        match self {
            Self::Own(node) => match carry_out(node, command).await {
                Line::Error { message, .. } => Err(message),
                answer => Ok(answer),
            },
            Self::Running(remote) => {
                let answer = remote.ask(&command).await;
                answer.map_err(|error| error.to_string())
            }
        }
    }

    /// The node itself.
    ///
    /// # Errors
    /// The reason for a missing answer.
    pub(crate) async fn own(&mut self) -> Result<json::Node, String> {
        match self.ask(Command::Node {}).await? {
            Line::Node(own) => Ok(own),
            _ => Err("the node doesn't say who it is".into()),
        }
    }

    /// Leaves properly with the command's own node; a running one runs on.
    pub(crate) async fn leave(&self) {
        if let Self::Own(node) = self {
            node.shutdown().await;
        }
    }
}

impl Feed {
    /// The next line; `None` once the node has ended.
    ///
    /// # Errors
    /// The line of a running node can't be read.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        match self {
            Self::Own(events) => {
                let event = events.recv().await;
                Ok(event.map(|event| Line::Event((&event).into())))
            }
            Self::Running(remote) => match remote.next().await? {
                Line::Stopped => Ok(None),
                line => Ok(Some(line)),
            },
        }
    }
}
