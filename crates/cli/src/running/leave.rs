//! `zre leave`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::Command;

use super::{Answer, order};
use crate::failure::Failure;

/// Have a running node leave a group (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct LeaveCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    from: String,

    #[command(flatten)]
    answer: Answer,
}

const HELP: &str = "\
Example:
  zre --control /tmp/node leave lab";

pub(crate) async fn leave(command: LeaveCommand, path: Option<&Path>) -> Result<ExitCode, Failure> {
    let group = command.from;
    order(path, Command::Leave { group }, command.answer).await
}
