use std::fs;
use std::path::Path;

use crate::{own, start};

/// Bytes that no compression and no mistake in an offset makes equal.
fn bytes(count: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(next).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn a_file_arrives_once_and_whole() {
    let room = tempfile::tempdir().unwrap();
    let inbox = room.path().join("inbox");
    let bob = own("bob");
    let mut receiver = start("files", &["receive", &bob, text(&inbox)]);
    receiver.expect("keeps files");

    // More than a queue holds, and no whole number of chunks.
    let content = bytes((20 << 20) + 7);
    let file = room.path().join("picture.jpg");
    fs::write(&file, &content).unwrap();
    for (name, content) in [("picture.jpg", content), ("empty", Vec::new())] {
        let file = room.path().join(name);
        fs::write(&file, &content).unwrap();
        let (status, lines) = start("files", &["send", &bob, text(&file)]).finish();
        assert!(status.success(), "{lines:#?}");
        assert!(lines[0].contains(&format!("({} bytes)", content.len())));
        assert!(fs::read(inbox.join(name)).unwrap() == content);
        receiver.expect("kept");
    }

    // What is there isn't overwritten.
    let mut again = start("files", &["send", &bob, text(&file)]);
    receiver.expect("there is such a file");
    let (status, _) = again.finish();
    assert_eq!(status.code(), Some(1));
    assert!(again.complaints().contains("there is such a file"));

    let (status, lines) = receiver.interrupt();
    assert!(status.success(), "{lines:#?}");
    let kept = fs::read_dir(&inbox).unwrap().count();
    assert_eq!(kept, 2, "something else was left behind");
}
