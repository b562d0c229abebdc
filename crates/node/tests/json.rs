//! The examples of docs/json.md are what the types read and write.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests, too"
)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use zre::json::{Command, Line, Tagged, parse_command};

fn document() -> &'static str {
    include_str!("../../../docs/json.md")
}

/// The lines in its blocks of JSON.
fn examples() -> Vec<&'static str> {
    let blocks = document().split("```json\n").skip(1);
    blocks
        .flat_map(|block| block.split("```").next().unwrap_or_default().lines())
        .collect()
}

fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn every_example_is_read_and_written_as_it_stands() {
    for example in examples() {
        let object = value(example);
        let again = if object["cmd"].is_null() {
            let line: Tagged<Line> = serde_json::from_str(example).unwrap();
            assert!(!matches!(
                line.content,
                Line::Event(zre::json::Event::Unknown)
            ));
            json!(line)
        } else {
            let command = parse_command(example);
            json!(command.unwrap_or_else(|answer| panic!("{answer:?}")))
        };
        // Defaults are written, too.
        for (field, expected) in object.as_object().unwrap() {
            assert_eq!(again[field], *expected, "{example}");
        }
    }
}

/// The words for the field `event` or `cmd` in a published schema.
fn words(schema: &str, field: &str) -> BTreeSet<String> {
    fn gather(value: &Value, field: &str, words: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                let word = value["properties"][field]["const"].as_str();
                words.extend(word.map(str::to_owned));
                object
                    .values()
                    .for_each(|value| gather(value, field, words));
            }
            Value::Array(list) => list.iter().for_each(|value| gather(value, field, words)),
            _ => {}
        }
    }
    let mut words = BTreeSet::new();
    gather(&value(schema), field, &mut words);
    assert!(words.len() > 10, "{words:?}");
    words
}

#[test]
fn every_event_command_and_answer_is_in_the_document() {
    let examples = examples();
    let examples: Vec<Value> = examples.into_iter().map(value).collect();
    let shown = |field: &str| -> BTreeSet<String> {
        let words = examples.iter().filter_map(|object| object[field].as_str());
        words.map(str::to_owned).collect()
    };
    let mut lines = words(include_str!("../../../docs/schema/line.json"), "event");
    // Too long for an example: it has a schema of its own.
    assert!(lines.remove("stats") && document().contains("`stats`"));
    assert_eq!(shown("event"), lines);
    let commands = words(include_str!("../../../docs/schema/command.json"), "cmd");
    assert_eq!(shown("cmd"), commands);
}

#[test]
fn an_answer_keeps_its_tag_and_a_command_too() {
    let command = Tagged {
        content: Command::Stop {},
        tag: Some("t".into()),
    };
    let text = serde_json::to_string(&command).unwrap();
    assert_eq!(text, r#"{"cmd":"stop","tag":"t"}"#);
    assert_eq!(parse_command(&text).unwrap(), command);
    let answer = Tagged {
        content: Line::Done,
        tag: Some("t".into()),
    };
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(text, r#"{"event":"done","tag":"t"}"#);
    assert_eq!(serde_json::from_str::<Tagged<Line>>(&text).unwrap(), answer);
}
