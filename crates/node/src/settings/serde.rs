//! Settings as an object, by the same names and readers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::error::{SettingError, Wrong, quoted};
use super::setting::{Form, Setting};
use super::{Settings, find, table};

impl Serialize for Settings {
    /// Leaves out what has no value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for setting in table::ALL {
            let texts = (setting.access.get)(self);
            let one = |text| Written {
                form: setting.form,
                text,
            };
            match (setting.form, texts.as_slice()) {
                (_, []) => {}
                (Form::Pairs | Form::Parts, texts) => {
                    let pairs = texts.iter().filter_map(|text| text.split_once('='));
                    let pairs = pairs.map(|(key, text)| (key, one(text)));
                    map.serialize_entry(setting.key, &pairs.collect::<Pairs<'_>>())?;
                }
                (_, texts) if setting.is_list() => map.serialize_entry(setting.key, texts)?,
                (_, [text, ..]) => map.serialize_entry(setting.key, &one(text))?,
            }
        }
        map.end()
    }
}

/// A value as JSON and TOML have it.
struct Written<'a> {
    form: Form,
    text: &'a str,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.text.parse::<u64>().ok();
        match (self.form, number) {
            (Form::Switch, _) => serializer.serialize_bool(self.text == "on"),
            (Form::Number | Form::Bytes | Form::Parts, Some(number)) => {
                serializer.serialize_u64(number)
            }
            _ => serializer.serialize_str(self.text),
        }
    }
}

/// An object, in its own order.
struct Pairs<'a>(Vec<(&'a str, Written<'a>)>);

impl<'a> FromIterator<(&'a str, Written<'a>)> for Pairs<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, Written<'a>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsVisitor)
    }
}

struct SettingsVisitor;

impl<'de> Visitor<'de> for SettingsVisitor {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut settings = Settings::default();
        while let Some(key) = map.next_key::<String>()? {
            let setting = find(&key).map_err(A::Error::custom)?;
            let value = map.next_value::<Value>()?;
            (setting.access.reset)(&mut settings, Settings::default());
            put(setting, &mut settings, &key, &value).map_err(A::Error::custom)?;
        }
        Ok(settings)
    }
}

fn put(
    setting: &Setting,
    settings: &mut Settings,
    key: &str,
    value: &Value,
) -> Result<(), SettingError> {
    let mut take = |key: &str, form: Form, prefix: &str, value: &Value| {
        let text = one(form, value);
        text.and_then(|text| setting.set(settings, &format!("{prefix}{text}")))
            .map_err(|wrong| wrong.of(key, &value.to_string()))
    };
    let mut pairs = |pairs: &[(String, Value)], form: Form| {
        pairs.iter().try_for_each(|(name, value)| {
            take(&format!("{key}.{name}"), form, &format!("{name}="), value)
        })
    };
    match (value, setting.form) {
        (Value::Table(table), Form::Pairs) => pairs(table, Form::Text),
        (Value::Table(table), Form::Parts) => pairs(table, Form::Word),
        (Value::List(items), _) if setting.is_list() => items
            .iter()
            .try_for_each(|item| take(key, Form::Text, "", item)),
        (value, form) => take(key, form, "", value),
    }
}

/// A single value as text.
fn one(form: Form, value: &Value) -> Result<String, Wrong> {
    match (form, value) {
        (Form::Text | Form::Word | Form::Bytes | Form::Pairs | Form::Parts, Value::Text(text)) => {
            Ok(text.clone())
        }
        (Form::Word | Form::Number | Form::Bytes, Value::Integer(number)) => Ok(number.to_string()),
        (Form::Switch, Value::Bool(on)) => Ok(on.to_string()),
        (Form::Switch, Value::Text(text)) if matches!(text.as_str(), "on" | "off") => {
            Ok(text.clone())
        }
        (form, _) => Err(Wrong::new(match form {
            Form::Text => "write a string",
            Form::Word => "write a string or a whole number",
            Form::Number => "write a whole number",
            Form::Bytes => "write a whole number, or a string as \"16M\"",
            Form::Switch => "write true or false",
            Form::Pairs => "write a table of strings",
            Form::Parts => "write a table of numbers and strings",
        })),
    }
}

/// What stands behind a name.
enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(on) => on.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Bool(on))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Table(pairs))
    }
}
