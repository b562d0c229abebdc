//! The variables that stand for options: `ZRE_NAME` for `--name`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, Command};

use crate::config::refusal;
use crate::options::{setting_of, variable};

/// Options that have a variable and aren't settings.
const OTHERS: [&str; 2] = ["control", "config"];

/// Why a variable can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VariableError {
    #[error("{variable} can't be {value:?}: {why}")]
    Value {
        variable: String,
        value: String,
        why: String,
    },
    #[error("{0} isn't UTF-8")]
    NotText(String),
}

/// What the variables say of a command's options, by their long names. An empty
/// variable is one that isn't set.
///
/// # Errors
/// The variable, and what is wrong with it.
pub(crate) fn read(
    command: &Command,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, Vec<String>>, VariableError> {
    let mut values = BTreeMap::new();
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long().filter(|long| has_variable(arg, long)) else {
            continue;
        };
        // The name that it has now comes before those that it had.
        let former = arg.get_all_aliases().unwrap_or_default();
        let set = |long: &str| {
            let name = variable(long);
            let value = environment(&name).filter(|value| !value.is_empty())?;
            Some((name, value))
        };
        let Some((variable, value)) = std::iter::once(long).chain(former).find_map(set) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            return Err(VariableError::NotText(variable));
        };
        if let Some(why) = refusal(arg, &value) {
            return Err(VariableError::Value {
                variable,
                value,
                why,
            });
        }
        values.insert(long.to_owned(), vec![value]);
    }
    Ok(values)
}

fn has_variable(arg: &Arg, long: &str) -> bool {
    setting_of(arg).is_some() || OTHERS.contains(&long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(variables: &[(&str, &str)]) -> Result<BTreeMap<String, Vec<String>>, VariableError> {
        let program = crate::arguments::program();
        let node = program.find_subcommand("node").unwrap();
        read(node, |name| {
            let set = variables.iter().find(|(variable, _)| *variable == name);
            set.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn an_empty_variable_is_unset() {
        assert_eq!(
            values(&[("ZRE_NAME", ""), ("ZRE_STATE", "")]),
            Ok([].into())
        );
    }

    #[test]
    fn a_former_name_counts_where_the_new_one_is_unset() {
        let port = |variables: &[(&str, &str)]| values(variables).unwrap()["beacon-port"].clone();
        assert_eq!(port(&[("ZRE_PORT", "7")]), ["7"]);
        assert_eq!(port(&[("ZRE_PORT", "7"), ("ZRE_BEACON_PORT", "8")]), ["8"]);
        assert_eq!(port(&[("ZRE_PORT", "7"), ("ZRE_BEACON_PORT", "")]), ["7"]);
    }

    #[test]
    fn an_error_names_the_variable() {
        let error = |name, value| values(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(
            error("ZRE_EVASIVE", "5"),
            "ZRE_EVASIVE can't be \"5\": write a time, as 250ms, 5s or 1m"
        );
        assert!(error("ZRE_PORT", "0").starts_with("ZRE_PORT can't be \"0\""));
    }
}
