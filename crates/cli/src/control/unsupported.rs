//! Replacements for systems without unix sockets.

use std::path::Path;

use zre::json::{Command, Line};
use zre::{Event, Node};

use super::ControlError;

/// Never exists on this system.
#[derive(Debug)]
pub(crate) enum Server {}

impl Server {
    pub(crate) async fn open(_: &Path, _: &Node) -> Result<Self, ControlError> {
        Err(ControlError::Unsupported)
    }

    pub(crate) fn publish(&self, _: &Event) {
        match *self {}
    }

    pub(crate) async fn asked_to_stop(&self) {
        match *self {}
    }

    pub(crate) async fn close(&self) {
        match *self {}
    }
}

/// Never exists on this system.
#[derive(Debug)]
pub(crate) enum Remote {}

impl Remote {
    pub(crate) async fn connect(_: &Path) -> Result<Self, ControlError> {
        Err(ControlError::Unsupported)
    }

    pub(crate) async fn ask(&mut self, _: &Command) -> Result<Line, ControlError> {
        match *self {}
    }

    pub(crate) async fn send(&mut self, _: &Command) -> Result<(), ControlError> {
        match *self {}
    }

    pub(crate) async fn next(&mut self) -> Result<Line, ControlError> {
        match *self {}
    }
}
