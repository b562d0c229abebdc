//! `zre bench`.

use serde_json::{Value, json};

use crate::child::{output, parsed, zre};

/// Little enough for a debug build. The figures mean nothing then.
const LITTLE: [&str; 6] = ["--messages", "200", "--visits", "1", "--rounds", "1"];

/// Runs it to its end; its lines.
fn bench(arguments: &[&str]) -> Vec<String> {
    let mut command = zre(&["bench"]);
    // It uses the loopback interface, whatever other commands are to use.
    command.env("ZRE_INTERFACE", "there-is-none");
    let done = command.args(LITTLE).args(arguments).output();
    let done = done.expect("the program starts");
    let errors = String::from_utf8(done.stderr).expect("text");
    assert_eq!((done.status.code(), errors.as_str()), (Some(0), ""));
    let text = String::from_utf8(done.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn links() -> Vec<&'static str> {
    match cfg!(unix) {
        true => vec!["tcp", "ipc", "inproc"],
        false => vec!["tcp", "inproc"],
    }
}

#[test]
fn scripts_get_every_figure() {
    let lines = bench(&["--json", "--sizes", "100,2k"]);
    let mut lines: Vec<Value> = lines.iter().map(|line| parsed(line)).collect();
    let top = lines.remove(0);
    assert_eq!(
        (&top["event"], &top["rounds"]),
        (&json!("bench"), &json!(1))
    );
    assert!(top["cores"].as_u64() > Some(0));

    let mut expected = Vec::new();
    for size in [100, 2048] {
        for frames in [1, 2] {
            expected.extend(links().into_iter().map(
                |link| json!({"event": "whisper", "link": link, "size": size, "frames": frames}),
            ));
        }
    }
    for size in [100, 2048] {
        for senders in [1, 2, 4, 8] {
            expected.extend(links().into_iter().map(
                |link| json!({"event": "senders", "link": link, "size": size, "senders": senders}),
            ));
        }
    }
    for size in [100, 2048] {
        for nodes in [1, 4, 16, 64] {
            expected.extend(links().into_iter().map(
                |link| json!({"event": "fan-in", "link": link, "size": size, "nodes": nodes}),
            ));
        }
    }
    for size in [100, 2048] {
        let trip = |link| json!({"event": "trip", "link": link, "size": size});
        expected.extend(links().into_iter().map(trip));
    }
    for size in [100, 2048] {
        for receivers in [1, 4, 16, 64] {
            expected.extend(links().into_iter().map(
                |link| json!({"event": "shout", "link": link, "size": size, "receivers": receivers}),
            ));
        }
    }
    let meet = |link| json!({"event": "meet", "link": link});
    expected.extend(links().into_iter().map(meet));
    for link in links() {
        expected.push(json!({"event": "leave", "link": link, "how": "stop"}));
        if link != "inproc" {
            expected.push(json!({"event": "leave", "link": link, "how": "kill"}));
        }
    }

    let figures = |kind: &Value| match kind.as_str() {
        Some("whisper" | "senders" | "fan-in" | "shout") => &["per_second"][..],
        Some("trip") => &["p50_us", "p99_us", "p999_us"],
        _ => &["median_ms", "best_ms", "worst_ms"],
    };
    for line in &mut lines {
        for name in figures(&line["event"]) {
            let figure = line.as_object_mut().unwrap().remove(*name);
            let figure = figure.and_then(|figure| figure.as_f64());
            assert!(figure > Some(0.0), "{name}: {figure:?} {line}");
        }
    }
    assert_eq!(lines, expected);
}

#[test]
fn people_get_a_table() {
    let what = [
        "--what",
        "trip,whisper",
        "--links",
        "inproc,tcp",
        "--sizes",
        "16",
    ];
    let lines = bench(&what);
    assert!(lines[0].starts_with("zre ") && lines[0].ends_with(", rounds: 1"));
    let at = |title: &str| lines.iter().position(|line| line == title).unwrap() + 1;
    let words = |at: usize| -> Vec<&str> { lines[at].split_whitespace().collect() };

    let whispers = at("whispers a second");
    assert_eq!(words(whispers), ["size", "frames", "tcp", "inproc"]);
    for (row, frames) in [(1, "1"), (2, "2")] {
        let words = words(whispers + row);
        assert_eq!(words[..3], ["16", "B", frames]);
        let figures: Vec<u64> = words[3..]
            .iter()
            .map(|figure| figure.replace(',', "").parse().unwrap())
            .collect();
        assert!(figures.len() == 2 && figures.iter().all(|figure| *figure > 0));
    }
    let trips = at("round trips, microseconds");
    assert_eq!(words(trips), ["size", "link", "p50", "p99", "p99.9"]);
    for (row, link) in [(1, "tcp"), (2, "inproc")] {
        let words = words(trips + row);
        assert_eq!(words[..3], ["16", "B", link]);
        let figures: Vec<f64> = words[3..].iter().map(|f| f.parse().unwrap()).collect();
        assert!(figures.is_sorted() && figures[0] > 0.0, "{figures:?}");
    }
    // Nothing that wasn't asked for.
    assert_eq!(lines.len(), trips + 3);
}

#[test]
fn settings_are_read_by_the_command_and_not_by_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("zre.toml");
    let settings = "json = true\nwait = '1s'\nport = 1\n\
                    [bench]\nwhat = ['trip']\nlinks = ['inproc', 'tcp']\nsizes = [16, '2k']";
    std::fs::write(&file, settings).unwrap();
    let lines = bench(&["--config", file.to_str().unwrap()]);
    let lines: Vec<Value> = lines.iter().map(|line| parsed(line)).collect();
    let trips: Vec<_> = lines[1..]
        .iter()
        .map(|line| {
            (
                line["link"].as_str().unwrap(),
                line["size"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [("tcp", 16), ("inproc", 16), ("tcp", 2048), ("inproc", 2048)];
    assert_eq!(trips, expected);
}

/// Peers that have met over another link would be measured as something else.
#[cfg(unix)]
#[test]
fn a_link_that_cannot_be_used_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    // Longer than the path of a unix socket may be.
    let long = directory.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let mut command = zre(&["bench", "--what", "trip", "--links", "ipc"]);
    let done = command.args(LITTLE).env("TMPDIR", &long).output().unwrap();
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no unix sockets"), "{errors}");
}

#[test]
fn wrong_options_exit_with_2() {
    for (arguments, word) in [
        (&["--what", "dance"][..], "whisper"),
        (&["--links", "tcp,carrier-pigeon"], "inproc"),
        (&["--sizes", "16,0"], "from 1 to 16M"),
        (&["--sizes", "1G"], "from 1 to 16M"),
        (&["--rounds", "0"], "1..=1000"),
        (&["--messages", "0"], "1..=100000000"),
        (&["--visits", "x"], "invalid"),
        (&["--control", "x"], "leave --control out"),
        (&["--interface", "lo"], "--interface"),
    ] {
        let done = output(&[&["bench"], arguments].concat());
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
        assert!(done.stdout.is_empty());
    }
}

/// Whatever ends the command ends the processes that it has started.
#[cfg(target_os = "linux")]
mod ending {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rustix::process::Signal;

    use crate::child::{Program, zre};

    /// It passes in full only when something is broken.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// The processes on whose command line the directory stands, and their lines.
    fn children(directory: &Path) -> Vec<(i32, String)> {
        let directory = directory.to_str().expect("text");
        let processes = std::fs::read_dir("/proc").expect("there are processes");
        let read = |process: std::fs::DirEntry| {
            let id = process.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(process.path().join("cmdline")).ok()?;
            Some((id, String::from_utf8_lossy(&line).into_owned()))
        };
        processes
            .map_while(Result::ok)
            .filter_map(read)
            .filter(|(_, line)| line.contains(directory))
            .collect()
    }

    fn wait(directory: &Path, what: &str, is: impl Fn(&[(i32, String)]) -> bool) {
        let until = Instant::now() + DEADLINE;
        loop {
            let found = children(directory);
            if is(&found) {
                return;
            }
            assert!(Instant::now() < until, "{what}: {found:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One that would run for an hour, and where its files are.
    fn long() -> (std::process::Command, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = zre(&["bench", "--what", "whisper", "--links", "tcp,ipc"]);
        command.args(["--rounds", "1000", "--messages", "100000000"]);
        command.env("TMPDIR", directory.path());
        (command, directory)
    }

    fn is_empty(directory: &Path) -> bool {
        std::fs::read_dir(directory)
            .expect("it is there")
            .next()
            .is_none()
    }

    #[test]
    fn a_signal() {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let (command, directory) = long();
            let mut program = Program::spawn(command);
            program.line("a title", |line| line == "whispers a second");
            wait(directory.path(), "both", |found| found.len() == 2);
            program.signal(signal);
            let (status, _) = program.rest();
            assert_eq!(status.code(), Some(1));
            assert_eq!(program.complaints(), "zre: interrupted\n");
            assert!(children(directory.path()).is_empty());
            assert!(is_empty(directory.path()));
        }
    }

    #[test]
    fn a_death() {
        let (command, directory) = long();
        let mut program = Program::spawn(command);
        wait(directory.path(), "both", |found| found.len() == 2);
        program.signal(Signal::KILL);
        program.ended();
        wait(directory.path(), "none", <[_]>::is_empty);
    }

    #[test]
    fn a_closed_pipe() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = zre(&["bench", "--what", "whisper", "--links", "tcp"]);
        command.args(["--rounds", "1", "--messages", "200"]);
        command.env("TMPDIR", directory.path());
        let (mut program, output) = Program::unread(command);
        drop(output);
        assert_eq!(program.ended().code(), Some(0));
        assert_eq!(program.complaints(), "");
        assert!(children(directory.path()).is_empty());
        assert!(is_empty(directory.path()));
    }

    /// A child that dies is told, and not waited for.
    #[test]
    fn the_death_of_a_child() {
        use rustix::process::{Pid, kill_process};

        let (command, directory) = long();
        let mut program = Program::spawn(command);
        wait(directory.path(), "both", |found| found.len() == 2);
        let found = children(directory.path());
        let receiver = found.iter().find(|(_, line)| line.contains("receive"));
        let receiver = receiver.and_then(|(id, _)| Pid::from_raw(*id)).unwrap();
        kill_process(receiver, Signal::KILL).unwrap();
        let (status, _) = program.rest();
        assert_eq!(status.code(), Some(1));
        let complaints = program.complaints();
        assert!(complaints.contains("has ended before"), "{complaints}");
        assert!(children(directory.path()).is_empty());
    }
}
