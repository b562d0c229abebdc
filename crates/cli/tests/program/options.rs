//! Help, wrong options, and settings from the environment.

use std::net::TcpListener;

use serde_json::json;

use crate::child::{Program, output, parsed, port, zre};

#[test]
fn help_teaches_with_an_example() {
    let top = output(&["--help"]);
    assert!(top.status.success());
    let text = String::from_utf8(top.stdout).unwrap();
    for word in ["chat", "node", "Example", "zre chat --name alice"] {
        assert!(text.contains(word), "{word} isn't in\n{text}");
    }
    for subcommand in ["node", "chat"] {
        let help = output(&[subcommand, "--help"]);
        assert!(help.status.success());
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(text.contains("Example"), "{text}");
    }
    let help = String::from_utf8(output(&["node", "--help"]).stdout).unwrap();
    for command in [
        "join", "leave", "whisper", "shout", "state", "peers", "stop",
    ] {
        assert!(
            help.contains(&format!("{{\"cmd\":\"{command}\"")),
            "{command}"
        );
    }
}

#[test]
fn each_setting_is_an_option_with_its_default_and_its_variable() {
    for subcommand in ["node", "chat", "peers", "doctor"] {
        let text = String::from_utf8(output(&[subcommand, "--help"]).stdout).unwrap();
        let (_, text) = text.split_once("\nWho:\n").unwrap();
        let (text, _) = text.split_once("\nThrough a running node:").unwrap();
        let paragraphs = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut options: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--"))
            .filter_map(|line| line.split([' ', '[']).next())
            .collect();
        let mut keys: Vec<String> = zre::Settings::keys()
            .iter()
            .map(|setting| setting.key().replace('_', "-"))
            .collect();
        options.sort_unstable();
        keys.sort_unstable();
        assert_eq!(options, keys, "{subcommand}");
        let text = paragraphs(text);
        for setting in zre::Settings::keys() {
            let variable = format!("[env: ZRE_{}]", setting.key().to_uppercase());
            assert!(text.contains(&variable), "{variable}: {text}");
            assert!(text.contains(&paragraphs(setting.help())), "{setting:?}");
            if let Some(default) = setting.default_text() {
                assert!(
                    text.contains(&format!("[default: {default}]"))
                        || text.contains(&default.replace(',', ", ")),
                    "{setting:?}: {text}"
                );
            }
        }
    }
    let help = String::from_utf8(output(&["listen", "--help"]).stdout).unwrap();
    assert!(help.contains("--beacon-port") && !help.contains("--evasive"));
}

#[test]
fn the_former_name_of_the_beacon_port_is_taken_and_not_shown() {
    let help = String::from_utf8(output(&["node", "--help"]).stdout).unwrap();
    assert!(!help.contains("--port") && !help.contains("ZRE_PORT"));
    let wrong = output(&["node", "--port", "0"]);
    let errors = String::from_utf8(wrong.stderr).unwrap();
    assert!(errors.contains("--beacon-port"), "{errors}");
    let mut command = zre(&["node"]);
    command.env("ZRE_PORT", "0");
    let errors = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(errors.contains("ZRE_PORT can't be \"0\""), "{errors}");
}

#[test]
fn an_empty_variable_is_unset_and_a_wrong_one_is_named() {
    for variable in [
        "ZRE_NAME",
        "ZRE_STATE",
        "ZRE_EVASIVE",
        "ZRE_CONTROL",
        "ZRE_CONFIG",
    ] {
        let mut command = zre(&["node", "--json", "--interface", "lo", "--no-beacon"]);
        command.env(variable, "");
        let mut program = Program::spawn(command);
        program.event("started");
    }
    for (variable, value, word) in [
        ("ZRE_EVASIVE", "5", "write a time"),
        ("ZRE_HEADER", "x", "KEY=VALUE"),
        ("ZRE_INPROC", "maybe", "write on or off"),
        ("ZRE_NO_BEACON", "maybe", "write on or off"),
    ] {
        let mut command = zre(&["node"]);
        command.env(variable, value);
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let named = format!("error: {variable} can't be {value:?}: ");
        assert!(errors.contains(&named) && errors.contains(word), "{errors}");
    }
    // It is nobody's business where no node runs.
    let mut command = zre(&["completions", "bash"]);
    command.env("ZRE_EVASIVE", "5");
    assert!(command.output().unwrap().status.success());
}

#[test]
fn a_variable_doesn_t_make_its_option_look_required() {
    let mut command = zre(&["whisper"]);
    command.env("ZRE_INTERFACE", "lo");
    let errors = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(errors.contains("Usage: zre whisper"), "{errors}");
    assert!(!errors.contains("--interface"), "{errors}");
}

#[test]
fn wrong_options_are_told_and_exit_with_2() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["dance"], "dance"),
        (&["node", "--wrong"], "--wrong"),
        (&["node", "--uuid", "12"], "32 hex digits"),
        (&["node", "--header", "novalue"], "KEY=VALUE"),
        (&["node", "--header", "=x"], "KEY=VALUE"),
        (&["node", "--beacon-port", "0"], "1 to 65535"),
        (&["node", "--port", "65536"], "1 to 65535"),
        (
            &["node", "--multicast", "10.1.2.3"],
            "the setting broadcast",
        ),
        (&["node", "--multicast", "nowhere"], "[ff02::1]:5670"),
        (
            &["node", "--multicast", "off", "--multicast", "239.1.2.3"],
            "only one of these",
        ),
        (
            &["node", "--broadcast", "239.1.2.3"],
            "the setting multicast",
        ),
        (&["node", "--broadcast", "[::1]:5670"], "IPv6"),
        (&["node", "--ttl", "256"], "0 to 255"),
        (&["node", "--interval", "5"], "250ms"),
        (&["node", "--interval", "0s"], "10ms"),
        (&["node", "--evasive", "1000y"], "1day"),
        (&["node", "--state", "exit"], "busy"),
        (&["node", "--state", "sideways"], "busy"),
        (&["node", "--peer", "192.168.1.2:5670"], "tcp://"),
        (&["node", "--ipc", ""], "directory"),
        (&["node", "--inproc", "maybe"], "on or off"),
        (&["node", "--engine", "steam"], "native"),
        (&["node", "--engine", "nativ"], "did you mean \"native\"?"),
        (&["node", "--interface", ""], "an interface's name"),
        (&["chat", "--dance"], "--dance"),
    ];
    for (arguments, word) in cases {
        let output = output(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_node_that_cannot_start_says_why_and_exits_with_1() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = holder.local_addr().unwrap().port().to_string();
    let long = "x".repeat(300);
    let cases: &[(&[&str], &str)] = &[
        (&["--interface", "there-is-none"], "there-is-none"),
        (&["--interface", "lo", "--name", &long], "255"),
        (&["--interface", "lo", "--group", ""], "group"),
        (
            &["--interface", "lo", "--evasive", "9s", "--expired", "3s"],
            "longer than evasive",
        ),
        (
            &["--interface", "lo", "--ipc", "/dev/null"],
            if cfg!(unix) {
                "/dev/null"
            } else {
                "set ipc to off"
            },
        ),
        (
            &["--interface", "lo", "--advertise", "tcp://0.0.0.0:1"],
            "can't be advertised",
        ),
        (
            &["--interface", "lo", "--dns-service", "_a._tcp"],
            "set dns too",
        ),
        (
            &["--interface", "lo", "--no-beacon", "--listen", &in_use],
            &in_use,
        ),
    ];
    for (options, word) in cases {
        let mut arguments = vec!["node"];
        arguments.extend_from_slice(options);
        let output = output(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}: {errors}");
        assert!(errors.starts_with("zre: "), "{options:?}: {errors}");
        assert!(errors.contains(word), "{options:?}: {errors}");
        assert!(output.stdout.is_empty(), "{options:?}");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let mut command = zre(&["node", "--json"]);
    command.env("ZRE_INTERFACE", "lo");
    command.env("ZRE_BEACON_PORT", port());
    command.env("ZRE_NAME", "environ");
    command.env("ZRE_UUID", "0A".repeat(16));
    command.env("ZRE_NO_BEACON", "1");
    let mut program = Program::spawn(command);
    let started = program.event("started");
    assert_eq!(started["name"], "environ");
    assert_eq!(started["uuid"], "0a".repeat(16));
    let endpoint = started["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("tcp://127.0.0.1:"), "{endpoint}");
}

#[test]
fn every_option_is_taken_and_peers_meet_by_address_alone() {
    let directory = tempfile::tempdir().unwrap();
    let ipc = match cfg!(unix) {
        true => directory.path().join("ipc"),
        false => "off".into(),
    };
    let (mut alice, started) = Program::json("alice", &port(), &["--no-beacon"]);
    let endpoint = started["endpoint"].as_str().unwrap().to_owned();
    let (mut bob, _) = Program::json(
        "bob",
        &port(),
        &[
            "--group",
            "ONE",
            "--group",
            "TWO",
            "--header",
            "a=b=c",
            "--multicast",
            "239.1.2.3",
            "--multicast",
            "ff02::1",
            "--ttl",
            "0",
            "--broadcast",
            "127.255.255.255",
            "--interval",
            "250ms",
            "--evasive",
            "5s",
            "--expired",
            "1m",
            "--peer",
            &endpoint,
            "--state",
            "200",
            "--ipc",
            ipc.to_str().unwrap(),
            "--inproc",
            "off",
            "--engine",
            "native",
        ],
    );
    let enter = bob.event("enter");
    assert_eq!(enter["peer"], started["uuid"]);
    assert_eq!(enter["via"][0], "static");
    assert_eq!(enter["link"], "tcp", "the directories differ");
    let enter = alice.event("enter");
    assert_eq!(enter["headers"]["a"], "b=c");
    assert_eq!(enter["link"], "tcp");
    assert_eq!(alice.event("join")["group"], "ONE");
    assert_eq!(alice.event("join")["group"], "TWO");
    alice.say("{\"cmd\":\"peers\"}");
    assert_eq!(alice.event("peers")["peers"][0]["state"], "200");
}

#[test]
fn every_subcommand_speaks_json() {
    let help = String::from_utf8(output(&["--help"]).stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let names = commands.lines().map(str::trim_start);
    let names: Vec<&str> = names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        names.contains(&"chat") && names.contains(&"receive"),
        "{names:?}"
    );
    for name in names {
        let help = String::from_utf8(output(&[name, "--help"]).stdout).unwrap();
        assert!(help.contains("--json"), "{name}: {help}");
    }
    for (arguments, kind) in [
        (&["completions", "bash", "--json"][..], "completions"),
        (&["man", "watch", "--json"], "man"),
    ] {
        let text = String::from_utf8(output(arguments).stdout).unwrap();
        let line = crate::child::parsed(&text);
        assert_eq!(line["event"], kind);
        assert!(line["text"].as_str().unwrap().contains("zre"));
    }
}

#[test]
fn what_can_not_be_read_is_json_if_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(&config, "name = 5").unwrap();
    let config = config.to_str().unwrap();
    for (arguments, why) in [
        (&["--config", config, "peers", "--json"][..], "config.toml"),
        (&["peers", "--json", "--bogus"], "--bogus"),
        (&["ping", "--json"], "not provided"),
        (&["peers", "--json", "--beacon-port", "x"], "--beacon-port"),
        (
            &["doctor", "--json", "--control", "z"],
            "leave --control out",
        ),
    ] {
        let output = output(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let line = parsed(errors.trim_end());
        assert_eq!(
            (&line["event"], &line["code"]),
            (&json!("error"), &json!("usage"))
        );
        assert!(line["message"].as_str().unwrap().contains(why), "{line}");
    }
    let plain = output(&["peers", "--bogus", "--", "--json"]);
    assert!(plain.stderr.starts_with(b"error: "));
}
