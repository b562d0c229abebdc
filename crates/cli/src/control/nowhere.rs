//! Where there are no unix sockets.

use std::path::Path;

use zre::json::{Command, Line};
use zre::{Event, Node};

use super::ControlError;

/// Can't be.
#[derive(Debug)]
pub(crate) enum Server {}

impl Server {
    pub(crate) async fn open(_: &Path, _: &Node) -> Result<Self, ControlError> {
        Err(ControlError::Nowhere)
    }

    pub(crate) fn tell(&self, _: &Event) {
        match *self {}
    }

    pub(crate) async fn asked_to_stop(&self) {
        match *self {}
    }

    pub(crate) async fn close(&self) {
        match *self {}
    }
}

/// Can't be.
#[derive(Debug)]
pub(crate) enum Remote {}

impl Remote {
    pub(crate) async fn connect(_: &Path) -> Result<Self, ControlError> {
        Err(ControlError::Nowhere)
    }

    pub(crate) async fn ask(&mut self, _: &Command) -> Result<Line, ControlError> {
        match *self {}
    }

    pub(crate) async fn next(&mut self) -> Result<Line, ControlError> {
        match *self {}
    }
}
