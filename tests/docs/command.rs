//! Commands that documents give: whether there are such, with such options.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use zre_tests::zre;

use crate::document::{repository, walk};

/// Options in the text that belong to programs of others.
const FOREIGN: [&str; 9] = [
    "--locked",
    "--release",
    "--profile",
    "--no-verify",
    "--workspace",
    "--nocapture",
    "--ignored",
    "--example",
    "--doc",
];

/// What there is to run.
pub(crate) struct Programs {
    metadata: Value,
}

impl Programs {
    pub(crate) fn find() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .args(["--offline", "--manifest-path"])
            .arg(repository().join("Cargo.toml"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{output:?}");
        let metadata = serde_json::from_slice(&output.stdout).expect("JSON");
        Self { metadata }
    }

    /// Whether a command would be understood.
    pub(crate) fn check(&self, command: &[String]) -> Result<(), String> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words[..] {
            ["zre", ref arguments @ ..] => understood(help(arguments)),
            ["cargo", ref arguments @ ..] => self.check_cargo(arguments),
            ["python3", ref arguments @ ..] => {
                let script = arguments.iter().find(|word| !word.starts_with('-'));
                exists(script.ok_or("runs no script")?)
            }
            [script @ ("fuzz/run" | "tests/mutants/run"), ..] => exists(script),
            [".ci/run", ref steps @ ..] => {
                let runner = fs::read_to_string(repository().join(".ci/run")).unwrap();
                let missing = |step: &&&str| !runner.contains(&format!("\nstep_{step}() {{"));
                match steps.iter().find(missing) {
                    Some(step) => Err(format!("has no step {step}")),
                    None => Ok(()),
                }
            }
            ["sudo", ref rest @ ..] => {
                let rest: Vec<String> = rest.iter().copied().map(String::from).collect();
                self.check(&rest)
            }
            // Programs of others, whose options aren't looked at.
            _ => Ok(()),
        }
    }

    fn check_cargo(&self, arguments: &[&str]) -> Result<(), String> {
        let mut halves = arguments.splitn(2, |word| *word == "--");
        let own = halves.next().unwrap_or_default();
        let theirs = halves.next().unwrap_or_default();
        let subcommand = own.first().ok_or("does nothing")?;
        if ["add", "new", "install"].contains(subcommand) {
            return match value(own, "--path") {
                Some(path) => exists(path),
                None => Ok(()),
            };
        }
        if !["run", "test", "bench", "build", "doc", "package"].contains(subcommand) {
            return Err(format!("{subcommand}: not known to this test"));
        }
        let package = value(own, "-p");
        if let Some(name) = package
            && !self.packages().any(|package| package["name"] == name)
        {
            return Err(format!("there is no package {name}"));
        }
        for kind in ["example", "test", "bench", "bin"] {
            if let Some(name) = value(own, &format!("--{kind}"))
                && !self.has_target(kind, name)
            {
                return Err(format!("there is no {kind} {name}"));
            }
        }
        if *subcommand == "run" && package == Some("zre-sim") {
            return understood(simulator(theirs));
        }
        Ok(())
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().into_iter().flatten()
    }

    fn has_target(&self, kind: &str, name: &str) -> bool {
        self.packages()
            .flat_map(|package| package["targets"].as_array().into_iter().flatten())
            .any(|target| target["kind"][0] == kind && target["name"] == name)
    }

    /// Every long option of ours, and those of others that documents name.
    pub(crate) fn options(&self) -> BTreeSet<String> {
        let mut options: BTreeSet<String> = FOREIGN.map(String::from).into();
        let mut texts = vec![help(&[]), simulator(&[])];
        let names = String::from_utf8_lossy(&texts[0].stdout).into_owned();
        for name in subcommands(&names) {
            texts.push(help(&[name]));
        }
        for text in texts {
            let text = String::from_utf8_lossy(&text.stdout).into_owned();
            options.extend(long_options(&text));
        }
        // Harnesses of tests and benches read theirs by hand.
        for directory in ["tests/interop", "benches"] {
            walk(&repository().join(directory), &mut |path| {
                let Ok(text) = fs::read_to_string(path) else {
                    return;
                };
                options.extend(long_options(&text));
            });
        }
        options
    }
}

fn long_options(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--"))
        .map(Into::into)
}

/// The names under "Commands:" in the help of `zre`.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
}

/// What `zre` says to these options when it is asked for help behind them: it
/// reads them first, and complains of those that it can't read.
fn help(arguments: &[&str]) -> Output {
    let mut command = Command::new(zre());
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("ZRE_") {
            command.env_remove(key);
        }
    }
    command.args(arguments).arg("--help");
    command.output().expect("zre runs")
}

fn simulator(arguments: &[&str]) -> Output {
    let mut command = Command::new(zre_tests::simulator());
    command.args(arguments).arg("--help");
    command.output().expect("the simulator runs")
}

fn understood(output: Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn value<'a>(arguments: &[&'a str], option: &str) -> Option<&'a str> {
    let mut rest = arguments.iter().skip_while(|word| **word != option);
    rest.nth(1).copied()
}

fn exists(path: &str) -> Result<(), String> {
    if repository().join(path).exists() {
        return Ok(());
    }
    Err(format!("there is no {path}"))
}
