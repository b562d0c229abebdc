//! The documents of this repository, held to what they say.
//!
//! - Each block of code says its language. Rust is compiled by `examples/docs.rs`,
//!   and whoever forgets a document there is told here. C is compiled here.
//!   Python is run by the tests of the Python package.
//! - Each command in a shell block is one that there is, with options that it
//!   takes. Blocks that say ```` ```sh run ```` are run as they stand.
//! - Options and links in the text exist.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod command;
mod document;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use zre_tests::skip;

use crate::command::Programs;
use crate::document::{Document, all, repository};

/// What a block can be, beside Rust and shell: nothing that can be run.
const LANGUAGES: [&str; 3] = ["text", "toml", "json"];

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_block_says_its_language() {
    let mut problems = Vec::new();
    for document in all() {
        for block in document.blocks() {
            let known = match block.language() {
                "rust" | "c" | "python" | "sh" | "console" => true,
                other => LANGUAGES.contains(&other),
            };
            if !known {
                let language = block.language();
                problems.push(format!("{}: no such language: {language:?}", block.place()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_program_in_c_compiles() {
    if Command::new("cc").arg("--version").output().is_err() {
        skip!("there is no C compiler (cc)");
    }
    let mut problems = Vec::new();
    let mut programs = 0;
    for document in all() {
        for block in document.blocks().filter(|block| block.language() == "c") {
            programs += 1;
            let mut compiler = Command::new("cc")
                .args([
                    "-std=c11",
                    "-Wall",
                    "-Wextra",
                    "-Werror",
                    "-fsyntax-only",
                    "-x",
                    "c",
                ])
                .arg(format!(
                    "-I{}",
                    repository().join("crates/capi/include").display()
                ))
                .arg("-")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = compiler.stdin.take().unwrap();
            input.write_all(block.script().as_bytes()).unwrap();
            drop(input);
            let output = compiler.wait_with_output().unwrap();
            if !output.status.success() {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                problems.push(format!("{}: {why}", block.place()));
            }
        }
    }
    assert!(
        programs > 1,
        "the guide and the README of libzre have programs"
    );
    report(&problems);
}

#[test]
fn every_document_with_rust_in_it_is_compiled() {
    let list = fs::read_to_string(repository().join("examples/docs.rs")).unwrap();
    let mut problems = Vec::new();
    for document in all() {
        let has_rust = document.blocks().any(|block| block.language() == "rust");
        let listed = list.contains(&format!("include_str!(\"../{}\")", document.path));
        if has_rust && !listed {
            problems.push(format!("{} isn't in examples/docs.rs", document.path));
        }
        for block in document.blocks() {
            if block.language() == "rust" && block.info.contains("ignore") {
                problems.push(format!("{}: isn't compiled", block.place()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_command_is_one_that_there_is() {
    let programs = Programs::find();
    let mut problems = Vec::new();
    let mut checked = 0;
    for document in all() {
        for block in document.blocks() {
            if !matches!(block.language(), "sh" | "console") || block.is_run() {
                continue;
            }
            match shell::commands(&block.script()) {
                Ok(commands) => {
                    for command in commands {
                        checked += 1;
                        if let Err(problem) = programs.check(&command) {
                            problems.push(format!("{}: {command:?}: {problem}", block.place()));
                        }
                    }
                }
                Err(problem) => problems.push(format!("{}: {problem}", block.place())),
            }
        }
    }
    report(&problems);
    assert!(checked > 10, "only {checked} commands were found");
}

#[test]
fn what_is_to_be_run_runs() {
    let mut problems = Vec::new();
    for document in all() {
        for block in document.blocks() {
            if block.is_run()
                && let Err(problem) = shell::run(&block.script())
            {
                problems.push(format!("{}: {problem}", block.place()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_option_in_the_text_exists() {
    let known = Programs::find().options();
    let mut problems = Vec::new();
    for document in all() {
        for (line, option) in document.options() {
            if !known.contains(&option) {
                problems.push(format!("{}:{line}: no program has {option}", document.path));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_link_leads_somewhere() {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for document in all() {
        for (line, link) in document.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                repository().join(&document.path)
            } else {
                document.directory().join(path)
            };
            let place = format!("{}:{line}", document.path);
            if !target.exists() {
                problems.push(format!("{place}: there is no {path}"));
            } else if !anchor.is_empty() && !Document::at(&target).has_anchor(anchor) {
                problems.push(format!("{place}: {link} has no such heading"));
            }
            seen.insert(link);
        }
    }
    report(&problems);
    assert!(seen.len() > 10, "only these links were found: {seen:?}");
}
