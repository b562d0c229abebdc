//! The configuration file: what the options are where nobody says otherwise.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    #[error("{place}: there is no setting {key:?}{near}")]
    Unknown {
        place: Place,
        key: String,
        near: Near,
    },
    #[error("{place}: {key} is {found}: write {wanted}")]
    Type {
        place: Place,
        key: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("{place}: {key}: {why}")]
    Value {
        place: Place,
        key: String,
        why: String,
    },
}

/// A line in a file.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    line: usize,
}

impl std::fmt::Display for Place {
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
            None => f.write_str(": those that there are are the options in `zre help node`"),
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
    let of = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let directory = match cfg!(windows) {
        true => of("APPDATA"),
        false => {
            of("XDG_CONFIG_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".config")))
        }
    };
    Some(directory?.join("zre").join("config.toml"))
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

fn set(command: Command, settings: &BTreeMap<String, Vec<String>>) -> Command {
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
            place: self.place(&error.span().unwrap_or_default()),
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
            let values = self.values(arg, value)?;
            config.common.insert(name.to_owned(), values);
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
            settings.insert(name.to_owned(), self.values(arg, value)?);
        }
        Ok(settings)
    }

    /// The values of an option, as the command line would have them.
    fn values(&self, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, ConfigError> {
        let many = matches!(arg.get_action(), ArgAction::Append);
        let values = match value.get_ref() {
            DeValue::Array(items) if many => items
                .iter()
                .map(|item| self.value(arg, item))
                .collect::<Result<_, _>>()?,
            // As [header] role = "camera".
            DeValue::Table(table) if many && arg.get_id() == "headers" => table
                .iter()
                .map(|(key, item)| {
                    let key: &str = key.get_ref();
                    Ok(format!("{key}={}", self.value_text(arg, item)?))
                })
                .collect::<Result<_, _>>()?,
            _ => vec![self.value(arg, value)?],
        };
        for text in &values {
            self.check(arg, text, &value.span())?;
        }
        Ok(values)
    }

    fn value(&self, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        let text = self.value_text(arg, value)?;
        self.check(arg, &text, &value.span())?;
        Ok(text)
    }

    fn value_text(&self, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        let wanted = wanted(arg);
        match (value.get_ref(), wanted) {
            (DeValue::Boolean(on), SWITCH) => Ok(on.to_string()),
            (DeValue::Integer(number), NUMBER | TEXT | TEXTS) if number.radix() == 10 => {
                Ok(number.as_str().replace('_', ""))
            }
            (DeValue::String(text), TEXT | TEXTS) => Ok(text.to_string()),
            (other, wanted) => Err(ConfigError::Type {
                place: self.place(&value.span()),
                key: name(arg),
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
            }),
        }
    }

    /// Whether the command line would take it.
    fn check(&self, arg: &Arg, text: &str, span: &Range<usize>) -> Result<(), ConfigError> {
        if !arg.get_action().takes_values() {
            return Ok(());
        }
        let probe = Arg::new("probe")
            .long("probe")
            .allow_hyphen_values(true)
            .value_parser(arg.get_value_parser().clone());
        let probe = Command::new("probe").no_binary_name(true).arg(probe);
        let Err(error) = probe.try_get_matches_from([format!("--probe={text}")]) else {
            return Ok(());
        };
        let why = match error.source() {
            Some(why) => why.to_string(),
            None => {
                // As clap says it, without the words around it.
                let text = error.to_string();
                let said = text.split("\n\n").next().unwrap_or_default();
                let said = said.trim_start_matches("error: ");
                said.replace(" for '--probe <probe>'", "")
                    .replace("\n ", "")
            }
        };
        Err(ConfigError::Value {
            place: self.place(span),
            key: name(arg),
            why,
        })
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
            place: self.place(span),
            key: key.to_owned(),
            near: Near(near.map(|(_, name)| name.to_owned())),
        }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Place {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }
}

const SWITCH: &str = "true or false";
const NUMBER: &str = "a whole number";
const TEXT: &str = "a string";
const TEXTS: &str = "a string, or a list of strings";

/// What is to be written for an option.
fn wanted(arg: &Arg) -> &'static str {
    use std::any::TypeId;
    let of = arg.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
    ];
    match arg.get_action() {
        ArgAction::SetTrue => SWITCH,
        _ if numbers.into_iter().any(|number| of == number) => NUMBER,
        ArgAction::Append => TEXTS,
        _ => TEXT,
    }
}

fn name(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().to_owned()
}

fn longs(command: &Command) -> impl Iterator<Item = &str> {
    let longs = command.get_arguments().filter_map(Arg::get_long);
    longs.filter(|long| !NOT_IN_FILES.contains(long))
}

fn find<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(long) && !NOT_IN_FILES.contains(&long))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let program = crate::Arguments::command();
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
             [header]\nrole = 'lens'\n[peers]\nwait = '1s'\njson = true\n",
        )
        .unwrap();
        let common = |name: &str| config.common[name].join("+");
        assert_eq!(common("port"), "5671");
        assert_eq!(common("no-beacon"), "true");
        assert_eq!(common("group"), "lab+tea");
        assert_eq!(common("header"), "role=lens");
        assert_eq!(config.single["peers"]["wait"], ["1s"]);
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
            ("zzz = 1", "zre.toml:1: there is no setting \"zzz\": those"),
            ("config = 'x'", "there is no setting \"config\""),
            (
                "[peers]\n\nwiat = '1s'",
                "zre.toml:3: there is no setting \"wiat\"; did you mean \"wait\"?",
            ),
            (
                "[peer]\nname = 'x'",
                "zre.toml:1: peer is a table: write a string, or a list",
            ),
            (
                "name = true",
                "zre.toml:1: name is a boolean: write a string",
            ),
            ("name = ['a']", "name is a list: write a string"),
            ("port = '5670'", "port is a string: write a whole number"),
            (
                "port = 70000",
                "zre.toml:1: port: 70000 is not in 1..=65535",
            ),
            ("ttl = 1.5", "ttl is a fraction: write a whole number"),
            (
                "no-beacon = 'yes'",
                "no-beacon is a string: write true or false",
            ),
            ("\n\ninterval = 5", "zre.toml:3: interval: "),
            ("engine = 'steam'", "engine: invalid value 'steam'"),
            ("header = 'x'", "header: write it as KEY=VALUE"),
            ("group = [\n'a',\n1.0]", "zre.toml:3: group is a fraction"),
            ("name = ", "zre.toml:1: "),
            ("name = 'a'\nname = 'b'", "zre.toml:2: duplicate key"),
        ] {
            let found = read(text).expect_err(text);
            assert!(found.contains(error), "{text:?}: {found}");
        }
    }

    #[test]
    fn every_option_of_every_subcommand_can_be_in_a_file() {
        let program = crate::Arguments::command();
        for subcommand in program.get_subcommands() {
            for long in longs(subcommand) {
                assert!(find(subcommand, long).is_some());
                // A key that TOML takes without quotes.
                assert!(long.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'));
            }
        }
    }
}
