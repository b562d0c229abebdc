//! The programs under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of the `zre` command, built when this is first called, in the
/// profile and build directory of the running test.
///
/// Cargo names a program's path only to the tests of its own package. What is
/// built already costs one look. The environment variable `ZRE_BINARY` names a
/// program built elsewhere instead.
pub fn zre() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("ZRE_BINARY") {
        Some(path) => path.into(),
        None => build(&["--bin", "zre"])
            .remove("zre")
            .expect("cargo names the zre command"),
    })
}

/// The path of the simulator, built likewise.
pub fn simulator() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        build(&["--bin", "zre-sim"])
            .remove("zre-sim")
            .expect("cargo names the simulator")
    })
}

/// The path of a program in `examples/`, built likewise, together with all of
/// them.
pub fn example(name: &str) -> &'static Path {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build(&["--examples"]));
    built.get(name).expect("an example of that name")
}

/// The libraries for C, shared and static, built likewise.
pub(crate) fn c_libraries() -> &'static [PathBuf] {
    library_files("zre")
}

/// The native part of the Python package, built likewise.
pub fn python_library() -> &'static Path {
    let files = library_files("zre_python").first();
    files.expect("cargo names the library for Python")
}

/// The files of the libraries of that name for other languages.
fn library_files(name: &str) -> &'static [PathBuf] {
    static BUILT: OnceLock<BTreeMap<String, Vec<PathBuf>>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let messages = cargo_build(&["--lib"]);
        let libraries = messages.iter().filter_map(|message| {
            let target = &message["target"];
            if target["kind"][0] != "cdylib" {
                return None;
            }
            let files = message["filenames"].as_array()?;
            let files = files.iter().filter_map(|file| Some(file.as_str()?.into()));
            Some((target["name"].as_str()?.into(), files.collect()))
        });
        libraries.collect()
    });
    built.get(name).expect("cargo names the library")
}

/// Builds these programs, and says where each is.
fn build(targets: &[&str]) -> BTreeMap<String, PathBuf> {
    let messages = cargo_build(targets);
    let executables = messages.iter().filter_map(|message| {
        let name = message["target"]["name"].as_str()?;
        Some((name.into(), message["executable"].as_str()?.into()))
    });
    executables.collect()
}

/// Builds these targets, and gives cargo's messages about them.
fn cargo_build(targets: &[&str]) -> Vec<serde_json::Value> {
    // <target directory>/<profile>/deps/<this test>
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("the profile's directory");
    let target = profile.parent().expect("the build directory");

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        // The whole workspace's features, as in `cargo test` at the root, so
        // that dependencies aren't built a second time.
        .args(["build", "--workspace"])
        .args(targets)
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "`cargo build {}` failed: {}",
        targets.join(" "),
        output.status
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
