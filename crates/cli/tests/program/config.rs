//! The configuration file, and what comes before it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::child::{Program, output, parsed, port, zre};

/// A directory with a file in it.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("zre.toml");
    std::fs::write(&path, text).expect("a file");
    (directory, path)
}

fn name_of(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().next().unwrap_or_else(|| panic!("{errors}"));
    parsed(line)["name"].as_str().expect("a name").to_owned()
}

#[test]
fn the_command_line_comes_before_variables_and_these_before_the_file() {
    let text = "name = 'file'\ninterface = 'lo'\nno-beacon = true\n[node]\njson = true\n";
    let (_directory, path) = file(text);
    let path = path.to_str().unwrap();
    let node = |more: &[&str]| zre(&[&["node", "--config", path], more].concat());
    assert_eq!(name_of(node(&[])), "file");
    let mut command = node(&[]);
    command.env("ZRE_NAME", "variable");
    assert_eq!(name_of(command), "variable");
    let mut command = node(&["--name", "option"]);
    command.env("ZRE_NAME", "variable");
    assert_eq!(name_of(command), "option");
    // The variable that names the file.
    let mut command = zre(&["node"]);
    command.env("ZRE_CONFIG", path);
    assert_eq!(name_of(command), "file");
}

#[test]
fn the_usual_file_is_read_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("zre");
    std::fs::create_dir(&folder).unwrap();
    let text = "name = 'usual'\ninterface = 'lo'\nno-beacon = true\n";
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let mut command = zre(&["node", "--json"]);
    command.env("XDG_CONFIG_HOME", directory.path());
    command.env("APPDATA", directory.path());
    assert_eq!(name_of(command), "usual");
}

#[test]
fn a_whole_node_comes_from_a_file() {
    let port = port();
    let text = format!(
        "name = 'filed'\ninterface = ['lo']\nport = {port}\ngroup = ['lab', 'tea']\n\
         state = 'busy'\nevasive = '4s'\n[header]\nrole = 'lens'\n[chat]\nname = 'no'\n"
    );
    let (_directory, path) = file(&text);
    let (mut eye, _) = Program::json("eye", &port, &[]);
    let _filed = Program::spawn(zre(&["node", "--config", path.to_str().unwrap()]));
    let enter = eye.event("enter");
    assert_eq!(
        (&enter["name"], &enter["state"]),
        (&"filed".into(), &"busy".into())
    );
    assert_eq!(enter["headers"]["role"], "lens");
    assert_eq!(eye.event("join")["group"], "lab");
    assert_eq!(eye.event("join")["group"], "tea");
}

#[test]
fn what_is_wrong_with_it_is_told_with_its_line() {
    for (text, words) in [
        ("naem = 'x'", ["zre.toml:1", "did you mean \"name\"?"]),
        ("\nbeacon-port = '1'", ["zre.toml:2", "a whole number"]),
        ("[peers]\nwait = '5'", ["zre.toml:2", "250ms"]),
        ("name", ["zre.toml:1", "expected"]),
    ] {
        let (_directory, path) = file(text);
        let output = output(&["peers", "--config", path.to_str().unwrap()]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {errors}");
        for word in words {
            assert!(errors.contains(word), "{text}: {errors}");
        }
    }
    let output = output(&["peers", "--config", "/there/is/none.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("none.toml")
    );
}

#[test]
fn help_and_the_manual_tell_what_comes_first() {
    for arguments in [&["--help"][..], &["man"]] {
        let text = String::from_utf8(output(arguments).stdout).unwrap();
        for word in ["the command line", "its variable", "config.toml"] {
            assert!(text.contains(word), "{word} isn't in\n{text}");
        }
    }
}
