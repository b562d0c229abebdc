//! Reads the command line, and refuses what can't be meant.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::Arguments;
use crate::config::{self, Config, ConfigError};

/// Subcommands that run, or are, no node that others could speak through.
const ALONE: [&str; 8] = [
    "chat",
    "send-file",
    "receive",
    "listen",
    "doctor",
    "bench",
    "completions",
    "man",
];

/// Options under these headings say how a node is to be.
const OF_A_NODE: [&str; 4] = ["Who", "Finding peers", "Losing peers", "Links"];

/// The arguments; ends the program where they are wrong, or ask for help.
///
/// What the configuration file says is what the options are by default: so the
/// command line comes before variables, and variables before the file.
pub(crate) fn read() -> Arguments {
    let mut command = Arguments::command();
    match config(&command) {
        Ok(Some(config)) => command = config.apply(command),
        Ok(None) => {}
        Err(error) => command.error(ErrorKind::InvalidValue, error).exit(),
    }
    let matches = command.get_matches_mut();
    let read = check(&command, &matches)
        .map_err(|error| command.error(ErrorKind::ArgumentConflict, error))
        .and_then(|()| Arguments::from_arg_matches(&matches));
    read.unwrap_or_else(|error| error.exit())
}

/// The configuration file, where there is one.
fn config(command: &Command) -> Result<Option<Config>, ConfigError> {
    // What is wrong, and calls for help, are found when the rest is read.
    let named = command.clone().ignore_errors(true).try_get_matches();
    let Ok(matches) = named else {
        return Ok(None);
    };
    if let Some(path) = matches.get_one::<PathBuf>("config") {
        return Config::read(path, command).map(Some);
    }
    match config::usual_path() {
        Some(path) if path.exists() => Config::read(&path, command).map(Some),
        _ => Ok(None),
    }
}

/// # Errors
/// What doesn't go together, in words for the user.
fn check(command: &Command, matches: &ArgMatches) -> Result<(), String> {
    let Some((name, given)) = matches.subcommand() else {
        return Ok(());
    };
    let said = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    if !said("control") {
        return Ok(());
    }
    if ALONE.contains(&name) {
        return Err(format!(
            "{name} doesn't speak through a running node: leave --control out"
        ));
    }
    if name == "node" {
        return Ok(());
    }
    let options = command
        .find_subcommand(name)
        .into_iter()
        .flat_map(Command::get_arguments);
    for option in options {
        let heading = option.get_help_heading().unwrap_or_default();
        if OF_A_NODE.contains(&heading) && said(option.get_id().as_str()) {
            let long = option.get_long().unwrap_or_default();
            return Err(format!(
                "--{long} is for a node of one's own: the one behind --control runs already"
            ));
        }
    }
    Ok(())
}
