//! `zre stop`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::Command;

use super::{Answer, order};
use crate::failure::Failure;

/// Have a running node leave the network and end (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct StopCommand {
    #[command(flatten)]
    answer: Answer,
}

const HELP: &str = "\
It ends the command that runs the node, as Ctrl-C there would.

Example:
  zre --control /tmp/node stop";

pub(crate) async fn stop(command: StopCommand, path: Option<&Path>) -> Result<ExitCode, Failure> {
    order(path, Command::Stop {}, command.answer).await
}
