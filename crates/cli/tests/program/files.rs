//! `zre send-file` and `zre receive`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::child::{Program, output, parsed, port};

/// More than may be on its way at once, and no multiple of a message.
const SIZE: usize = 9_000_001;

fn content(size: usize) -> Vec<u8> {
    let mut seed = 1u32;
    let next = |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    (0..size).map(next).collect()
}

fn receiver(port: &str, directory: &Path, options: &[&str]) -> Program {
    let directory = directory.to_str().expect("text");
    let receive = ["receive", "--json", "--name", "bob", "--dir", directory];
    Program::start(&receive, port, options)
}

/// Sends a file to its end: exit code, report, complaints.
fn send(port: &str, file: &Path, options: &[&str]) -> (Option<i32>, Value, String) {
    let file = file.to_str().expect("text");
    let place = [
        "send-file",
        "bob",
        file,
        "--interface",
        "lo",
        "--beacon-port",
        port,
    ];
    let output = output(&[&place[..], &["--json", "--wait", "20s"], options].concat());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let report = text(output.stdout);
    let report = report.lines().next().map_or(Value::Null, parsed);
    (output.status.code(), report, text(output.stderr))
}

fn names(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let name = |file: std::io::Result<fs::DirEntry>| file.expect("a file").file_name();
    let mut names: Vec<String> = files
        .map(|file| name(file).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_arrives_as_it_is() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs::create_dir(&from).unwrap();
    // Windows has no such name.
    let odd = if cfg!(windows) {
        ".übe_r.bin"
    } else {
        ".übe*r.bin"
    };
    let (large, empty) = (from.join(odd), from.join("empty"));
    fs::write(&large, content(SIZE)).unwrap();
    fs::write(&empty, "").unwrap();
    // It makes its directory.
    let mut bob = receiver(&port, &to, &["--count", "2"]);
    let (code, sent, complaints) = send(&port, &large, &[]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert_eq!(
        (&sent["size"], &sent["resumed_at"]),
        (&json!(SIZE), &json!(0))
    );
    let received = bob.event("received");
    assert_eq!(received["file"], "übe_r.bin");
    assert_eq!(sent["stored"], "übe_r.bin");
    assert_eq!(received["sha256"], sent["sha256"]);
    assert_eq!(send(&port, &empty, &[]).0, Some(0));
    let (status, _) = bob.rest();
    assert!(status.success(), "{}", bob.complaints());
    assert_eq!(names(&to), ["empty", "übe_r.bin"]);
    assert_eq!(fs::read(to.join("übe_r.bin")).unwrap(), content(SIZE));
}

#[test]
fn a_directory_arrives_with_those_below_it() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs::create_dir_all(from.join("photos/2026/empty")).unwrap();
    fs::create_dir(&to).unwrap();
    // Equal content has an equal checksum, by which transfers are named.
    let files = [
        ("photos/a", "same"),
        ("photos/2026/b", "same"),
        ("photos/2026/c", ""),
    ];
    for (name, text) in files {
        fs::write(from.join(name), text).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(directory.path(), from.join("photos/link")).unwrap();
    let mut bob = receiver(&port, &to, &["--count", "3"]);
    let (code, sent, complaints) = send(&port, &from.join("photos"), &[]);
    assert_eq!(code, Some(0), "{complaints}");
    if cfg!(unix) {
        assert!(complaints.ends_with("link isn't a file and is left out\n"));
    }
    assert_eq!(
        (&sent["file"], &sent["stored"]),
        (&json!("photos/2026/b"), &json!("photos/2026/b"))
    );
    assert!(bob.rest().0.success(), "{}", bob.complaints());
    for (name, text) in files {
        assert_eq!(fs::read_to_string(to.join(name)).unwrap(), text);
    }
    assert_eq!(names(&to), ["photos"]);
    assert_eq!(names(&to.join("photos")), ["2026", "a"]);
    assert_eq!(names(&to.join("photos/2026")), ["b", "c"]);

    let (code, _, complaints) = send(&port, &from.join("photos/2026/empty"), &[]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("there is no file in the directory"),
        "{complaints}"
    );
}

#[test]
fn nothing_is_overwritten_and_nothing_sent_twice() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let to = directory.path().join("to");
    fs::create_dir(&to).unwrap();
    let file = directory.path().join("name");
    fs::write(&file, "new").unwrap();
    fs::write(to.join("name"), "precious").unwrap();
    let mut bob = receiver(&port, &to, &["--max-size", "1k"]);
    let (code, _, complaints) = send(&port, &file, &[]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("another file of that name"),
        "{complaints}"
    );
    assert!(bob.event("refused")["why"].as_str().is_some());
    assert_eq!(fs::read_to_string(to.join("name")).unwrap(), "precious");
    // The same file isn't another one.
    fs::write(&file, "precious").unwrap();
    let (code, sent, _) = send(&port, &file, &[]);
    assert_eq!((code, &sent["resumed_at"]), (Some(0), &json!(8)));
    fs::write(&file, content(1025)).unwrap();
    let (code, _, complaints) = send(&port, &file, &[]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("it is larger than the limit of"),
        "{complaints}"
    );
    drop(bob);

    let _bob = receiver(&port, &to, &["--overwrite"]);
    assert_eq!(send(&port, &file, &[]).0, Some(0));
    assert_eq!(fs::read(to.join("name")).unwrap(), content(1025));
    assert_eq!(names(&to), ["name"]);
}

#[test]
fn whoever_takes_no_files_is_told_nothing() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let file = directory.path().join("name");
    fs::write(&file, "x").unwrap();
    let (mut bob, _) = Program::json("bob", &port, &[]);
    let (code, _, complaints) = send(&port, &file, &[]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("bob doesn't accept files"),
        "{complaints}"
    );
    bob.event("exit");
    bob.end_input();
    let (_, lines) = bob.rest();
    assert!(
        lines.iter().all(|line| !line.contains("whisper")),
        "{lines:?}"
    );

    let _bob = receiver(&port, directory.path(), &["--from", "alice"]);
    let (code, _, complaints) = send(&port, &file, &["--name", "mallory"]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("from this peer aren't accepted"),
        "{complaints}"
    );
    let (code, _, complaints) = send(&port, &directory.path().join("none"), &[]);
    assert_eq!(code, Some(1));
    assert!(complaints.contains("can't be read"), "{complaints}");
}

/// Waits until there is something of a file.
fn until_begun(directory: &Path) {
    let until = Instant::now() + Duration::from_secs(30);
    let begun = || {
        let files = fs::read_dir(directory).expect("a directory").flatten();
        files.into_iter().any(|file| {
            let part = file.file_name().to_string_lossy().ends_with(".part");
            part && file.metadata().is_ok_and(|there| there.len() > 0)
        })
    };
    while !begun() {
        assert!(Instant::now() < until, "nothing comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_receiver_that_dies_and_comes_back_gets_the_rest() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let to = directory.path().join("to");
    fs::create_dir(&to).unwrap();
    let file = directory.path().join("name");
    let bytes = content(8 * SIZE);
    fs::write(&file, &bytes).unwrap();
    let mut bob = receiver(&port, &to, &[]);
    let arguments = [
        "send-file",
        "bob",
        file.to_str().unwrap(),
        "--json",
        "--wait",
        "20s",
    ];
    let mut sender = Program::start(&arguments, &port, &[]);
    until_begun(&to);
    bob.kill();
    let mut bob = receiver(&port, &to, &["--count", "1"]);
    let receiving = bob.event("receiving");
    assert!(receiving["offset"].as_u64() > Some(0), "{receiving}");
    bob.event("received");
    let (status, lines) = sender.rest();
    assert!(status.success(), "{}", sender.complaints());
    assert_eq!(parsed(&lines[0])["size"], bytes.len());
    assert!(fs::read(to.join("name")).unwrap() == bytes);
    assert_eq!(names(&to), ["name"]);
}

#[test]
fn a_sender_that_dies_goes_on_the_next_time() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let to = directory.path().join("to");
    fs::create_dir(&to).unwrap();
    let file = directory.path().join("name");
    let bytes = content(8 * SIZE);
    fs::write(&file, &bytes).unwrap();
    let mut bob = receiver(&port, &to, &[]);
    let arguments = ["send-file", "bob", file.to_str().unwrap(), "--wait", "20s"];
    let mut sender = Program::start(&arguments, &port, &[]);
    until_begun(&to);
    sender.kill();
    let broken = bob.event("broken");
    assert!(broken["offset"].as_u64() > Some(0), "{broken}");
    let (code, sent, complaints) = send(&port, &file, &[]);
    assert_eq!(code, Some(0), "{complaints}");
    assert!(sent["resumed_at"].as_u64() >= broken["offset"].as_u64());
    assert!(fs::read(to.join("name")).unwrap() == bytes);
}

/// A node that says what no sender would.
#[test]
fn a_hostile_sender_does_no_harm() {
    let (_, directory, mut bob, mut mallory) = bob_and_mallory(&["--max-size", "1M"]);
    let mut say = |packet: Value, bytes: Option<&str>| by_hand(&mut mallory, &packet, bytes);
    let id = |digit: &str| digit.repeat(64);
    // Out of the directory, with a wrong checksum.
    say(
        json!({ "do": "offer", "id": id("a"), "name": "../../escaped", "size": 3 }),
        None,
    );
    assert_eq!(bob.event("receiving")["file"], "escaped");
    say(
        json!({ "do": "data", "id": id("a"), "offset": 0 }),
        Some("abc"),
    );
    let refused = bob.event("refused");
    assert!(
        refused["why"].as_str().unwrap().contains("checksum"),
        "{refused}"
    );
    // A hole.
    say(
        json!({ "do": "offer", "id": id("b"), "name": "hole", "size": 9 }),
        None,
    );
    bob.event("receiving");
    say(
        json!({ "do": "data", "id": id("b"), "offset": 5 }),
        Some("abc"),
    );
    let refused = bob.event("refused");
    assert!(
        refused["why"].as_str().unwrap().contains("missing"),
        "{refused}"
    );
    // More than it has, larger than it may be, and plain nonsense.
    say(
        json!({ "do": "offer", "id": id("c"), "name": "more", "size": 2 }),
        None,
    );
    bob.event("receiving");
    say(
        json!({ "do": "data", "id": id("c"), "offset": 0 }),
        Some("abc"),
    );
    bob.event("refused");
    say(
        json!({ "do": "offer", "id": id("d"), "name": "huge", "size": u64::MAX }),
        None,
    );
    bob.event("refused");
    say(
        json!({ "do": "offer", "id": "../../x", "name": "x", "size": 1 }),
        None,
    );
    say(
        json!({ "do": "data", "id": id("e"), "offset": 0 }),
        Some("abc"),
    );
    // Twice the same, while it comes.
    let twice = json!({ "do": "offer", "id": id("f"), "name": "twice", "size": 9 });
    say(twice.clone(), None);
    bob.event("receiving");
    say(twice, None);
    let refused = bob.event("refused");
    assert!(
        refused["why"].as_str().unwrap().contains("already"),
        "{refused}"
    );
    // More at once than are taken.
    for digit in 1..=8 {
        let offer = json!({ "do": "offer", "id": id(&digit.to_string()), "name": "x", "size": 9 });
        say(offer, None);
    }
    let refused = bob.event("refused");
    assert!(
        refused["why"].as_str().unwrap().contains("8 files"),
        "{refused}"
    );
    assert!(!directory.path().join("escaped").exists());
    let names = names(&directory.path().join("to"));
    assert!(names.iter().all(|name| name.ends_with(".part")));
    mallory.end_input();
    for _ in 0..8 {
        bob.event("broken");
    }
}

/// A receiver, the directory whose `to` it writes in, and a node that it has met.
fn bob_and_mallory(options: &[&str]) -> (String, TempDir, Program, Program) {
    let (port, directory) = (port(), tempfile::tempdir().expect("a directory"));
    let to = directory.path().join("to");
    fs::create_dir(&to).expect("an empty place");
    let bob = receiver(&port, &to, options);
    let (mut mallory, _) = Program::json("mallory", &port, &[]);
    mallory.event("enter");
    (port, directory, bob, mallory)
}

/// A node that speaks the protocol of files by hand, to `bob`.
fn by_hand(mallory: &mut Program, packet: &Value, bytes: Option<&str>) {
    let mut frames = vec![json!("zre-file/1"), json!(packet.to_string())];
    frames.extend(bytes.map(|bytes| json!(bytes)));
    mallory.say(&json!({ "cmd": "whisper", "peer": "bob", "frames": frames }).to_string());
}

#[test]
fn a_sender_that_holds_all_places_gives_one_up() {
    let (port, directory, mut bob, mut mallory) = bob_and_mallory(&[]);
    for digit in 1..=8 {
        let id = digit.to_string().repeat(64);
        let offer = json!({ "do": "offer", "id": id, "name": "x", "size": 9 });
        by_hand(&mut mallory, &offer, None);
        bob.event("receiving");
    }
    let file = directory.path().join("honest");
    fs::write(&file, content(100_000)).unwrap();
    let (code, _, errors) = send(&port, &file, &[]);
    assert_eq!(code, Some(0), "{errors}");
    let refused = bob.event("refused");
    assert!(
        refused["why"].as_str().unwrap().contains("its place"),
        "{refused}"
    );
    assert_eq!(bob.event("received")["file"], "honest");
}

#[test]
fn what_another_sender_left_costs_the_right_one_nothing() {
    let (port, directory, mut bob, mut mallory) = bob_and_mallory(&[]);
    let bytes = content(6 << 20);
    let file = directory.path().join("honest");
    fs::write(&file, &bytes).unwrap();
    let id: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let offer = json!({ "do": "offer", "id": id, "name": "honest", "size": bytes.len() });
    by_hand(&mut mallory, &offer, None);
    bob.event("receiving");
    let data = json!({ "do": "data", "id": id, "offset": 0 });
    by_hand(&mut mallory, &data, Some("poison"));
    mallory.end_input();
    assert_eq!(bob.event("broken")["offset"], 6);
    let (code, _, errors) = send(&port, &file, &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(bob.event("receiving")["offset"], 6);
    assert_eq!(bob.event("receiving")["offset"], 0);
    assert_eq!(bob.event("received")["file"], "honest");
    assert!(fs::read(directory.path().join("to/honest")).unwrap() == bytes);
}

#[test]
fn a_directory_that_takes_no_files_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing/below");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for unusable in [missing, file] {
        let unusable = unusable.to_str().unwrap();
        let output = output(&["receive", "--interface", "lo", "--dir", unusable]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("can't make files in --dir"), "{errors}");
    }
}

#[test]
fn a_file_that_is_there_and_its_other_name_are_told() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let to = directory.path().join("to");
    fs::create_dir(&to).unwrap();
    let file = directory.path().join(".ab");
    fs::write(&file, "content").unwrap();
    let _bob = receiver(&port, &to, &[]);
    let file = file.to_str().unwrap();
    for words in ["/s)", "which was there already"] {
        let place = ["--interface", "lo", "--beacon-port", &port, "--wait", "20s"];
        let output = output(&[&["send-file", "bob", file][..], &place].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("bob has .ab, as ab (7 B, "), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn several_files_are_sent_by_one_command() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let to = directory.path().join("to");
    fs::create_dir(&to).unwrap();
    let files = ["one", "two", "three"].map(|name| {
        let file = directory.path().join(name);
        fs::write(&file, name).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let mut bob = receiver(&port, &to, &["--count", "3"]);
    let [one, two, three] = &files;
    let place = ["--interface", "lo", "--beacon-port", &port, "--wait", "20s"];
    let output = output(&[&["send-file", "bob", one, two, three, "--json"][..], &place].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let sent: Vec<Value> = text.lines().map(parsed).collect();
    assert_eq!(
        sent.iter().map(|line| &line["file"]).collect::<Vec<_>>(),
        ["one", "two", "three"]
    );
    assert!(bob.rest().0.success());
    assert_eq!(names(&to), ["one", "three", "two"]);
}

#[test]
fn several_receivers_get_the_files_even_if_one_of_them_fails() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let [bobs, carols] = ["bobs", "carols"].map(|name| {
        let to = directory.path().join(name);
        fs::create_dir(&to).unwrap();
        to
    });
    let file = directory.path().join("name");
    fs::write(&file, content(SIZE)).unwrap();
    let carols_path = carols.to_str().unwrap();
    let receive = ["receive", "--json", "--name", "carol", "--dir", carols_path];
    let mut carol = Program::start(&receive, &port, &["--count", "1"]);
    let mut bob = receiver(&port, &bobs, &["--count", "1"]);
    let (_deaf, _) = Program::json("deaf", &port, &[]);
    let place = ["--interface", "lo", "--beacon-port", &port, "--wait", "20s"];
    let file = file.to_str().unwrap();
    let send = ["send-file", "bob", "--json", file];
    let others = ["--to", "deaf", "--to", "carol"];
    let output = output(&[&send[..], &others, &place].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    assert_eq!(parsed(complaints.trim_end())["code"], "unsupported");
    let sent: Vec<Value> = text.lines().map(parsed).collect();
    let receivers: Vec<&Value> = sent.iter().map(|line| &line["name"]).collect();
    assert_eq!(receivers, ["bob", "carol"]);
    assert!(bob.rest().0.success());
    assert!(carol.rest().0.success());
    for to in [bobs, carols] {
        assert!(fs::read(to.join("name")).unwrap() == content(SIZE));
    }
}

#[test]
fn standard_input_is_sent_under_a_name() {
    use std::io::Write as _;
    use std::process::Stdio;

    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let [to, temporary] = ["to", "temporary"].map(|name| {
        let made = directory.path().join(name);
        fs::create_dir(&made).unwrap();
        made
    });
    let mut bob = receiver(&port, &to, &["--count", "1"]);
    let send = ["send-file", "bob", "-", "--as", "photos.tar"];
    let mut command = Program::command(&send, &port);
    let variable = if cfg!(windows) { "TMP" } else { "TMPDIR" };
    let mut sender = command
        // The directory of unix sockets may be there too.
        .args(["--wait", "20s", "--ipc", "off"])
        .env(variable, &temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sender.stdin.take().unwrap();
    input.write_all(&content(SIZE)).unwrap();
    assert_eq!(names(&temporary).len(), 1);
    drop(input);
    let output = sender.wait_with_output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complaints}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("bob has photos.tar ("), "{text}");
    assert!(bob.rest().0.success());
    assert!(fs::read(to.join("photos.tar")).unwrap() == content(SIZE));
    assert_eq!(names(&temporary), [""; 0], "the copy is deleted");
}

#[test]
fn arguments_that_name_no_file_to_send_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for (arguments, why) in [
        (&[path][..], "there is no file in the directory"),
        (&["-"], "standard input has no name"),
        (&["-", "x", "y"], "can't be sent together with other files"),
        (&["x", "y", "--as", "z"], "--as names a single file"),
        (&["x", "--as", ""], "--as needs a name"),
    ] {
        let place = ["--interface", "lo", "--no-beacon"];
        let output = output(&[&["send-file", "bob"], arguments, &place].concat());
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(complaints.contains(why), "{arguments:?}: {complaints}");
    }
}
