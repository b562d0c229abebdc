//! What can be written behind the options that aren't settings of a node: each
//! reader says what would have been right.

use std::time::Duration;

use zre::{Endpoint, Settings, State};

/// A time, as settings have it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    setting("interval", text).map(|settings| settings.interval)
}

/// A state that a node can be given, as settings have it.
pub(crate) fn state(text: &str) -> Result<State, String> {
    setting("state", text).map(|settings| settings.state)
}

/// An endpoint, as settings have it: its scope may be the name of an interface.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let peers = setting("peer", text)?.peer;
    peers
        .into_iter()
        .next()
        .ok_or_else(|| "write an endpoint".to_owned())
}

/// What the library makes of a text.
fn setting(key: &str, text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let set = settings.set(key, text);
    set.map(|()| settings).map_err(|error| error.advice())
}

/// An amount of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

impl std::str::FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "write a number, or one with k, M, G or T: 500k, 20M";
        let split = text.find(|c: char| !c.is_ascii_digit());
        let (digits, unit) = text.split_at(split.unwrap_or(text.len()));
        let unit = match unit {
            "" => 1u64,
            "k" | "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            "T" => 1 << 40,
            _ => return Err(WANTED),
        };
        let number: u64 = digits.parse().map_err(|_| WANTED)?;
        number
            .checked_mul(unit)
            .map(Self)
            .ok_or("that is more than there is")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_name_its_interface() {
        let lo = zre::interfaces().unwrap().remove(0);
        let named = endpoint(&format!("tcp://[fe80::1%{}]:7", lo.name)).unwrap();
        assert_eq!(named.to_string(), format!("tcp://[fe80::1%{}]:7", lo.index));
        let error = endpoint("tcp://[fe80::1%nowhere]:7").unwrap_err();
        assert!(error.contains("nowhere"), "{error}");
    }
}
