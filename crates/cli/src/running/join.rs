//! `zre join`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::Command;

use super::{Answer, order};
use crate::failure::Failure;

/// Have a running node join a group (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct JoinCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    to: String,

    #[command(flatten)]
    answer: Answer,
}

const HELP: &str = "\
Example:
  zre node --control /tmp/node &
  zre --control /tmp/node join lab";

pub(crate) async fn join(command: JoinCommand, path: Option<&Path>) -> Result<ExitCode, Failure> {
    order(path, Command::Join { group: command.to }, command.answer).await
}
