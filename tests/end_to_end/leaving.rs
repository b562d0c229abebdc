//! Every way a node goes, as its peers see it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use serde_json::json;
use zre_tests::{Node, Options, alone, beacon, beacon_port, fresh_uuid, ipc_directory, together};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 71, 2);
const EXIT: u8 = 2;

fn meet(options: impl Fn(Options) -> Options) -> (Node, Node, u16) {
    let port = beacon_port();
    let mut alice = options(Node::options("alice", port)).start();
    let mut bob = options(Node::options("bob", port)).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    (alice, bob, port)
}

/// kill -9 of bob, on the link named.
fn killed(ipc: &str, link: &str) {
    let _turn = alone();
    let port = beacon_port();
    let start = |name| Node::options(name, port).with("--ipc", ipc).start();
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    assert_eq!(alice.expect_enter(&bob).text("link"), link);
    assert_eq!(bob.expect_enter(&alice).text("link"), link);
    let uuid = bob.uuid.clone();
    let killed = Instant::now();
    bob.kill();
    let exit = alice.expect_exit(&uuid);
    assert_eq!(exit.text("reason"), "disconnected");
    assert_eq!(exit.text("name"), "bob");
    let took = exit.at - killed;
    assert!(took < Duration::from_secs(1), "it took {took:?}");
}

#[test]
fn a_killed_process_exits_within_a_second_over_tcp() {
    killed("off", "tcp");
}

#[test]
fn a_killed_process_exits_within_a_second_over_ipc() {
    let (_directory, ipc) = ipc_directory();
    killed(ipc.to_str().unwrap(), "ipc");
}

#[test]
fn an_exit_beacon_is_believed_of_a_frozen_process_and_not_of_one_that_answers() {
    let _turn = alone();
    let (mut alice, mut bob, port) = meet(|options| {
        options
            .with("--multicast", GROUP)
            .with("--broadcast", "off")
            .with("--ipc", "off")
    });
    let said = beacon::with_state(&bob.uuid, beacon::port_of(&bob.endpoint), EXIT);
    // To a younger session, a late EXIT of the process before isn't reported.
    std::thread::sleep(Duration::from_millis(2100));
    beacon::send(SocketAddrV4::new(GROUP, port), &said);
    alice.expect("state", |event| event.text("to") == "exit");
    alice.expect("state", |event| event.text("to") == "ready");
    assert!(bob.runs(), "bob himself never left");
    bob.freeze();
    std::thread::sleep(Duration::from_millis(20)); // Each beacon is judged for itself.
    let sent = Instant::now();
    beacon::send(SocketAddrV4::new(GROUP, port), &said);
    let exit = alice.expect_exit(&bob.uuid);
    assert_eq!(exit.text("reason"), "goodbye");
    let took = exit.at - sent;
    assert!(took < Duration::from_millis(300), "it took {took:?}");
}

#[test]
fn shutdown_delivers_ten_thousand_queued_whispers_before_the_exit() {
    const COUNT: usize = 10_000;
    let _turn = together();
    let (mut alice, mut bob, _) = meet(|options| options);
    let commands: String = (0..COUNT)
        .map(|number| {
            let frames = [number.to_string(), "x".repeat(100)];
            let line = json!({ "cmd": "whisper", "peer": bob.uuid, "frames": frames });
            format!("{line}\n")
        })
        .collect();
    alice.write(&commands);
    assert!(alice.stop().success());

    let mut next = 0;
    loop {
        let event = bob.next_event();
        match event.kind() {
            "whisper" => {
                assert_eq!(event.frames()[0], next.to_string());
                next += 1;
            }
            "exit" => {
                assert_eq!(event.text("reason"), "goodbye");
                break;
            }
            _ => {}
        }
    }
    assert_eq!(next, COUNT);
}

#[test]
fn sigterm_says_goodbye() {
    let _turn = together();
    let (mut alice, mut bob, _) = meet(|options| options);
    bob.terminate();
    assert_eq!(alice.expect_exit(&bob.uuid).text("reason"), "goodbye");
    bob.expect("stopped", |_| true);
    assert!(bob.ended().success());
}

#[test]
fn sigint_says_goodbye() {
    let _turn = together();
    let (mut alice, mut bob, _) = meet(|options| options);
    bob.interrupt();
    assert_eq!(alice.expect_exit(&bob.uuid).text("reason"), "goodbye");
    bob.expect("stopped", |_| true);
    assert!(bob.ended().success());
}

#[test]
fn the_end_of_its_input_stops_a_node() {
    let _turn = together();
    let (mut alice, mut bob, _) = meet(|options| options);
    bob.whisper(&alice.uuid, &["my last line"]);
    bob.close_input();
    alice.expect("whisper", |event| event.frames() == ["my last line"]);
    assert_eq!(alice.expect_exit(&bob.uuid).text("reason"), "goodbye");
    bob.expect("stopped", |_| true);
    assert!(bob.ended().success());
}

#[test]
fn a_node_that_restarts_under_its_uuid_enters_again() {
    let _turn = together();
    let port = beacon_port();
    let uuid = fresh_uuid();
    let mut alice = Node::options("alice", port).start();
    let start = || Node::options("bob", port).with("--uuid", &uuid).start();

    let mut bob = start();
    alice.expect_enter(&bob);
    assert!(bob.stop().success());
    assert_eq!(alice.expect_exit(&uuid).text("reason"), "goodbye");

    let mut bob = start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    bob.kill();
    assert_eq!(alice.expect_exit(&uuid).text("reason"), "disconnected");

    let mut bob = start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    alice.whisper(&uuid, &["welcome back"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["welcome back"]);
}
