//! Colours, where a person looks.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Good,
    Bad,
    Worry,
    Strong,
    Weak,
}

/// Whether standard output is a terminal that shows colours, and nobody objects
/// (by the convention of NO_COLOR).
pub(crate) fn is_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| {
        let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        std::io::stdout().is_terminal() && !objects && !dumb
    })
}

impl Paint {
    /// The text in its colour, where colours are wanted. It must not hold
    /// anything that steers a terminal.
    pub(crate) fn on(self, text: &str) -> String {
        if !is_wanted() {
            return text.to_owned();
        }
        let code = match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Worry => "33",
            Self::Strong => "1",
            Self::Weak => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
