use super::Settings;
use super::error::Wrong;

/// What there is to know of one setting. [`Settings::keys`] lists them.
#[derive(Clone, Copy)]
pub struct Setting {
    pub(super) key: &'static str,
    pub(super) topic: &'static str,
    pub(super) value: &'static str,
    pub(super) help: &'static str,
    pub(super) details: &'static str,
    /// What there is without a value.
    pub(super) unset: &'static str,
    pub(super) form: Form,
    pub(super) times: Times,
    pub(super) access: Access,
}

/// As what a value is written in JSON and TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A string.
    Text,
    /// A string, which may look like a number.
    Word,
    /// A number.
    Number,
    /// A number, or a string as `16M`.
    Bytes,
    /// A boolean, or `on` or `off`.
    Switch,
    /// An object of strings, or strings as `KEY=VALUE`.
    Pairs,
    /// An object of numbers and strings, or strings as `KEY=VALUE`.
    Parts,
}

/// How many values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// One: each replaces that before it.
    One,
    /// Several: each is added.
    Many,
    /// Several, which may be written with commas between them.
    Commas,
}

/// How its value is reached.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) set: fn(&mut Settings, &str) -> Result<(), Wrong>,
    pub(super) get: fn(&Settings) -> Vec<String>,
    /// Takes it from other settings.
    pub(super) reset: fn(&mut Settings, Settings),
}

impl Setting {
    /// One string.
    pub(super) const ONE: Self = Self {
        key: "",
        topic: "",
        value: "",
        help: "",
        details: "",
        unset: "",
        form: Form::Text,
        times: Times::One,
        access: Access {
            set: |_, _| Ok(()),
            get: |_| Vec::new(),
            reset: |_, _| {},
        },
    };

    /// Several strings.
    pub(super) const LIST: Self = Self {
        times: Times::Many,
        ..Self::ONE
    };

    /// Several strings, none of which has a comma in it.
    pub(super) const COMMAS: Self = Self {
        times: Times::Commas,
        ..Self::ONE
    };

    /// The name, as in `beacon_port`: that of the [`Builder`](crate::Builder)'s
    /// method and of the field of [`Settings`].
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What settings like this one are about, as a heading.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        self.topic
    }

    /// What to write for the value, as in `TIME` or `on|off`.
    #[must_use]
    pub fn value_name(&self) -> &'static str {
        self.value
    }

    /// What it is for, in one sentence without a full stop.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// More about it, if one sentence doesn't say everything.
    #[must_use]
    pub fn details(&self) -> Option<&'static str> {
        (!self.details.is_empty()).then_some(self.details)
    }

    /// The value that it has by default, or in words what happens then; `None` for
    /// a list that is empty.
    #[must_use]
    pub fn default_text(&self) -> Option<String> {
        let values = (self.access.get)(&Settings::default());
        match (values.as_slice(), self.unset) {
            ([], "") => None,
            ([], words) => Some(words.to_owned()),
            (values, _) => Some(values.join(",")),
        }
    }

    /// Whether it takes several values: [`Settings::set`] adds one then.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.times != Times::One
    }

    /// Whether its values are pairs, `KEY=VALUE` as text.
    #[must_use]
    pub fn is_table(&self) -> bool {
        matches!(self.form, Form::Pairs | Form::Parts)
    }

    /// Whether it is on or off.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.form == Form::Switch
    }

    /// Adds or replaces a value, which may be several with commas between them.
    pub(super) fn set(&self, to: &mut Settings, text: &str) -> Result<(), Wrong> {
        if self.times != Times::Commas {
            return (self.access.set)(to, text);
        }
        let mut parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        // Nothing at all is a mistake.
        (self.access.set)(to, parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| (self.access.set)(to, part))
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Setting").field(&self.key).finish()
    }
}
