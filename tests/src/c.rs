//! Programs in C, built against what this repository gives to C.

use std::path::Path;
use std::process::Command;

use crate::binary::c_libraries;

/// `libzre.a` or `libzre.so`.
pub fn library(extension: &str) -> &'static Path {
    let mut files = c_libraries().iter();
    files
        .find(|file| file.extension().is_some_and(|found| found == extension))
        .expect("both libraries are built")
}

/// Runs a command that has to succeed, and gives what it wrote to stdout.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

/// Whether these programs are all there.
pub fn have(programs: &[&str]) -> bool {
    let has = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    programs.iter().all(has)
}

/// The C compiler, with the warnings that users have.
pub fn cc() -> Command {
    let mut command = Command::new("cc");
    command.args([
        "-std=c11",
        "-D_GNU_SOURCE",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    command
}

/// What `pkg-config` says of a package, which is installed below `prefix` or by the system.
pub fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let flags = run(Command::new("pkg-config")
        .args(arguments)
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")));
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Runs `make install` in a directory of this repository, with libzre as it is built here.
pub fn install(directory: &Path, prefix: &Path, variables: &[String]) {
    let built = library("a").parent().expect("a directory");
    run(Command::new("make")
        .arg("-C")
        .arg(directory)
        .args(["install", "BUILD=true"])
        .arg(format!("BUILT={}", built.display()))
        .arg(format!("PREFIX={}", prefix.display()))
        .args(variables));
}

/// valgrind, which fails if it finds an error or a leak.
pub fn valgrind() -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["-q", "--error-exitcode=9", "--leak-check=full"])
        .arg("--errors-for-leak-kinds=definite,indirect")
        .arg("--show-leak-kinds=definite,indirect");
    command
}
