//! The codec against what a network may bring: cut, altered, overlong, huge, and
//! not UTF-8; and every message there and back.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers may fail the test"
)]

use bytes::{BufMut, Bytes};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;
use zre_proto::{
    Beacon, Command, DecodeError, Frames, Hello, Message, MessageLimits, Profile, State,
    patch_sequence, shout_header, whisper_header,
};

const CAPTURES: &str = include_str!("vectors/captures.jsonl");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// Every captured beacon and message, and one of each kind that wasn't captured.
fn samples() -> Vec<Vec<Vec<u8>>> {
    let mut samples = Vec::new();
    for line in CAPTURES.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        match line["kind"].as_str() {
            Some("beacon") => {
                samples.push(vec![unhex(line["bytes"].as_str().expect("hex"))]);
            }
            Some("zre") => samples.push(
                line["frames"]
                    .as_array()
                    .expect("frames")
                    .iter()
                    .map(|frame| unhex(frame.as_str().expect("hex")))
                    .collect(),
            ),
            _ => {}
        }
    }
    for command in [
        Command::Ping(None),
        Command::PingOk(None),
        Command::State(State::Busy),
        Command::Request {
            id: 1 << 40,
            content: ["two", "frames"].into(),
        },
        Command::Reply {
            id: 7,
            content: Some("answer".into()),
        },
        Command::Reply {
            id: 7,
            content: None,
        },
        Command::Update(Profile {
            name: "camera".into(),
            headers: [
                ("role".into(), "watch".into()),
                ("empty".into(), String::new()),
            ]
            .into(),
        }),
    ] {
        samples.push(command.encode(9).iter().map(|f| f.to_vec()).collect());
    }
    let beacon = Beacon::State {
        uuid: Uuid::from_bytes([5; 16]),
        port: 1,
        state: State::Ready,
    };
    samples.push(vec![beacon.encode().to_vec()]);
    assert!(samples.len() > 60);
    samples
}

fn frames(of: &[Vec<u8>]) -> Frames {
    of.iter().cloned().map(Bytes::from).collect()
}

fn decode(of: &[Vec<u8>]) -> Result<(u16, Command), DecodeError> {
    Command::decode(frames(of), &MessageLimits::default())
}

/// One frame: the prefix of message `id` under sequence 7, then `fields`.
fn raw(id: u8, fields: &[u8]) -> Vec<Vec<u8>> {
    let mut frame = vec![0xAA, 0xA1, id, 2, 0, 7];
    frame.extend_from_slice(fields);
    vec![frame]
}

#[test]
fn a_message_cut_anywhere_is_an_error_that_keeps_its_sequence() {
    let mut cuts = 0;
    for sample in samples() {
        let Ok((sequence, command)) = decode(&sample) else {
            continue; // a beacon
        };
        for length in 0..sample[0].len() {
            let mut cut = sample.clone();
            cut[0].truncate(length);
            let error = decode(&cut).expect_err("a part isn't the whole");
            if length < 6 {
                assert_eq!(error, DecodeError::NotZre);
            } else {
                assert!(matches!(error, DecodeError::Malformed { .. }), "{error:?}");
                assert_eq!(error.sequence(), Some(sequence));
                assert_eq!(error.id(), Some(command.id()));
            }
            cuts += 1;
        }
    }
    assert!(cuts > 500, "{cuts}");
}

#[test]
fn a_beacon_cut_anywhere_is_an_error_or_the_shorter_form() {
    for sample in samples() {
        if Beacon::decode(&sample[0]).is_err() {
            continue;
        }
        for length in 0..sample[0].len() {
            match Beacon::decode(&sample[0][..length]) {
                Ok(Beacon::Classic { .. }) => assert_eq!((length, sample[0].len()), (22, 23)),
                Ok(other) => panic!("{other:?} of {length} bytes"),
                Err(_) => {}
            }
        }
    }
}

/// What decodes after any damage must also encode, and decode to the same again.
#[test]
fn a_hundred_thousand_mutations() {
    let mut random = fastrand::Rng::with_seed(36);
    let samples = samples();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..100_000 {
        let mut sample = random.choice(&samples).expect("samples").clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..sample.len());
            mutate(&mut random, &mut sample[at]);
        }
        if random.u8(..) < 10 {
            sample.insert(random.usize(0..=sample.len()), vec![]);
        }
        let _ = Beacon::decode(&sample[0]).map(|beacon| {
            assert_eq!(beacon.encode(), sample[0]);
        });
        match decode(&sample) {
            Ok((sequence, command)) => {
                good += 1;
                // Replacement characters may push text past what the wire holds,
                // so only the second reading has to be stable.
                let again = command.encode(sequence);
                let (number, second) = Command::decode(again, &roomy()).expect("we wrote it");
                assert_eq!(number, sequence);
                assert_eq!(second.encode(sequence), second.encode(number));
                assert_eq!(second.id(), command.id());
            }
            Err(_) => bad += 1,
        }
    }
    // Damage that is always or never noticed would mean that this tests nothing.
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}

fn roomy() -> MessageLimits {
    let mut limits = MessageLimits::default();
    limits.hello_bytes = usize::MAX;
    limits.group_bytes = usize::MAX;
    limits.header_value_bytes = usize::MAX;
    limits
}

fn mutate(random: &mut fastrand::Rng, frame: &mut Vec<u8>) {
    if frame.is_empty() {
        return frame.push(random.u8(..));
    }
    let at = random.usize(0..frame.len());
    match random.u8(0..6) {
        0 => frame[at] ^= 1 << random.u8(0..8),
        1 => frame[at] = random.u8(..),
        2 => frame[at] = *random.choice(&[0, 1, 0x7f, 0x80, 0xff]).expect("one"),
        3 => frame.truncate(at),
        4 => frame.insert(at, random.u8(..)),
        _ => {
            let tail = frame.split_off(at);
            frame.extend(std::iter::repeat_with(|| random.u8(..)).take(at % 9));
            frame.extend(tail);
        }
    }
}

#[test]
fn lengths_that_overrun_name_the_field() {
    let what = |id, fields: &[u8]| match decode(&raw(id, fields)) {
        Err(DecodeError::Malformed { what, sequence, .. }) => {
            assert_eq!(sequence, 7);
            what
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(what(1, &[5, b'a']), "endpoint");
    assert_eq!(what(1, &[0, 0, 0, 0, 1, 0, 0, 0, 9, b'g']), "group name");
    assert_eq!(what(3, &[1]), "group name");
    assert_eq!(what(4, &[1, b'g']), "status");
    assert_eq!(what(5, &[255, b'g', 1]), "group name");
    assert_eq!(what(8, &[1, b'g', 32]), "challenger id");
    assert_eq!(what(9, &[1, b'g', 32]), "leader id");
    assert_eq!(what(0x80, &[]), "state");
    assert_eq!(what(0x81, &[0; 7]), "request id");
    assert_eq!(what(0x82, &[0; 7]), "request id");
    assert_eq!(what(0x82, &[0; 8]), "outcome");
}

/// 2^32 - 1 groups, headers or bytes, announced in a few bytes. An allocation by
/// the announced number would be 100 GB; that this test ends is the point.
#[test]
fn huge_counts_allocate_nothing() {
    const HUGE: [u8; 4] = [0xff; 4];
    let groups = [&[0][..], &HUGE, &[0; 64]].concat();
    let group = [&[0, 0, 0, 0, 1][..], &HUGE, &[0; 64]].concat();
    let headers = [&[0, 0, 0, 0, 0, 1, 0][..], &HUGE, &[0; 64]].concat();
    let value = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0][..], &HUGE, &[0; 64]].concat();
    for (fields, field) in [
        (groups, "groups"),
        (group, "group name"),
        (headers, "headers"),
        (value, "header value"),
    ] {
        let error = decode(&raw(1, &fields)).expect_err("not there");
        assert_eq!(
            error,
            DecodeError::Malformed {
                id: 1,
                sequence: 7,
                what: field
            }
        );
    }
}

#[test]
fn each_limit_is_told_by_name_and_keeps_the_sequence() {
    let mut limits = MessageLimits::default();
    limits.max_frames = 2;
    limits.group_bytes = 3;
    limits.name_bytes = 3;
    limits.groups_per_peer = 2;
    limits.headers = 1;
    limits.header_key_bytes = 3;
    limits.header_value_bytes = 3;
    limits.hello_bytes = 200;
    limits.header_frame_bytes = 20;
    let hello = Hello {
        endpoint: "tcp://1.2.3.4:5".to_owned(),
        groups: vec!["a".to_owned(), "b".to_owned()],
        status: 2,
        name: "abc".to_owned(),
        headers: [("key".to_owned(), "val".to_owned())].into(),
    };
    let told = |command: Command| match Command::decode(command.encode(7), &limits) {
        Ok(_) => None,
        Err(DecodeError::Limit {
            id, sequence, what, ..
        }) => {
            assert_eq!((id, sequence), (command.id(), 7));
            Some(what)
        }
        Err(other) => panic!("{other:?}"),
    };
    let with = |change: fn(&mut Hello)| {
        let mut hello = hello.clone();
        change(&mut hello);
        told(Command::Hello(hello))
    };
    assert_eq!(with(|_| {}), None);
    assert_eq!(with(|h| h.groups.push("c".to_owned())), Some("groups"));
    assert_eq!(
        with(|h| h.groups = vec!["abcd".to_owned()]),
        Some("group name")
    );
    assert_eq!(with(|h| h.name.push('d')), Some("node name"));
    assert_eq!(
        with(|h| h.headers = (0..18).map(|n| (n.to_string(), String::new())).collect()),
        Some("headers"),
        "one, and 16 that nodes set for each other"
    );
    assert_eq!(
        with(|h| h.headers = [("long".to_owned(), String::new())].into()),
        Some("header name")
    );
    assert_eq!(
        with(|h| h.headers = [("k".to_owned(), "long".to_owned())].into()),
        Some("header value")
    );
    assert_eq!(
        with(|h| h.endpoint = "x".repeat(200)),
        Some("header frame bytes")
    );
    let group = |name: &str| Command::Join {
        group: name.into(),
        status: 0,
    };
    assert_eq!(told(group("abc")), None);
    assert_eq!(told(group("abcd")), Some("group name"));
    assert_eq!(told(group(&"a".repeat(100))), Some("header frame bytes"));
    let whisper = |frames: usize| Command::Whisper {
        content: vec!["x".to_owned(); frames].into(),
    };
    assert_eq!(told(whisper(2)), None);
    assert_eq!(told(whisper(3)), Some("content frames"));
    let shout = Command::Shout {
        group: "g".into(),
        content: vec!["x".to_owned(); 3].into(),
    };
    assert_eq!(told(shout), Some("content frames"));
}

#[test]
fn what_is_not_ours_is_told_apart() {
    let decode = |frame: &[u8]| decode(&[frame.to_vec()]).expect_err("not ours");
    assert_eq!(
        Command::decode(Frames::new(), &MessageLimits::default()),
        Err(DecodeError::NotZre)
    );
    assert_eq!(decode(b""), DecodeError::NotZre);
    assert_eq!(decode(b"GET / HTTP/1.1"), DecodeError::NotZre);
    assert_eq!(decode(b"\xAA\xA0\x01\x02\x00\x01"), DecodeError::NotZre);
    assert_eq!(decode(b"\xAA\xA1\x06\x01\x00\x01"), DecodeError::Version(1));
    let unknown = decode(b"\xAA\xA1\x0B\x02\x01\x02rest");
    assert_eq!(
        unknown,
        DecodeError::UnknownCommand {
            id: 11,
            sequence: 0x0102
        }
    );
    assert_eq!(unknown.sequence(), Some(0x0102));
    assert_eq!(DecodeError::Version(1).sequence(), None);
}

#[test]
fn a_token_stands_behind_the_fields_of_ping_and_its_answer() {
    for (command, id) in [
        (Command::Ping(Some(0x0102)), 6),
        (Command::PingOk(Some(0x0102)), 7),
    ] {
        let frames = command.encode(9);
        let wire = [0xAA, 0xA1, id, 2, 0, 9, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(frames.iter().collect::<Vec<_>>(), [&wire[..]]);
        let read = Command::decode(frames, &MessageLimits::default());
        assert_eq!(read, Ok((9, command)));
    }
}

/// As C Zyre, which reads its fields and looks no further.
#[test]
fn bytes_after_the_fields_are_ignored() {
    for sample in samples() {
        let Ok(plain) = decode(&sample) else { continue };
        let mut longer = sample.clone();
        // A token may follow.
        if let Command::Ping(None) | Command::PingOk(None) = plain.1 {
            longer[0].extend_from_slice(b"shorter");
        } else {
            longer[0].extend_from_slice(b"later versions may say more");
        }
        assert_eq!(decode(&longer), Ok(plain.clone()));
        let has_content = matches!(
            plain.1,
            Command::Whisper { .. }
                | Command::Shout { .. }
                | Command::Request { .. }
                | Command::Reply { .. }
        );
        if !has_content {
            longer.push(b"a frame too many".to_vec());
            assert_eq!(decode(&longer), Ok(plain));
        }
    }
}

/// pyre says how many characters a name has where the wire has bytes.
#[test]
fn text_that_is_not_utf8_is_read_all_the_same() {
    let mut fields = vec![0u8];
    fields.put_u32(1);
    fields.put_u32(2);
    fields.put_slice(b"g\xC3");
    fields.put_slice(&[1, 3]);
    fields.put_slice("né".as_bytes().get(..3).expect("whole"));
    fields.put_u32(2);
    for value in [&b"\xff"[..], b"last"] {
        fields.put_slice(b"\x01k");
        fields.put_u32(u32::try_from(value.len()).expect("short"));
        fields.put_slice(value);
    }
    let (_, Command::Hello(hello)) = decode(&raw(1, &fields)).expect("a HELLO") else {
        panic!("not a HELLO");
    };
    assert_eq!(hello.groups, ["g\u{fffd}"]);
    assert_eq!(hello.name, "né");
    assert_eq!(hello.headers, [("k".to_owned(), "last".to_owned())].into());
    let join = decode(&raw(4, b"\x02n\xC3\x01"));
    let group = "n\u{fffd}".into();
    assert_eq!(join, Ok((7, Command::Join { group, status: 1 })));
}

/// Each byte that is no UTF-8 becomes three: no limit is passed for that.
#[test]
fn replacement_characters_pass_no_limit() {
    let mut limits = MessageLimits::default();
    limits.hello_bytes = 1000;
    let hello = |values: u8| {
        let mut fields = vec![0u8];
        fields.put_u32(1);
        fields.put_u32(200);
        fields.put_slice(&[0xff; 200]);
        fields.put_slice(&[1, 0]);
        fields.put_u32(values.into());
        for key in 0..values {
            fields.put_slice(&[2, b'k', b'0' + key]);
            fields.put_u32(100);
            fields.put_slice(&[0xff; 100]);
        }
        let frames = raw(1, &fields).into_iter().map(Bytes::from).collect();
        Command::decode(frames, &limits)
    };
    let Ok((7, Command::Hello(read))) = hello(2) else {
        panic!("{:?}", hello(2));
    };
    assert_eq!(read.groups, ["\u{fffd}".repeat(85)]);
    assert_eq!(read.groups[0].len(), limits.group_bytes);
    assert_eq!(read.headers["k0"].len(), 300);
    let read = Command::Hello(read);
    assert_eq!(Command::decode(read.encode(7), &limits), Ok((7, read)));
    // 5 values are 756 bytes, and 1,811 as text.
    let what = "bytes as text";
    let limited = matches!(hello(5), Err(DecodeError::Limit { what: w, .. }) if w == what);
    assert!(limited, "{:?}", hello(5));
    let join = [&b"\xff"[..], &[0xff; 255]].concat();
    let Ok((_, Command::Join { group, .. })) = decode(&raw(4, &[&join, &b"\x01"[..]].concat()))
    else {
        panic!("not a JOIN");
    };
    assert_eq!(&*group, "\u{fffd}".repeat(85));
}

#[test]
fn content_is_handed_over_without_a_copy() {
    let content = Bytes::from(vec![1u8; 1000]);
    let whisper = Command::Whisper {
        content: content.clone().into(),
    };
    let frames = whisper.encode(1);
    assert_eq!(frames[1].as_ptr(), content.as_ptr());
    assert!(frames.len() <= Frames::IN_PLACE);
    let (_, decoded) = Command::decode(frames, &MessageLimits::default()).expect("ours");
    let Command::Whisper { content: got } = decoded else {
        panic!("not a WHISPER");
    };
    assert_eq!(got.frames()[0].as_ptr(), content.as_ptr());
    assert!(got.into_frames().len() <= Frames::IN_PLACE);
}

#[test]
fn a_header_built_apart_is_the_one_that_encode_builds() {
    let content = Message::from("x");
    for group in ["", "chat", &"é".repeat(127), &"é".repeat(128)] {
        let shout = Command::Shout {
            group: group.into(),
            content: content.clone(),
        };
        let mut header = shout_header(group, 1);
        assert_eq!(shout.encode(1)[0], *header);
        patch_sequence(&mut header, 0xFEDC);
        assert_eq!(shout.encode(0xFEDC)[0], *header);
    }
    let whisper = Command::Whisper { content };
    let mut header = whisper_header(1);
    patch_sequence(&mut header, 515);
    assert_eq!(whisper.encode(515)[0], *header);
    let mut short = [1, 2, 3, 4, 5];
    patch_sequence(&mut short, 9);
    assert_eq!(short, [1, 2, 3, 4, 5]);
}

fn name() -> impl Strategy<Value = String> {
    // At most 60 characters of at most 4 bytes: what a `string` holds.
    "\\PC{0,60}"
}

fn content() -> impl Strategy<Value = Message> {
    vec(vec(any::<u8>(), 0..40), 0..6).prop_map(Message::from)
}

fn command() -> impl Strategy<Value = Command> {
    let hello = (
        name(),
        vec(name(), 0..8),
        any::<u8>(),
        name(),
        btree_map(name(), "\\PC{0,100}", 0..8),
    )
        .prop_map(|(endpoint, groups, status, name, headers)| {
            Command::Hello(Hello {
                endpoint,
                groups,
                status,
                name,
                headers,
            })
        });
    let group = || name().prop_map(zre_proto::Str::from);
    prop_oneof![
        hello,
        content().prop_map(|content| Command::Whisper { content }),
        (group(), content()).prop_map(|(group, content)| Command::Shout { group, content }),
        (group(), any::<u8>()).prop_map(|(group, status)| Command::Join { group, status }),
        (group(), any::<u8>()).prop_map(|(group, status)| Command::Leave { group, status }),
        Just(Command::Ping(None)),
        Just(Command::PingOk(None)),
        (group(), group()).prop_map(|(group, challenger_id)| Command::Elect {
            group,
            challenger_id
        }),
        (group(), group()).prop_map(|(group, leader_id)| Command::Leader { group, leader_id }),
        Just(Command::Goodbye),
        any::<u8>().prop_map(|octet| Command::State(State::from(octet))),
        (any::<u64>(), content()).prop_map(|(id, content)| Command::Request { id, content }),
        (any::<u64>(), proptest::option::of(content()))
            .prop_map(|(id, content)| Command::Reply { id, content }),
        (name(), btree_map(name(), "\\PC{0,100}", 0..8))
            .prop_map(|(name, headers)| Command::Update(Profile { name, headers })),
    ]
}

fn beacon() -> impl Strategy<Value = Beacon> {
    let head = (any::<u128>().prop_map(Uuid::from_u128), any::<u16>());
    (head, any::<Option<Result<u8, ([u8; 32], Option<u8>)>>>()).prop_map(|((uuid, port), rest)| {
        match rest {
            None => Beacon::Classic { uuid, port },
            Some(Ok(octet)) => Beacon::State {
                uuid,
                port,
                state: State::from(octet),
            },
            Some(Err((public_key, state))) => Beacon::Curve {
                uuid,
                port,
                public_key,
                state: state.map(State::from),
            },
        }
    })
}

proptest! {
    #[test]
    fn a_command_comes_back_as_it_went(command in command(), sequence: u16) {
        let frames = command.encode(sequence);
        prop_assert_eq!(Command::decode(frames, &MessageLimits::default()), Ok((sequence, command)));
    }

    #[test]
    fn a_beacon_comes_back_as_it_went(beacon in beacon()) {
        prop_assert_eq!(Beacon::decode(&beacon.encode()), Ok(beacon));
    }

    #[test]
    fn no_bytes_panic(frame in vec(any::<u8>(), 0..200), id: u8) {
        let _ = Beacon::decode(&frame);
        let _ = decode(std::slice::from_ref(&frame));
        let _ = decode(&raw(id, &frame));
    }

    #[test]
    fn no_text_panics_an_endpoint(text in "(tcp://|ipc://)?[\\[\\]a-f0-9:.%*@/ é-]{0,40}") {
        if let Ok(endpoint) = text.parse::<zre_proto::Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint.clone()));
            let wire = zre_proto::Endpoint::from_wire(&endpoint.to_wire());
            prop_assert_eq!(wire, Ok(endpoint.with_scope(0)));
        }
    }
}
