//! `zre state`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::State;
use zre::json::Command;

use super::{Answer, order};
use crate::failure::Failure;
use crate::values::state as settable;

/// Have a running node show another state (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct StateCommand {
    /// init, ready, busy, draining, asleep, or a number from 128 to 255
    #[arg(value_name = "STATE", value_parser = settable)]
    to: State,

    #[command(flatten)]
    answer: Answer,
}

const HELP: &str = "\
Peers see it at once, and may give their work to others.

Example:
  zre --control /tmp/node state busy; make; zre --control /tmp/node state ready";

pub(crate) async fn state(command: StateCommand, path: Option<&Path>) -> Result<ExitCode, Failure> {
    order(path, Command::State { state: command.to }, command.answer).await
}
