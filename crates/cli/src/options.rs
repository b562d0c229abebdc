//! The options that say how a node is to be: one for each setting of the library,
//! of the same name.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use zre::{Builder, Setting, Settings};

/// What the ids of these options begin with; the setting's key follows.
pub(crate) const SETTINGS: &str = "settings.";

/// Settings that had another name once, by their keys: it is still taken, and not
/// shown.
const FORMERLY: [(&str, &str); 1] = [("beacon_port", "port")];

/// Settings that say where beacons go and are heard.
const PLACES: [&str; 5] = [
    "interface",
    "realm",
    "beacon_port",
    "multicast",
    "broadcast",
];

/// A default that takes more room than this isn't in the short help.
const BRIEF: usize = 60;

/// How a node is to be; with `ONLY_PLACES`, the part of it that is about beacons.
#[derive(Clone, Debug)]
pub(crate) struct Options<const ONLY_PLACES: bool = false> {
    pub(crate) settings: Settings,
}

pub(crate) type Places = Options<true>;

impl Options {
    /// Names the group to be in where none was named.
    pub(crate) fn default_group(&mut self, group: &str) {
        if self.settings.group.is_empty() {
            self.settings.group.push(group.to_owned());
        }
    }

    /// The node as it was described.
    pub(crate) fn builder(&self) -> Builder {
        self.settings.clone().builder()
    }
}

/// Adds the options of the settings to a subcommand that takes them. All subcommands
/// together have several hundred, with long texts: a megabyte that is kept for as long as
/// the program runs. Therefore one that runs a single subcommand adds them to that alone.
pub(crate) fn with_settings(command: Command) -> Command {
    let takes = |group: &str| command.get_groups().any(|each| each.get_id() == group);
    let settings = match (takes(Options::<false>::GROUP), takes(Places::GROUP)) {
        (true, _) => Options::<false>::arguments(),
        (_, true) => Places::arguments(),
        _ => return command,
    };
    command.args(settings)
}

/// The option of a setting.
fn argument(setting: &'static Setting) -> Arg {
    let key = setting.key();
    let default = setting.default_text().unwrap_or_default();
    let mut help = setting.help().to_owned();
    let mut long_help = help.clone();
    if let Some(details) = setting.details() {
        long_help += &format!("\n\n{details}");
    }
    match default.len() {
        0 => {}
        1..=BRIEF => {
            help += &format!(" [default: {default}]");
            long_help += &format!("\n\n[default: {default}]");
        }
        _ => long_help += &format!("\n\nBy default: {}", default.replace(',', ", ")),
    }
    let long = long(key);
    let variable = variable(&long);
    let argument = Arg::new(id(setting))
        .value_name(setting.value_name())
        .help(format!("{help} [env: {variable}]"))
        .long_help(format!("{long_help}\n[env: {variable}]"))
        .help_heading(setting.topic())
        .hide_default_value(true)
        .value_parser(move |text: &str| {
            let set = Settings::default().set(key, text);
            set.map(|()| text.to_owned()).map_err(|e| e.advice())
        })
        .action(match setting.is_list() {
            true => ArgAction::Append,
            false => ArgAction::Set,
        })
        .aliases(former(key))
        .long(long);
    match setting.is_switch() && default == "off" {
        true => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("on"),
        false => argument,
    }
}

fn id(setting: &Setting) -> String {
    format!("{SETTINGS}{}", setting.key())
}

/// The long option for a name.
pub(crate) fn long(name: &str) -> String {
    name.replace('_', "-")
}

/// The variable that stands for a long option.
pub(crate) fn variable(long: &str) -> String {
    format!("ZRE_{}", long.replace('-', "_").to_uppercase())
}

/// The setting that an option stands for.
pub(crate) fn setting_of(argument: &Arg) -> Option<&'static Setting> {
    let key = argument.get_id().as_str().strip_prefix(SETTINGS)?;
    Settings::keys().iter().find(|setting| setting.key() == key)
}

fn former(key: &str) -> impl Iterator<Item = &'static str> {
    let names = FORMERLY.into_iter().filter(move |(now, _)| *now == key);
    names.map(|(_, then)| then)
}

impl<const ONLY_PLACES: bool> Options<ONLY_PLACES> {
    /// The group that stands for these options until [`with_settings`] adds them.
    const GROUP: &str = match ONLY_PLACES {
        true => "places",
        false => "settings",
    };

    fn arguments() -> Vec<Arg> {
        Self::keys().map(argument).collect()
    }

    fn keys() -> impl Iterator<Item = &'static Setting> {
        let here = |setting: &&Setting| !ONLY_PLACES || PLACES.contains(&setting.key());
        Settings::keys().iter().filter(here)
    }
}

impl<const ONLY_PLACES: bool> Args for Options<ONLY_PLACES> {
    fn augment_args(command: Command) -> Command {
        command.group(ArgGroup::new(Self::GROUP))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const ONLY_PLACES: bool> FromArgMatches for Options<ONLY_PLACES> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Settings::default();
        for setting in Self::keys() {
            let values = matches.get_many::<String>(&id(setting));
            for value in values.into_iter().flatten() {
                settings
                    .set(setting.key(), value)
                    .map_err(|error| clap::Error::raw(ErrorKind::InvalidValue, error))?;
            }
        }
        Ok(Self { settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
