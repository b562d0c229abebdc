//! `zre doctor` finds faults that were planted.

use std::net::UdpSocket;
use std::process::Command;

use serde_json::Value;

#[cfg(unix)]
use crate::child::clean;
use crate::child::{Program, parsed, port, zre, zre_in};
use crate::hosts::{ADDRS, Hosts};

/// What it found, and its exit code.
struct Findings {
    code: Option<i32>,
    all: Vec<Value>,
}

impl Findings {
    fn of(mut command: Command, options: &[&str]) -> Self {
        if !options.contains(&"--wait") {
            command.args(["--wait", "100ms"]);
        }
        let output = command
            .arg("--json")
            .args(options)
            .output()
            .expect("the program starts");
        let text = String::from_utf8(output.stdout).expect("text");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(complaints, "");
        Self {
            code: output.status.code(),
            all: text.lines().map(parsed).collect(),
        }
    }

    /// On the first of two hosts.
    fn on(hosts: &Hosts, options: &[&str]) -> Self {
        Self::of(zre_in(hosts.name(0), &["doctor"]), options)
    }

    fn has(&self, level: &str, check: &str, text: &str) {
        let fits = |finding: &&Value| {
            let words = finding["text"].as_str().expect("a text");
            finding["level"] == level && finding["check"] == check && words.contains(text)
        };
        assert!(
            self.all.iter().any(|finding| fits(&finding)),
            "no {level} of {check} with {text:?} in {:#?}",
            self.all
        );
    }

    /// That many problems, each with advice, and the exit code that says so.
    fn problems(&self, count: usize) {
        let problems = self.all.iter().filter(|f| f["level"] == "problem");
        let problems: Vec<&Value> = problems.collect();
        assert_eq!(problems.len(), count, "{:#?}", self.all);
        assert!(problems.iter().all(|problem| problem["advice"].is_string()));
        assert_eq!(self.code, Some(i32::from(count > 0)), "{:#?}", self.all);
    }
}

#[test]
fn a_healthy_host_has_no_problem() {
    let port = port();
    let findings = Findings::of(
        zre(&["doctor"]),
        &["--interface", "lo", "--beacon-port", &port],
    );
    findings.has("ok", "interface", "lo (127.0.0.1) is usable");
    findings.has("ok", "port", "no other program");
    findings.has("ok", "multicast", "comes back");
    findings.has("ok", "broadcast", "comes back");
    findings.has("ok", "ipc", "may use");
    findings.problems(0);

    let Some(hosts) = Hosts::new() else { return };
    let findings = Findings::on(&hosts, &[]);
    findings.has(
        "ok",
        "multicast",
        "239.90.82.69:5670 over eth0 (10.79.0.1) leaves and",
    );
    findings.has(
        "ok",
        "broadcast",
        "10.79.0.255:5670 over eth0 (10.79.0.1) leaves and",
    );
    findings.has("ok", "firewall", "nft");
    findings.problems(0);
}

#[test]
fn other_nodes_are_heard_and_greeted_and_share_the_port() {
    let port = port();
    let (_node, started) = Program::json("bob", &port, &[]);
    let endpoint = started["endpoint"].as_str().expect("text");
    let options = [
        "--interface",
        "lo",
        "--beacon-port",
        &port,
        "--wait",
        "5s",
        endpoint,
    ];
    // The last --wait counts.
    let mut command = zre(&["doctor", "--json"]);
    let output = command.args(options).output().expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let findings = Findings {
        code: output.status.code(),
        all: text.lines().map(parsed).collect(),
    };
    findings.has("note", "port", "shared with zre (process ");
    findings.has("ok", "heard", started["uuid"].as_str().expect("text"));
    findings.has("ok", "reach", "bob at");
    findings.problems(0);
}

#[test]
fn multicast_blocked_on_the_way_in_is_found() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.rule(0, "input", "iifname eth0 meta pkttype multicast drop");
    let findings = Findings::on(&hosts, &["--interface", "eth0"]);
    findings.has(
        "problem",
        "multicast",
        "over eth0 (10.79.0.1) leaves and doesn't come back",
    );
    findings.has("ok", "broadcast", "comes back");
    findings.has("note", "firewall", "pkttype multicast drop (chain input)");
    findings.problems(1);
}

#[test]
fn beacons_blocked_on_the_way_out_are_found() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.rule(0, "output", "oifname eth0 udp dport 5670 drop");
    let findings = Findings::on(&hosts, &[]);
    findings.has(
        "problem",
        "multicast",
        "over eth0 (10.79.0.1) can't be sent",
    );
    findings.has(
        "problem",
        "broadcast",
        "over eth0 (10.79.0.1) can't be sent",
    );
    findings.has(
        "ok",
        "multicast",
        "over lo (127.0.0.1) leaves and comes back",
    );
    findings.has("note", "firewall", "udp dport 5670 drop (chain output)");
    findings.problems(2);
}

#[test]
fn a_wrong_interface_is_found() {
    let findings = Findings::of(zre(&["doctor"]), &["--interface", "wlan77"]);
    findings.has("problem", "interface", "\"wlan77\"; this host has lo (");
    findings.problems(1);

    let Some(hosts) = Hosts::new() else { return };
    let down = ["-n", hosts.name(0), "link", "set", "eth0", "down"];
    let status = Command::new("ip").args(down).status().expect("ip runs");
    assert!(status.success());
    let findings = Findings::on(&hosts, &[]);
    findings.has("note", "interface", "eth0 (10.79.0.1): it is down");
    findings.has(
        "problem",
        "interface",
        "no interface but loopback is usable",
    );
    findings.problems(1);
}

#[test]
fn a_port_that_another_program_keeps_to_itself_is_found() {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a UDP port");
    let port = socket.local_addr().expect("its number").port().to_string();
    let findings = Findings::of(
        zre(&["doctor"]),
        &["--interface", "lo", "--beacon-port", &port],
    );
    let pid = std::process::id();
    findings.has(
        "problem",
        "port",
        &format!("(process {pid}), which doesn't share it"),
    );
    assert_eq!(findings.code, Some(1));
}

#[test]
fn a_ttl_of_zero_is_found() {
    let Some(hosts) = Hosts::new() else { return };
    let mut command = zre_in(hosts.name(0), &["doctor"]);
    command.env("ZRE_TTL", "0");
    let findings = Findings::of(command, &[]);
    findings.has("problem", "ttl", "keeps multicasts on this host");
    findings.problems(1);
}

#[test]
fn filtered_tcp_is_found_in_both_directions() {
    let Some(hosts) = Hosts::new() else { return };
    let arguments = ["node", "--json", "--name", "bob", "--listen", "49152"];
    let mut bob = Program::spawn(zre_in(hosts.name(1), &arguments));
    bob.event("started");
    let endpoint = format!("tcp://{}:49152", ADDRS[1]);
    let options = ["--listen", "49153", endpoint.as_str()];

    let findings = Findings::on(&hosts, &options);
    findings.has("ok", "reach", "bob at tcp://10.79.0.2:49152 greets back");
    findings.problems(0);

    hosts.rule(0, "input", "tcp dport 49153 drop");
    let findings = Findings::on(&hosts, &options);
    findings.has("ok", "reach", "accepts connections");
    findings.has(
        "problem",
        "reach",
        "accepts connections, but sends no greeting",
    );
    findings.has("note", "firewall", "tcp dport 49153 drop");
    findings.problems(1);

    hosts.rule(1, "input", "tcp dport 49152 drop");
    let findings = Findings::on(&hosts, &options);
    findings.has("problem", "reach", "tcp://10.79.0.2:49152 doesn't answer");
    findings.problems(1);
}

#[test]
fn tcp_that_is_blocked_to_a_node_that_is_heard_is_found() {
    let Some(hosts) = Hosts::new() else { return };
    let arguments = ["node", "--json", "--name", "bob", "--listen", "49152"];
    let mut bob = Program::spawn(zre_in(hosts.name(1), &arguments));
    bob.event("started");
    let options = ["--wait", "3s", "--interface", "eth0", "--listen", "49153"];

    let findings = Findings::on(&hosts, &options);
    findings.has("ok", "heard", "at 10.79.0.2:49152 over eth0");
    findings.has("ok", "reach", "bob at tcp://10.79.0.2:49152 greets back");
    findings.problems(0);

    // From here nothing can be dialled, and beacons pass.
    hosts.rule(0, "output", "tcp dport 49152 drop");
    let findings = Findings::on(&hosts, &options);
    findings.has("ok", "heard", "at 10.79.0.2:49152 over eth0");
    findings.has("problem", "reach", "tcp://10.79.0.2:49152 doesn't answer");
    findings.problems(1);
}

#[test]
fn interfaces_without_an_address_are_found() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.ip(0, "addr flush dev eth0");
    let findings = Findings::on(&hosts, &["--interface", "eth0"]);
    findings.has("problem", "interface", "eth0 has no address");
    findings.problems(1);
    let findings = Findings::on(&hosts, &["--interface", "lo,wlan77"]);
    findings.has(
        "problem",
        "interface",
        "wlan77 has no address, or doesn't exist",
    );
    findings.has("problem", "interface", "no interface but loopback");
    findings.problems(2);
    hosts.ip(0, "link set lo down");
    hosts.ip(0, "addr flush dev lo");
    let findings = Findings::on(&hosts, &[]);
    findings.has("problem", "interface", "no interface is up");
    findings.problems(1);
}

#[test]
fn dns_without_an_answer_is_found_and_people_can_read_it() {
    let output = zre(&[
        "doctor",
        "--interface",
        "lo",
        "--wait",
        "10ms",
        "--beacon-port",
        &port(),
    ])
    .args(["--dns", "zre.test", "--dns-server", "127.0.0.1:1"])
    .output()
    .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines();
    let problem = "PROBLEM  dns: no answer for _zre._tcp.zre.test";
    assert!(lines.any(|line| line.starts_with(problem)), "{text}");
    let advice = lines.next().expect("advice below it");
    assert!(advice.starts_with("         -> "), "{text}");
}

#[test]
fn nodes_in_dns_are_listed_and_a_target_without_an_address_is_found() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
    let addr = server.local_addr().expect("its address").to_string();
    std::thread::spawn(move || serve(&server));
    let port = port();
    let place = [
        "--interface",
        "lo",
        "--beacon-port",
        &port,
        "--dns-server",
        &addr,
    ];
    let look = |domain| {
        Findings::of(
            zre(&["doctor", "--no-beacon"]),
            &[&place[..], &["--dns", domain]].concat(),
        )
    };
    let findings = look("good.test");
    findings.has(
        "ok",
        "dns",
        "lists host.test. port 4711, which is 127.0.0.1",
    );
    findings.problems(0);
    let findings = look("bad.test");
    findings.has(
        "problem",
        "dns",
        "lists lost.test. port 4711, which has no address",
    );
    findings.problems(1);
    let findings = look("empty.test");
    findings.has("problem", "dns", "_zre._tcp.empty.test has no SRV records");
    findings.problems(1);
}

/// Answers one question a datagram, until the test ends.
fn serve(server: &UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = server.recv_from(&mut buffer) {
        let query = &buffer[..length];
        let end = 12 + query[12..].iter().position(|&b| b == 0).expect("a name") + 1;
        let (name, kind) = (&query[12..end], query[end + 1]);
        let contains = |label: &[u8]| name.windows(label.len()).any(|part| part == label);
        let srv = |host: &[u8]| [&[0, 0, 0, 0, 0x12, 0x67, 4], host, b"\x04test\0"].concat();
        let data = match kind {
            33 if contains(b"good") => Some(srv(b"host")),
            33 if contains(b"bad") => Some(srv(b"lost")),
            1 if contains(b"host") => Some(vec![127, 0, 0, 1]),
            _ => None,
        };
        let code = if data.is_some() { 0x80 } else { 0x83 };
        let count = u8::from(data.is_some());
        let head = [&query[..2], &[0x85, code, 0, 1, 0, count, 0, 0, 0, 0]].concat();
        let mut answer = [&head, &query[12..end + 4]].concat();
        if let Some(data) = data {
            let length = u8::try_from(data.len()).expect("short");
            answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, length]);
            answer.extend(data);
        }
        let _ = server.send_to(&answer, from);
    }
}

#[cfg(unix)]
#[test]
fn an_ipc_directory_that_others_may_write_to_is_found() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).expect("our own");
    let path = directory.path().to_str().expect("an ordinary path");
    let options = ["--interface", "lo", "--no-beacon", "--ipc", path];
    let findings = Findings::of(zre(&["doctor"]), &options);
    findings.has("problem", "ipc", "is open to others");
    findings.problems(1);
    let findings = Findings::of(zre(&["doctor"]), &[&options[..4], &["off"]].concat());
    findings.has("note", "ipc", "off");
    findings.problems(0);
}

#[cfg(unix)]
#[test]
fn a_low_limit_on_open_files_is_found() {
    let program = env!("CARGO_BIN_EXE_zre");
    let limited = |limits: &str| {
        let script = format!("ulimit {limits} && exec {program} \"$@\"");
        let mut command = clean(Command::new("sh"), &["-c", &script, "sh", "doctor"]);
        command.args(["--no-beacon", "--interface", "lo"]);
        Findings::of(command, &[])
    };
    let findings = limited("-n 128");
    findings.has(
        "problem",
        "descriptors",
        "may open 128 files (hard limit 128): enough for about 64 peers",
    );
    findings.problems(1);
    // The program raises the soft limit; only the hard limit matters.
    let findings = limited("-Sn 64 && ulimit -Hn 512");
    findings.has("note", "descriptors", "512 files (hard limit 512)");
    findings.problems(0);
}

#[test]
fn a_refusal_is_explained_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let keys = |name: &str| {
        let file = dir.path().join(name).to_str().unwrap().to_owned();
        let made = crate::child::output(&["keygen", &file]);
        (
            file,
            String::from_utf8(made.stdout).unwrap().trim().to_owned(),
        )
    };
    let ((bob, bobs), (own, ours)) = (keys("bob"), keys("own"));
    let port = port();
    let (_node, _) = Program::json("bob", &port, &["--keys", &bob, "--trust", &bobs]);
    let examine = |more: &[&str]| {
        let place = ["--interface", "lo", "--beacon-port", &port, "--wait", "5s"];
        Findings::of(zre(&["doctor"]), &[&place[..], more].concat())
    };
    let findings = examine(&[]);
    findings.has("ok", "heard", &format!("with the key {bobs}"));
    findings.has("problem", "reach", "CURVE");
    // Bob refuses us.
    examine(&["--keys", &own]).has("problem", "reach", "one that is let in here");
    // We refuse Bob.
    let findings = examine(&["--keys", &own, "--trust", &ours]);
    findings.has("problem", "reach", &format!("the key {bobs} isn't trusted"));
    findings.problems(1);
}
