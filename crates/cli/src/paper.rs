//! `zre completions` and `zre man`: what shells and `man` read.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use serde::Serialize;

use crate::json;
use crate::program::Failure;
use crate::visit::print;

/// Write what a shell needs to complete this command's arguments.
#[derive(Args, Debug)]
#[command(after_long_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsCommand {
    /// The shell
    shell: Shell,

    /// Write it as a JSON line: {"event":"completions","shell":..,"text":..}
    #[arg(long)]
    json: bool,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  zre completions bash > ~/.local/share/bash-completion/completions/zre
  zre completions zsh > \"${fpath[1]}/_zre\"
  zre completions fish > ~/.config/fish/completions/zre.fish";

/// Write the manual page, of this command or of a subcommand.
#[derive(Args, Debug)]
#[command(after_long_help = MAN_HELP)]
pub(crate) struct ManCommand {
    /// The subcommand
    subcommand: Option<String>,

    /// Write it as a JSON line: {"event":"man","page":..,"text":..}
    #[arg(long)]
    json: bool,
}

/// What was written for others to read, as scripts get it.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Report {
    Completions { shell: String, text: String },
    Man { page: String, text: String },
}

const MAN_HELP: &str = "\
Examples:
  zre man | man -l -
  zre man chat > ~/.local/share/man/man1/zre-chat.1";

pub(crate) async fn completions(
    command: CompletionsCommand,
    mut program: Command,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut program, "zre", &mut script);
    if command.json {
        let report = Report::Completions {
            shell: command.shell.to_string(),
            text: String::from_utf8_lossy(&script).into_owned(),
        };
        script.clear();
        json::line(&report, &mut script);
    }
    print(script).await
}

pub(crate) async fn man(command: ManCommand, mut program: Command) -> Result<ExitCode, Failure> {
    program.build();
    let page = match command.subcommand {
        None => program,
        Some(name) => {
            let Some(found) = program.find_subcommand(&name) else {
                return Err(Failure::Usage(format!("there is no subcommand {name:?}")));
            };
            // A page's title is one word.
            let title = format!("zre-{}", found.get_name());
            found.clone().display_name(title)
        }
    };
    let mut text = Vec::new();
    let name = page.get_display_name().unwrap_or("zre").to_owned();
    clap_mangen::Man::new(page)
        .source(concat!("zre ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .map_err(Failure::System)?;
    if command.json {
        let report = Report::Man {
            page: name,
            text: String::from_utf8_lossy(&text).into_owned(),
        };
        text.clear();
        json::line(&report, &mut text);
    }
    print(text).await
}
