//! Reads the command line, and refuses what can't be meant.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::Arguments;
use crate::complain;
use crate::config::{self, Config, ConfigError};
use crate::failure::Failure;
use crate::options::{setting_of, with_settings};
use crate::variables::{self, VariableError};

/// Subcommands that run, or are, no node that others could speak through.
const ALONE: [&str; 9] = [
    "chat",
    "send-file",
    "receive",
    "listen",
    "doctor",
    "bench",
    "keygen",
    "completions",
    "man",
];

/// Why the options can't be found out.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Variable(#[from] VariableError),
}

/// The command with all subcommands and all their options.
pub(crate) fn program() -> Command {
    Arguments::command().mut_subcommands(with_settings)
}

/// The same, but where the arguments name a subcommand that runs, the others lack the
/// options of the settings.
fn program_for_this_run() -> Command {
    // What is wrong, and calls for help, are found when the rest is read.
    let named = Arguments::command().ignore_errors(true).try_get_matches();
    let named = named.as_ref().ok().and_then(ArgMatches::subcommand_name);
    let command = Arguments::command();
    match named {
        Some(name) if command.find_subcommand(name).is_some() => {
            command.mut_subcommand(name, with_settings)
        }
        _ => program(),
    }
}

/// The arguments; ends the program where they are wrong, or ask for help.
///
/// What the configuration file says, and before it what a variable says, is what
/// an option is by default: the command line comes first.
pub(crate) fn read() -> Arguments {
    let mut command = with_defaults(program_for_this_run())
        .unwrap_or_else(|error| end(&program_for_this_run().error(ErrorKind::InvalidValue, error)));
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let matches = matches.unwrap_or_else(|error| end(&error));
    let read = check(&command, &matches)
        .map_err(|error| command.error(ErrorKind::ArgumentConflict, error))
        .and_then(|()| Arguments::from_arg_matches(&matches));
    let mut arguments = read.unwrap_or_else(|error| end(&error.format(&mut command)));
    let given = matches.subcommand().map(|(_, given)| given);
    let json = given.and_then(|given| given.try_get_one("json").ok().flatten());
    arguments.json = json.is_some_and(|json| *json);
    arguments
}

/// Ends the program with the help that was asked for, or with what is wrong: as JSON if
/// that is among the arguments, which can't be read.
fn end(error: &clap::Error) -> ! {
    let mut words = std::env::args_os().skip(1).take_while(|word| word != "--");
    if !error.use_stderr() || !words.any(|word| word == "--json") {
        error.exit();
    }
    let text = error.render().to_string();
    // The usage follows.
    let wrong = text.split("\n\nUsage: ").next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong).trim();
    complain(&Failure::Usage(wrong.to_owned()), true);
    std::process::exit(error.exit_code())
}

/// The same options, with the defaults that the file and the variables give them.
fn with_defaults(command: Command) -> Result<Command, SourceError> {
    let named = command.clone().ignore_errors(true).try_get_matches();
    let Ok(matches) = named else {
        return Ok(command);
    };
    let environment = |name: &str| std::env::var_os(name);
    let global = variables::read(&command, environment)?;
    let single = match matches.subcommand_name() {
        Some(name) => {
            let subcommand = command.find_subcommand(name);
            let values = subcommand.map(|subcommand| variables::read(subcommand, environment));
            values.transpose()?.unwrap_or_default()
        }
        None => BTreeMap::new(),
    };
    let path = match (matches.get_one::<PathBuf>("config"), global.get("config")) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(path)) => path.first().map(PathBuf::from),
        (None, None) => config::usual_path().filter(|path| path.exists()),
    };
    // A file may be about any subcommand.
    let config = path
        .map(|path| Config::read(&path, &program()))
        .transpose()?;
    let mut command = match config {
        Some(config) => config.apply(command),
        None => command,
    };
    command = config::set(command, &global);
    if let Some(name) = matches.subcommand_name() {
        command = command.mut_subcommand(name, |subcommand| config::set(subcommand, &single));
    }
    Ok(command)
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
        if setting_of(option).is_some() && said(option.get_id().as_str()) {
            let long = option.get_long().unwrap_or_default();
            return Err(format!(
                "--{long} is for a node of one's own: the one behind --control runs already"
            ));
        }
    }
    Ok(())
}
