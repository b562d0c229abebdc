//! `zre completions`: what shells read.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use serde::Serialize;

use crate::failure::Failure;
use crate::json;
use crate::visit::print;

/// Write what a shell needs to complete this command's arguments.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct CompletionsCommand {
    /// The shell
    shell: Shell,

    /// Write it as a JSON line: {"event":"completions","shell":..,"text":..}
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre completions bash > ~/.local/share/bash-completion/completions/zre
  zre completions zsh > \"${fpath[1]}/_zre\"
  zre completions fish > ~/.config/fish/completions/zre.fish";

/// The script, as a JSON line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "completions")]
pub(crate) struct Script {
    shell: String,
    text: String,
}

pub(crate) async fn completions(
    command: CompletionsCommand,
    mut program: Command,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut program, "zre", &mut script);
    if command.json {
        let line = Script {
            shell: command.shell.to_string(),
            text: String::from_utf8_lossy(&script).into_owned(),
        };
        script.clear();
        json::line(&line, &mut script);
    }
    print(script).await
}
