//! JSON lines; the types are those of [`zre::json`].

use serde::Serialize;

/// Appends an object as a line.
pub(crate) fn line(object: &impl Serialize, lines: &mut Vec<u8>) {
    let before = lines.len();
    // Nothing here can fail to serialize into memory; if it ever did, half
    // a line would be worse than none.
    match serde_json::to_writer(&mut *lines, object) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;

    use crate::doctor::FindingLine;
    use crate::files::{Delivered, Progress};
    use crate::ping::PingLine;
    use crate::{bench, completions, keygen, listen, man};

    /// A line that one of these commands prints with `--json`, besides the events and
    /// lines of `zre node`.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum CommandLine<'a> {
        Bench(bench::Line),
        Completions(completions::Script),
        Doctor(FindingLine),
        Groups(zre::json::Group),
        Keygen(keygen::Made),
        Listen(listen::Heard<'a>),
        Man(man::Page),
        Ping(PingLine<'a>),
        Receive(Progress),
        SendFile(Delivered<'a>),
    }

    /// `ZRE_BLESS=1 cargo test -p zre-cli schema` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_commands() {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings
            .into_generator()
            .into_root_schema_for::<CommandLine<'_>>();
        schema.insert("title".into(), "A line of one command".into());
        // schemars leaves out the tag of a struct, which is its name, too.
        for name in ["completions", "finding", "keys", "man", "sent"] {
            let object = schema
                .pointer_mut(&format!("/$defs/{name}"))
                .unwrap_or_else(|| panic!("there is no {name}"));
            object["properties"]["event"] = serde_json::json!({"type": "string", "const": name});
            let required = object["required"].as_array_mut().unwrap();
            required.insert(0, "event".into());
        }
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/schema/program.json"
        );
        if std::env::var_os("ZRE_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            published, text,
            "{path} isn't the schema of these types: run this test with ZRE_BLESS=1"
        );
    }
}
