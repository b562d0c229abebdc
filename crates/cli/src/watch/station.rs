//! The node that a command works with: one of its own, or a running one.

use std::path::Path;

use zre::json::{self, Command, Line};
use zre::{Builder, Events, Node};

use crate::commands::carry_out;
use crate::control::Remote;
use crate::failure::Failure;

/// Where commands go.
#[derive(Debug)]
pub(crate) enum Station {
    Own(Node),
    Running(Remote),
}

/// Where it is told what happens.
#[derive(Debug)]
pub(crate) enum News {
    Own(Events),
    Running(Remote),
}

impl Station {
    /// Starts a node, or connects to one.
    ///
    /// # Errors
    /// It doesn't start, or nobody listens there.
    pub(crate) async fn open(
        builder: Builder,
        control: Option<&Path>,
    ) -> Result<(Self, News), Failure> {
        let Some(path) = control else {
            let (node, events) = builder.start().await?;
            return Ok((Self::Own(node), News::Own(events)));
        };
        let mut news = Remote::connect(path).await?;
        news.ask(&Command::Watch {}).await?;
        let station = Remote::connect(path).await?;
        Ok((Self::Running(station), News::Running(news)))
    }

    /// Whether leaving it is felt on the network.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Says a command and returns the answer.
    ///
    /// # Errors
    /// Why it can't be carried out, in words.
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

    /// Who the node is.
    ///
    /// # Errors
    /// Why it doesn't say so.
    pub(crate) async fn own(&mut self) -> Result<json::Node, String> {
        match self.ask(Command::Node {}).await? {
            Line::Node(own) => Ok(own),
            _ => Err("the node doesn't say who it is".into()),
        }
    }

    /// A node of our own leaves properly; a running one runs on.
    pub(crate) async fn leave(&self) {
        if let Self::Own(node) = self {
            node.shutdown().await;
        }
    }
}

impl News {
    /// What happens next; `None` once the node has ended.
    ///
    /// # Errors
    /// A running node that can't be understood.
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
