use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Where the inbox listens: at which addresses, and on which of some ports.
///
/// ```
/// use zre::Listen;
///
/// // For a firewall: the first port of the range that is free.
/// let listen: Listen = "tcp://0.0.0.0:49152-49200".parse()?;
/// assert_eq!(listen.ports(), 49152..=49200);
/// // A port or a range alone: on the chosen interfaces.
/// assert_eq!("5680".parse::<Listen>()?, Listen::on(5680..=5680));
/// # Ok::<(), zre::ListenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    place: Place,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The chosen interfaces.
    Chosen,
    /// Every address, of both families.
    Everywhere,
    At(IpAddr),
}

impl Default for Listen {
    /// On any free port of the chosen interfaces.
    fn default() -> Self {
        Self::on(0..=0)
    }
}

impl Listen {
    /// On the chosen interfaces, on the first of these ports that is free on
    /// all of them. `0..=0`: on any free port.
    #[must_use]
    pub fn on(ports: RangeInclusive<u16>) -> Self {
        let place = Place::Chosen;
        Self { place, ports }
    }

    /// At this address, whatever interfaces beacons use. `0.0.0.0` and `::` are
    /// all addresses of their family.
    #[must_use]
    pub fn at(addr: IpAddr, ports: RangeInclusive<u16>) -> Self {
        let place = Place::At(addr);
        Self { place, ports }
    }

    /// At all addresses, IPv4 and IPv6, whatever interfaces beacons use.
    #[must_use]
    pub fn everywhere(ports: RangeInclusive<u16>) -> Self {
        let place = Place::Everywhere;
        Self { place, ports }
    }

    /// The addresses: none if the interfaces decide, `0.0.0.0` and `::` for all.
    #[must_use]
    pub fn addrs(&self) -> Vec<IpAddr> {
        match self.place {
            Place::Chosen => Vec::new(),
            Place::Everywhere => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            Place::At(addr) => vec![addr],
        }
    }

    /// The ports, in the order in which they are tried.
    #[must_use]
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.ports.clone()
    }
}

impl From<u16> for Listen {
    fn from(port: u16) -> Self {
        Self::on(port..=port)
    }
}

/// Why text isn't a [`Listen`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address isn't one.
    #[error(
        "{0:?} isn't an IP address: write 192.168.1.2, [fd00::1], or * for all; a node can't listen at a name"
    )]
    Addr(String),
    /// The ports aren't ports.
    #[error("{0:?} isn't a port: write one from 1 to 65535, or a range as in 49152-49200")]
    Ports(String),
}

impl FromStr for Listen {
    type Err = ListenError;

    /// Reads `tcp://ADDR:PORTS`, `ADDR:PORTS` and `PORTS`, where `ADDR` is an IP
    /// address (IPv6 in brackets) or `*` for all addresses of both families, and
    /// `PORTS` a port, a range, or `*` for any that is free.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        let Some((addr, ports)) = text.rsplit_once(':') else {
            return Ok(Self::on(read_ports(text)?));
        };
        let ports = read_ports(ports)?;
        let bare = addr
            .strip_prefix('[')
            .and_then(|addr| addr.strip_suffix(']'));
        let ip = match (addr, bare) {
            ("*", _) => return Ok(Self::everywhere(ports)),
            (_, Some(v6)) => IpAddr::V6(
                v6.parse::<Ipv6Addr>()
                    .map_err(|_| ListenError::Addr(quoted(addr)))?,
            ),
            (_, None) => IpAddr::V4(
                addr.parse::<Ipv4Addr>()
                    .map_err(|_| ListenError::Addr(quoted(addr)))?,
            ),
        };
        Ok(Self::at(ip, ports))
    }
}

fn read_ports(text: &str) -> Result<RangeInclusive<u16>, ListenError> {
    if matches!(text, "*" | "0") {
        return Ok(0..=0);
    }
    let wrong = || ListenError::Ports(quoted(text));
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port != 0 && !text.starts_with('+') => Ok(port),
        _ => Err(wrong()),
    };
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if first > last {
                return Err(wrong());
            }
            Ok(first..=last)
        }
        None => port(text).map(|port| port..=port),
    }
}

fn quoted(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::At(IpAddr::V6(addr)) => write!(f, "tcp://[{addr}]:")?,
            Place::At(addr) => write!(f, "tcp://{addr}:")?,
            Place::Everywhere => f.write_str("tcp://*:")?,
            Place::Chosen => {}
        }
        match (self.ports.start(), self.ports.end()) {
            (0, 0) => f.write_str("*"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        for text in [
            "5680",
            "49152-49200",
            "*",
            "tcp://0.0.0.0:49152-49200",
            "tcp://[fd00::1]:1-65535",
            "tcp://127.0.0.1:*",
            "tcp://*:7",
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), text);
        }
        let everywhere: Listen = "*:7".parse().unwrap();
        assert_eq!(everywhere, Listen::everywhere(7..=7));
        assert_eq!(everywhere.addrs().len(), 2, "of both families");
        assert_eq!("0".parse::<Listen>(), Ok(Listen::default()));
    }

    #[test]
    fn what_nobody_can_listen_at_is_refused() {
        let error = |text: &str| text.parse::<Listen>().unwrap_err();
        assert!(matches!(error(""), ListenError::Ports(_)));
        assert!(matches!(error("9-8"), ListenError::Ports(_)));
        assert!(matches!(error("0-8"), ListenError::Ports(_)));
        assert!(matches!(error("1-65536"), ListenError::Ports(_)));
        assert!(matches!(error("+1"), ListenError::Ports(_)));
        assert!(matches!(error("tcp://eth0:1"), ListenError::Addr(_)));
        assert!(matches!(error("tcp://fd00::1:1"), ListenError::Addr(_)));
        assert!(matches!(error("tcp://:1"), ListenError::Addr(_)));
        assert!(error(&"x".repeat(1 << 20)).to_string().len() < 200);
    }
}
