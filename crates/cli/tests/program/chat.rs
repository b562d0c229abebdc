//! `zre chat`, piped.

use crate::child::{Program, port};

#[test]
fn people_talk_in_a_group() {
    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &[]);
    alice.expect("* you are alice, in chat; /help tells more");
    let mut bob = Program::start(&["chat", "--name", "bob b"], &port, &[]);
    alice.expect("* bob b joined chat");
    bob.expect("* alice joined chat");

    alice.say("hello, all");
    bob.expect("[chat] alice: hello, all");
    bob.say("//etc is a directory");
    alice.expect("[chat] bob b: /etc is a directory");
    alice.say("/w bob b just you");
    bob.expect("alice whispers: just you");
    bob.say("/busy");
    alice.expect("* bob b is busy");
    alice.say("/who");
    alice.expect("* in chat: one other");
    alice.line("bob", |line| line.starts_with("*   bob b, busy, "));
    bob.say("/ready");
    alice.expect("* bob b is ready");

    alice.say("/w nobody hello");
    alice.expect("! nobody called nobody is here; /peers lists who is");
    alice.say("/peers");
    alice.expect("* on the network: one other");
    alice.line("bob", |line| line.starts_with("*   bob b, ready, "));
    alice.say("/w");
    alice.expect("! say /w NAME TEXT");
    alice.say("/dance now");
    alice.expect("! no command /dance; /help lists them");
    alice.say("/help");
    alice.line("/who", |line| line.starts_with("/who"));

    bob.say("/quit");
    assert!(bob.rest().0.success());
    alice.expect("* bob b has gone: goodbye");
    alice.say("anybody?");
    alice.expect("! nobody else is in chat");
    alice.end_input();
    let (status, lines) = alice.rest();
    assert!(status.success());
    assert!(lines.iter().all(|line| line.starts_with('/')), "{lines:?}");
}

#[test]
fn a_script_may_talk_in_json() {
    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &[]);
    alice.expect("* you are alice, in chat; /help tells more");
    let mut bot = Program::start(&["chat", "--json", "--name", "bot"], &port, &[]);
    alice.expect("* bot joined chat");
    assert_eq!(bot.event("join")["group"], "chat");
    bot.say(r#"{"cmd":"shout","group":"chat","frames":["beep"]}"#);
    alice.expect("[chat] bot: beep");
    alice.say("hello, bot");
    assert_eq!(bot.event("shout")["frames"][0], "hello, bot");
}

#[test]
fn a_script_is_heard_although_it_ends_at_once() {
    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &["--group", "builds"]);
    alice.expect("* you are alice, in builds; /help tells more");
    let mut script = Program::start(&["chat", "--name", "ci"], &port, &["--group", "builds"]);
    script.say("done");
    script.end_input();
    alice.expect("[builds] ci: done");
    alice.expect("* ci has gone: goodbye");
    assert!(script.rest().0.success());
}

#[test]
fn what_steers_terminals_is_shown_escaped() {
    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &[]);
    alice.expect("* you are alice, in chat; /help tells more");
    let (mut mallory, _) = Program::json("mal\u{1b}[31mlory", &port, &["--group", "chat"]);
    alice.expect(r"* mal\u{1b}[31mlory joined chat");
    mallory.event("join");
    mallory.say(r#"{"cmd":"shout","group":"chat","frames":["a\u001b[2J\nb",{"base64":"/w=="}]}"#);
    alice.expect(r"[chat] mal\u{1b}[31mlory: a\u{1b}[2J\nb | (1 bytes)");
}

#[cfg(unix)]
#[test]
fn signals_let_it_leave_properly() {
    use rustix::process::Signal;

    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &[]);
    alice.expect("* you are alice, in chat; /help tells more");
    for signal in [Signal::TERM, Signal::INT] {
        let mut bob = Program::start(&["chat", "--name", "bob"], &port, &[]);
        bob.expect("* alice joined chat");
        alice.expect("* bob joined chat");
        bob.signal(signal);
        assert_eq!(bob.rest().0.code(), Some(0));
        alice.expect("* bob has gone: goodbye");
    }
}
