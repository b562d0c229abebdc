//! The configuration file: what the options are where nobody says otherwise.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zre::{Setting, Settings};

use crate::options::{long, setting_of};

/// Options that make no sense in a file.
const NOT_IN_FILES: [&str; 3] = ["config", "help", "version"];

/// How like a known name an unknown one must be to be taken for a slip.
const LIKE: f64 = 0.7;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{path:?} can't be read: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{at}: {message}")]
    Syntax { at: FileLine, message: String },
    #[error("{at}: there is no setting {key:?}{near}")]
    Unknown {
        at: FileLine,
        key: String,
        near: Near,
    },
    #[error("{at}: {key} can't be {found}: write {wanted}")]
    Type {
        at: FileLine,
        key: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("{at}: {key} can't be {value:?}: {why}")]
    Value {
        at: FileLine,
        key: String,
        value: String,
        why: String,
    },
    /// As the library says it.
    #[error("{at}: {message}")]
    Setting { at: FileLine, message: String },
}

/// A line in a file.
#[derive(Debug)]
pub(crate) struct FileLine {
    path: PathBuf,
    line: usize,
}

impl std::fmt::Display for FileLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// The known name that was probably meant.
#[derive(Debug)]
pub(crate) struct Near(Option<String>);

impl std::fmt::Display for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => f.write_str("; `zre help node` lists the valid keys"),
        }
    }
}

/// What a file sets: the values by the option's name, for all subcommands and
/// for single ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    common: BTreeMap<String, Vec<String>>,
    single: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// Where the file is when nobody says: it needn't exist.
pub(crate) fn usual_path() -> Option<PathBuf> {
    Some(Settings::user_directory()?.join("config.toml"))
}

impl Config {
    /// Reads a file, and checks everything in it against the options that there
    /// are.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn read(path: &Path, program: &Command) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Reader {
            path,
            text: &text,
            program,
        }
        .read()
    }

    /// Makes what the file says what the options are where neither the command
    /// line nor a variable says otherwise.
    pub(crate) fn apply(self, program: Command) -> Command {
        let program = set(program, &self.common);
        program.mut_subcommands(|subcommand| {
            let single = self.single.get(subcommand.get_name());
            let subcommand = set(subcommand, &self.common);
            match single {
                Some(settings) => set(subcommand, settings),
                None => subcommand,
            }
        })
    }
}

/// Makes these values what the options are by default.
pub(crate) fn set(command: Command, settings: &BTreeMap<String, Vec<String>>) -> Command {
    command.mut_args(|arg| {
        let values = arg.get_long().and_then(|long| settings.get(long));
        match values {
            Some(values) => arg.default_values(values.clone()),
            None => arg,
        }
    })
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    program: &'a Command,
}

impl Reader<'_> {
    fn read(&self) -> Result<Config, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            at: self.line_of(&error.span().unwrap_or_default()),
            message: error.message().to_owned(),
        })?;
        let mut config = Config::default();
        for (key, value) in table.get_ref() {
            let name: &str = key.get_ref();
            let section = self
                .program
                .find_subcommand(name)
                .filter(|_| value.get_ref().is_table());
            if let (Some(subcommand), Some(table)) = (section, value.get_ref().as_table()) {
                let settings = self.section(subcommand, table)?;
                config.single.insert(name.to_owned(), settings);
                continue;
            }
            let everywhere = || self.program.get_subcommands().chain([self.program]);
            let Some(arg) = everywhere().find_map(|command| find(command, name)) else {
                let sections = self.program.get_subcommands().map(Command::get_name);
                let known = everywhere().flat_map(longs).chain(sections);
                return Err(self.unknown(&key.span(), name, known));
            };
            let values = self.values(arg, name, value)?;
            config.common.insert(long_of(arg), values);
        }
        Ok(config)
    }

    /// What is said under `[subcommand]`.
    fn section(
        &self,
        subcommand: &Command,
        table: &DeTable<'_>,
    ) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
        let mut settings = BTreeMap::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some(arg) = find(subcommand, name) else {
                return Err(self.unknown(&key.span(), name, longs(subcommand)));
            };
            settings.insert(long_of(arg), self.values(arg, name, value)?);
        }
        Ok(settings)
    }

    /// The values of an option, as the command line would have them.
    fn values(
        &self,
        arg: &Arg,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<String>, ConfigError> {
        if let Some(setting) = setting_of(arg) {
            return self.setting(setting, key, value);
        }
        let values = match value.get_ref() {
            DeValue::Array(items) if matches!(arg.get_action(), ArgAction::Append) => {
                items.iter().collect()
            }
            _ => vec![value],
        };
        let value = |value| self.value(arg, key, value);
        values.into_iter().map(value).collect()
    }

    /// The library knows what its settings take.
    fn setting(
        &self,
        setting: &Setting,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<String>, ConfigError> {
        // One with a former name has another.
        let name = match key.replace('-', "_") == setting.key() {
            true => key,
            false => setting.key(),
        };
        let read = |value: &Spanned<DeValue<'_>>| {
            let table = table(value.span(), name, value.clone());
            let settings = Settings::deserialize(table.into_deserializer());
            settings.map_err(|error| ConfigError::Setting {
                at: self.line_of(&value.span()),
                message: error.message().to_owned(),
            })
        };
        // By themselves first, so that an error has its own line.
        match value.get_ref() {
            DeValue::Array(items) if setting.is_list() => {
                items.iter().try_for_each(|item| read(item).map(drop))?;
            }
            DeValue::Table(pairs) if setting.is_table() => {
                pairs.iter().try_for_each(|(key, item)| {
                    let pair = table(item.span(), key.get_ref(), item.clone());
                    read(&Spanned::new(
                        pair.span(),
                        DeValue::Table(pair.into_inner()),
                    ))
                    .map(drop)
                })?;
            }
            _ => {}
        }
        let settings = read(value)?;
        Ok(settings.get(setting.key()).unwrap_or_default())
    }

    fn value(
        &self,
        arg: &Arg,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, ConfigError> {
        let wanted = wanted(arg);
        let text = match (value.get_ref(), wanted) {
            (DeValue::Boolean(on), SWITCH) => on.to_string(),
            (DeValue::Integer(number), NUMBER | WORD) if number.radix() == 10 => {
                number.as_str().replace('_', "")
            }
            (DeValue::String(text), WORD | TEXT) => text.to_string(),
            (other, wanted) => {
                return Err(ConfigError::Type {
                    at: self.line_of(&value.span()),
                    key: key.to_owned(),
                    found: match other {
                        DeValue::String(_) => "a string",
                        DeValue::Integer(_) => "a number",
                        DeValue::Float(_) => "a fraction",
                        DeValue::Boolean(_) => "a boolean",
                        DeValue::Datetime(_) => "a date",
                        DeValue::Array(_) => "a list",
                        DeValue::Table(_) => "a table",
                    },
                    wanted,
                });
            }
        };
        match refusal(arg, &text) {
            None => Ok(text),
            Some(why) => Err(ConfigError::Value {
                at: self.line_of(&value.span()),
                key: key.to_owned(),
                value: text,
                why,
            }),
        }
    }

    fn unknown<'a>(
        &self,
        span: &Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> ConfigError {
        let near = known
            .map(|name| (strsim::jaro_winkler(name, key), name))
            .filter(|(like, _)| *like >= LIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        ConfigError::Unknown {
            at: self.line_of(span),
            key: key.to_owned(),
            near: Near(near.map(|(_, name)| name.to_owned())),
        }
    }

    fn line_of(&self, span: &Range<usize>) -> FileLine {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        FileLine {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }
}

/// A table of one value.
fn table<'a>(span: Range<usize>, key: &str, value: Spanned<DeValue<'a>>) -> Spanned<DeTable<'a>> {
    let mut table = DeTable::new();
    table.insert(Spanned::new(span.clone(), key.to_owned().into()), value);
    Spanned::new(span, table)
}

/// Why the command line wouldn't take it.
pub(crate) fn refusal(arg: &Arg, text: &str) -> Option<String> {
    if !arg.get_action().takes_values() {
        return None;
    }
    let probe = Arg::new("probe")
        .long("probe")
        .allow_hyphen_values(true)
        .value_parser(arg.get_value_parser().clone());
    let probe = Command::new("probe").no_binary_name(true).arg(probe);
    let error = probe
        .try_get_matches_from([format!("--probe={text}")])
        .err()?;
    Some(match error.source() {
        Some(why) => why.to_string(),
        None => {
            // As clap says it, without the words around it.
            let text = error.to_string();
            let said = text.split("\n\n").next().unwrap_or_default();
            let said = said.trim_start_matches("error: ");
            said.replace(" for '--probe <probe>'", "")
                .replace("\n ", "")
        }
    })
}

const SWITCH: &str = "true or false";
const NUMBER: &str = "a whole number";
const WORD: &str = "a string or a whole number";
const TEXT: &str = "a string";

/// What is to be written for an option that isn't a setting.
fn wanted(arg: &Arg) -> &'static str {
    use std::any::TypeId;
    let of = arg.get_value_parser().type_id();
    let is_one = |types: &[TypeId]| types.iter().any(|kind| of == *kind);
    let numbers = [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
    ];
    let texts = [TypeId::of::<String>(), TypeId::of::<PathBuf>()];
    match arg.get_action() {
        ArgAction::SetTrue => SWITCH,
        _ if is_one(&numbers) => NUMBER,
        _ if is_one(&texts) => TEXT,
        _ => WORD,
    }
}

fn long_of(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().to_owned()
}

fn longs(command: &Command) -> impl Iterator<Item = &str> {
    let longs = command.get_arguments().filter_map(Arg::get_long);
    longs.filter(|long| !NOT_IN_FILES.contains(long))
}

/// The option of that name, whether it is written with hyphens or underscores.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let name = long(name);
    let called = |arg: &&Arg| {
        let former = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(&name) || former.contains(&&*name)
    };
    command
        .get_arguments()
        .filter(|_| !NOT_IN_FILES.contains(&&*name))
        .find(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let program = crate::arguments::program();
        let reader = Reader {
            path: Path::new("zre.toml"),
            text,
            program: &program,
        };
        reader.read().map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let config = read(
            "name = 'camera'\nport = 5_671\nno-beacon = true\nlisten = 49152\n\
             group = ['lab', 'tea']\ninterface = 'lo'\nstate = 200\n\
             dns_service = '_a._tcp'\n[header]\nrole = 'lens'\n[limits]\npeers = 9\n\
             [peers]\nwait = '1s'\njson = true\n[receive]\nmax-size = '2G'\n\
             [bench]\nsizes = [16, '1k']\n",
        )
        .unwrap();
        let common = |name: &str| config.common[name].join("+");
        assert_eq!(common("beacon-port"), "5671", "by its former name");
        assert_eq!(common("no-beacon"), "on");
        assert_eq!(common("group"), "lab+tea");
        assert_eq!(common("header"), "role=lens");
        assert_eq!(common("state"), "200");
        assert_eq!(common("dns-service"), "_a._tcp");
        assert!(common("limits").contains("peers=9"));
        assert_eq!(config.single["peers"]["wait"], ["1s"]);
        assert_eq!(config.single["receive"]["max-size"], ["2G"]);
        assert_eq!(config.single["bench"]["sizes"], ["16", "1k"]);
        assert_eq!(read(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, error) in [
            (
                "\nnam = 'x'",
                "zre.toml:2: there is no setting \"nam\"; did you mean \"name\"?",
            ),
            ("intrface = 'lo'", "did you mean \"interface\"?"),
            (
                "zzz = 1",
                "zre.toml:1: there is no setting \"zzz\"; `zre help node` lists",
            ),
            ("config = 'x'", "there is no setting \"config\""),
            (
                "[peers]\n\nwiat = '1s'",
                "zre.toml:3: there is no setting \"wiat\"; did you mean \"wait\"?",
            ),
            (
                "[peer]\nname = 'x'",
                "zre.toml:1: peer can't be a table: write a string",
            ),
            (
                "name = true",
                "zre.toml:1: name can't be true: write a string",
            ),
            ("name = 5", "zre.toml:1: name can't be 5: write a string"),
            (
                "[receive]\ndir = 5",
                "zre.toml:2: dir can't be a number: write a string",
            ),
            ("name = ['a']", "name can't be a list: write a string"),
            (
                "port = '5670'",
                "beacon_port can't be \"5670\": write a whole number",
            ),
            (
                "beacon-port = 70000",
                "zre.toml:1: beacon-port can't be 70000: write a whole number from 1 to 65535",
            ),
            ("ttl = 1.5", "ttl can't be 1.5: write a whole number"),
            (
                "no-beacon = 'yes'",
                "no-beacon can't be \"yes\": write true or false",
            ),
            ("\n\ninterval = 5", "zre.toml:3: interval can't be 5: write"),
            (
                "engine = 'nativ'",
                "engine can't be \"nativ\": write native or zeromq; did you mean \"native\"?",
            ),
            (
                "header = 'x'",
                "header can't be \"x\": write it as KEY=VALUE",
            ),
            (
                "group = [\n'a',\n1.0]",
                "group can't be 1.0: write a string",
            ),
            (
                "multicast = ['off', '239.1.2.3']",
                "multicast can't be \"239.1.2.3\": write off, auto, or groups",
            ),
            (
                "[peers]\ncount = 'x'",
                "zre.toml:2: count can't be a string: write a whole number",
            ),
            (
                "[peers]\nwait = '5'",
                "zre.toml:2: wait can't be \"5\": write a time",
            ),
            ("name = ", "zre.toml:1: "),
            ("name = 'a'\nname = 'b'", "zre.toml:2: duplicate key"),
        ] {
            let found = read(text).expect_err(text);
            assert!(found.contains(error), "{text:?}: {found}");
        }
    }

    #[test]
    fn every_option_of_every_subcommand_can_be_in_a_file() {
        let program = crate::arguments::program();
        for subcommand in program.get_subcommands() {
            for long in longs(subcommand) {
                assert!(find(subcommand, long).is_some());
                // A key that TOML takes without quotes.
                assert!(long.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'));
            }
        }
    }
}
