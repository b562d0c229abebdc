//! `zre man`: what `man` reads.

use std::process::ExitCode;

use clap::{Args, Command};
use serde::Serialize;

use crate::failure::Failure;
use crate::json;
use crate::visit::print;

/// Write the manual page, of this command or of a subcommand.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct ManCommand {
    /// The subcommand
    subcommand: Option<String>,

    /// Write it as a JSON line: {"event":"man","page":..,"text":..}
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre man | man -l -
  zre man chat > ~/.local/share/man/man1/zre-chat.1";

/// The page, as a JSON line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "man")]
pub(crate) struct Page {
    page: String,
    text: String,
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
        let line = Page {
            page: name,
            text: String::from_utf8_lossy(&text).into_owned(),
        };
        text.clear();
        json::line(&line, &mut text);
    }
    print(text).await
}
