//! Shell blocks: which commands they give, and running them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use zre_tests::{beacon_port, zre};

/// Commands that documents give.
const NAMES: [&str; 16] = [
    "zre",
    "cargo",
    "python3",
    "pip",
    "npm",
    "sudo",
    "ip",
    "sleep",
    "fuzz/run",
    "tests/mutants/run",
    ".ci/run",
    "cat",
    "jq",
    "make",
    "cc",
    "pkg-config",
];

const DEADLINE: Duration = Duration::from_secs(120);

/// The commands that bash finds in a script, in the order in which it runs them.
/// None of them is run: each is an impostor that notes its arguments.
pub(crate) fn commands(script: &str) -> Result<Vec<Vec<String>>, String> {
    let stage = TempDir::with_prefix("zre-docs-").expect("a temporary directory");
    let notes = stage.path().join("notes");
    let programs = stage.path().join("programs");
    for name in NAMES {
        // Those with a path are called from the root of the repository.
        let path = if name.contains('/') {
            stage.path().join(name)
        } else {
            programs.join(name)
        };
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        // One line a command: arguments quoted so that bash could read them.
        // What comes by a pipe is read, or the writer would fail.
        let impostor = format!(
            "#!{bash}\n\
             printf '%s\\0' '{name}' \"$@\" $'\\n' >>'{}'\n\
             [[ -t 0 ]] || while read -r _; do :; done\n",
            notes.display(),
            bash = bash()
        );
        fs::write(&path, impostor).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    fs::write(&notes, "").expect("a file");
    let mut command = Command::new(bash());
    command.env_clear().env("PATH", &programs);
    run_script(command, script, stage.path())?;

    let notes = fs::read_to_string(&notes).expect("notes in UTF-8");
    let mut commands = vec![Vec::new()];
    for word in notes.split_terminator('\0') {
        if word == "\n" {
            commands.push(Vec::new());
        } else if let Some(command) = commands.last_mut() {
            command.push(String::from(word));
        }
    }
    commands.pop();
    Ok(commands)
}

/// Runs a script on loopback, with the real `zre`, away from the repository.
pub(crate) fn run(script: &str) -> Result<(), String> {
    let stage = TempDir::with_prefix("zre-docs-").expect("a temporary directory");
    let programs = zre().parent().expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(programs.to_path_buf()).chain(std::env::split_paths(&path)),
    );
    let mut command = Command::new(bash());
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("ZRE_") {
            command.env_remove(key);
        }
    }
    command
        .env("PATH", path.expect("a path without colons"))
        .env("ZRE_INTERFACE", "lo")
        // Apart from other nodes on this host.
        .env("ZRE_BEACON_PORT", beacon_port().to_string());
    run_script(command, script, stage.path())
}

fn bash() -> &'static str {
    "/bin/bash"
}

/// It must succeed, as a whole and in each of its commands, within two minutes.
/// Where it doesn't, whatever it has started ends with it.
fn run_script(mut command: Command, script: &str, directory: &Path) -> Result<(), String> {
    let complaints = directory.join("complaints");
    let errors = fs::File::create(&complaints).expect("a file");
    let mut child = command
        .args(["-euo", "pipefail"])
        // So that a failure shows how far it got.
        .args(["-x", "-c", script])
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .expect("bash starts");
    let until = Instant::now() + DEADLINE;
    loop {
        let complaint = || fs::read_to_string(&complaints).unwrap_or_default();
        match child.try_wait().expect("its exit code") {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                return Err(format!("{status}: {}", complaint()));
            }
            None if Instant::now() > until => {
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                return Err(format!("it goes on: {}", complaint()));
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}
