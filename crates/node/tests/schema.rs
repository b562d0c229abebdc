//! The JSON Schema of the JSON form, as it is published in docs/schema.
//!
//! `ZRE_BLESS=1 cargo test -p zre --all-features --test schema` writes it anew.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use zre::Stats;
use zre::json::{Command, Event, Line, Peer, Tagged};

/// What is written, or what is read.
#[derive(Clone, Copy)]
enum Use {
    Output,
    Input,
}

fn check<T: JsonSchema>(name: &str, title: &str, direction: Use) {
    let settings = SchemaSettings::draft2020_12();
    let settings = match direction {
        Use::Output => settings.for_serialize(),
        Use::Input => settings.for_deserialize(),
    };
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap();
    text.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.json"));
    if std::env::var_os("ZRE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published,
        text,
        "{} isn't the schema of these types: run this test with ZRE_BLESS=1",
        path.display()
    );
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    check::<Event>("event", "An event", Use::Output);
    check::<Peer>("peer", "A peer", Use::Output);
    check::<Stats>("stats", "A node's figures", Use::Output);
    check::<Tagged<Line>>("line", "A line that zre node --json writes", Use::Output);
    check::<Tagged<Command>>("command", "A line that zre node --json reads", Use::Input);
}
