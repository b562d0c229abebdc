use std::fmt;

/// The most of a value that an error repeats, in characters.
const QUOTED: usize = 80;

/// How like a known name an unknown one must be to be taken for a slip.
const LIKE: f64 = 0.7;

/// Why a setting can't be set. The settings stay as they were.
///
/// ```
/// use zre::{SettingError, Settings};
///
/// let mut settings = Settings::default();
/// let error = settings.set("evasve", "5s").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "there is no setting \"evasve\"; did you mean \"evasive\"?"
/// );
/// let error = settings.set("evasive", "5").unwrap_err();
/// assert_eq!(error.to_string(), "evasive can't be \"5\": write a time, as 250ms, 5s or 1m");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting has this name.
    #[error("there is no setting {key:?}{}", did_you_mean(*.near))]
    Unknown {
        /// The name.
        key: String,
        /// A known name that was probably meant.
        near: Option<&'static str>,
    },
    /// The setting doesn't take this value.
    #[error("{key} can't be {value}: {expected}{}", did_you_mean(*.near))]
    Value {
        /// The setting.
        key: String,
        /// The value as it would be written in a file: text in quotation marks. A
        /// long one is cut.
        value: String,
        /// What to write instead.
        expected: String,
        /// A value that was probably meant.
        near: Option<&'static str>,
    },
}

impl SettingError {
    /// What to write instead, where the name and the value are shown already.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Unknown { .. } => self.to_string(),
            Self::Value { expected, near, .. } => format!("{expected}{}", did_you_mean(*near)),
        }
    }
}

fn did_you_mean(near: Option<&'static str>) -> impl fmt::Display {
    let question = |near: &str| format!("; did you mean {near:?}?");
    near.map(question).unwrap_or_default()
}

/// Why text isn't a value.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What to write instead.
    pub(super) expected: String,
    /// What was probably meant.
    pub(super) near: Option<&'static str>,
}

impl Wrong {
    pub(super) fn new(expected: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            near: None,
        }
    }

    /// For something that is called by one of these names.
    pub(super) fn word(
        text: &str,
        names: impl IntoIterator<Item = &'static str>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            near: nearest(text, names),
            ..Self::new(expected)
        }
    }

    /// `value` is written as in a file.
    pub(super) fn of(self, key: &str, value: &str) -> SettingError {
        SettingError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: self.expected,
            near: self.near,
        }
    }
}

/// Text as it would be written in a file.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// The name that was probably meant.
pub(super) fn nearest(
    text: &str,
    names: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let likeness = |name| (strsim::jaro_winkler(name, text), name);
    names
        .into_iter()
        .map(likeness)
        .filter(|(like, _)| *like >= LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
