//! Keys: made, used, and asked for.

use serde_json::json;

use crate::child::{Program, output, parsed, port};

/// Makes keys; returns their public one.
fn keygen(file: &str) -> String {
    let made = output(&["keygen", file]);
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[test]
fn keys_are_made_once_and_only_their_owner_can_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node").to_str().unwrap().to_owned();
    let key = keygen(&file);
    assert_eq!(key.len(), 40);
    let secret = std::fs::read_to_string(format!("{file}_secret")).unwrap();
    let public = std::fs::read_to_string(&file).unwrap();
    assert!(public.contains(&key) && !public.contains("secret-key"));
    assert!(secret.contains(&key) && secret.contains("secret-key"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(format!("{file}_secret")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
    let again = output(&["keygen", &file]);
    assert_eq!(again.status.code(), Some(1));
    let complaint = String::from_utf8(again.stderr).unwrap();
    assert!(complaint.contains("is there already"), "{complaint}");
    assert_eq!(
        std::fs::read_to_string(format!("{file}_secret")).unwrap(),
        secret
    );

    let other = format!("{file}2");
    let line = output(&["keygen", &other, "--json"]);
    let line = parsed(&String::from_utf8(line.stdout).unwrap());
    assert_eq!(
        (&line["event"], &line["file"]),
        (&json!("keys"), &json!(other))
    );
}

#[test]
fn processes_with_keys_meet_and_others_see_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (first, second, third) = (file("first"), file("second"), file("third"));
    let keys = [&first, &second, &third].map(|file| keygen(file));
    let port = port();
    let trusted = format!("{},{}", keys[0], keys[1]);
    let options = |file| ["--keys", file, "--trust", &*trusted];
    let (mut alice, _) = Program::json("alice", &port, &options(&*first));
    let (mut bob, _) = Program::json("bob", &port, &options(&*second));
    assert_eq!(alice.event("enter")["key"], json!(keys[1]));
    assert_eq!(bob.event("enter")["key"], json!(keys[0]));

    let place = ["--interface", "lo", "--beacon-port", &*port];
    let peers = |more: &[&str]| {
        let listed = output(&[&["peers"], &place[..], more].concat());
        (
            listed.status.code(),
            String::from_utf8(listed.stdout).unwrap(),
        )
    };
    let (code, lines) = peers(&["--keys", &second, "--count", "2", "--wait", "20s"]);
    assert_eq!(code, Some(0));
    let shown = format!("+{}", &keys[0][..8]);
    assert!(lines.contains(&shown), "{lines}");
    for stranger in [&[][..], &["--keys", &*third]] {
        let wait = ["--wait", "1s"];
        let (code, lines) = peers(&[stranger, &wait].concat());
        assert_eq!((code, lines.as_str()), (Some(1), ""), "{stranger:?}");
    }
    let refused = output(&[&["peers", "--keys", "/nonexistent"], &place[..]].concat());
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(complaint.contains("can't use the keys"), "{complaint}");
}
