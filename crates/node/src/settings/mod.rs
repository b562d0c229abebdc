//! How a node is to be, as plain data: by field, by name, and by serde.
//!
//! [`table`] lists the settings, [`setting`] is one of them, [`text`] reads and
//! writes the values, [`parts`] those that consist of named values.

mod error;
mod parts;
mod realm;
#[cfg(feature = "serde")]
mod serde;
mod setting;
mod table;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;
use zre_beacon::{Broadcast, Interfaces};
use zre_proto::machine::Config;
use zre_session::{Engine, IpcDir};

pub use self::error::SettingError;
pub use self::realm::realm_port;
pub use self::setting::Setting;
use crate::{Builder, Endpoint, LinkLimits, Listen, MessageLimits, SendPolicy, State};

/// All settings of a node, as plain data.
///
/// What each is for, its unit and its default are told by the method of
/// [`Builder`] that has the same name. The fields are for programs that know their
/// settings; [`set`](Self::set) and [`get`](Self::get) take names and text, for
/// command lines, variables, and other languages. The same names are the options
/// of the `zre` command (`--beacon-port`), its variables (`ZRE_BEACON_PORT`) and
/// the keys of its file (`beacon-port`).
///
/// ```
/// use zre::Settings;
///
/// let mut settings = Settings::default();
/// settings.set("name", "camera")?;
/// settings.set("evasive", "2s")?;
/// // A list grows; a hyphen is as good as an underscore.
/// settings.set("gossip-connect", "tcp://10.0.0.1:5680")?;
/// settings.set("gossip-connect", "tcp://10.0.0.2:5680")?;
/// assert_eq!(settings.get("evasive")?, ["2s"]);
/// assert_eq!(settings.gossip_connect.len(), 2);
/// let builder = settings.builder();
/// # drop(builder);
/// # Ok::<(), zre::SettingError>(())
/// ```
///
/// # With serde
///
/// With the feature `serde`, settings are an object (a table in TOML) with these
/// names, in which all may be left out: times are strings as `"5s"`, bytes are
/// numbers or strings as `"16M"`, `header`, `limits` and `link_limits` are
/// objects, and lists are lists. A name that isn't known is an error.
///
/// ```
/// # #[cfg(feature = "serde")] {
/// let settings: zre::Settings = serde_json::from_str(
///     r#"{"name": "camera", "evasive": "2s", "header": {"role": "lens"}, "no_beacon": true}"#,
/// )?;
/// assert_eq!(settings.get("header").unwrap(), ["role=lens"]);
/// # }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// [`Builder::name`].
    pub name: Option<String>,
    /// [`Builder::uuid`]. `None`: each start makes a new one.
    pub uuid: Option<Uuid>,
    /// [`Builder::keys`](Builder#method.keys). It needs the feature `curve`, as do the
    /// four after it.
    #[cfg(feature = "curve")]
    pub keys: Option<crate::KeySource>,
    /// [`Builder::trust`](Builder#method.trust).
    #[cfg(feature = "curve")]
    pub trust: crate::Trust,
    /// [`Builder::plain_too`](Builder#method.plain_too).
    #[cfg(feature = "curve")]
    pub plain_too: bool,
    /// [`Builder::plain_group`](Builder#method.plain_group).
    #[cfg(feature = "curve")]
    pub plain_group: Vec<String>,
    /// The keys of [`peer`](Self::peer)s and of those in
    /// [`gossip_connect`](Self::gossip_connect), as
    /// [`Builder::peer_with_key`](Builder#method.peer_with_key) sets them. As text they
    /// stand behind the endpoint: `tcp://10.0.0.1:5670#KEY`.
    #[cfg(feature = "curve")]
    pub peer_keys: BTreeMap<Endpoint, crate::PublicKey>,
    /// [`Builder::group`].
    pub group: Vec<String>,
    /// [`Builder::contest`].
    pub contest: Vec<String>,
    /// [`Builder::header`].
    pub header: BTreeMap<String, String>,
    /// [`Builder::state`].
    pub state: State,
    /// [`Builder::interface`]. `None`: those that the variable `ZRE_INTERFACE`
    /// names, or else all.
    pub interface: Option<Interfaces>,
    /// [`Builder::realm`].
    pub realm: Option<String>,
    /// [`Builder::beacon_port`]. With a realm it isn't used.
    pub beacon_port: u16,
    /// [`Builder::multicast`]. `None`: the groups of this library.
    pub multicast: Option<Vec<SocketAddr>>,
    /// [`Builder::ttl`].
    pub ttl: u32,
    /// [`Builder::broadcast`].
    pub broadcast: Broadcast,
    /// [`Builder::interval`].
    pub interval: Duration,
    /// [`Builder::no_beacon`].
    pub no_beacon: bool,
    /// [`Builder::peer`].
    pub peer: Vec<Endpoint>,
    /// [`Builder::dns`](Builder#method.dns). It needs the feature `dns`, as do the
    /// two after it.
    pub dns: Option<String>,
    /// [`Builder::dns_service`](Builder#method.dns_service).
    pub dns_service: String,
    /// [`Builder::dns_server`](Builder#method.dns_server).
    pub dns_server: Option<SocketAddr>,
    /// [`Builder::gossip_bind`].
    pub gossip_bind: Vec<SocketAddr>,
    /// [`Builder::gossip_connect`].
    pub gossip_connect: Vec<Endpoint>,
    /// [`Builder::evasive`].
    pub evasive: Duration,
    /// [`Builder::expired`].
    pub expired: Duration,
    /// [`Builder::listen`].
    pub listen: Listen,
    /// [`Builder::advertise`].
    pub advertise: Option<Endpoint>,
    /// [`Builder::ipc`].
    pub ipc: IpcDir,
    /// [`Builder::inproc`].
    pub inproc: bool,
    /// [`Builder::engine`].
    pub engine: Engine,
    /// [`Builder::send_policy`].
    pub send_policy: SendPolicy,
    /// [`Builder::event_queue_bytes`].
    pub event_queue_bytes: usize,
    /// [`Builder::auto_busy`].
    pub auto_busy: bool,
    /// [`Builder::limits`].
    pub limits: MessageLimits,
    /// [`Builder::link_limits`].
    pub link_limits: LinkLimits,
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config::new(Uuid::nil(), 0);
        Self {
            name: None,
            uuid: None,
            #[cfg(feature = "curve")]
            keys: None,
            #[cfg(feature = "curve")]
            trust: crate::Trust::default(),
            #[cfg(feature = "curve")]
            plain_too: false,
            #[cfg(feature = "curve")]
            plain_group: Vec::new(),
            #[cfg(feature = "curve")]
            peer_keys: BTreeMap::new(),
            group: Vec::new(),
            contest: Vec::new(),
            header: BTreeMap::new(),
            state: State::Ready,
            interface: None,
            realm: None,
            beacon_port: zre_beacon::DEFAULT_PORT,
            multicast: None,
            ttl: 1,
            broadcast: Broadcast::Auto,
            interval: config.interval.unwrap_or(Duration::from_secs(1)),
            no_beacon: false,
            peer: Vec::new(),
            dns: None,
            dns_service: "_zre._tcp".into(),
            dns_server: None,
            gossip_bind: Vec::new(),
            gossip_connect: Vec::new(),
            evasive: config.ping_after,
            expired: config.expired,
            listen: Listen::default(),
            advertise: None,
            ipc: IpcDir::Auto,
            inproc: true,
            engine: Engine::default(),
            send_policy: SendPolicy::default(),
            event_queue_bytes: 16 << 20,
            auto_busy: false,
            limits: MessageLimits::default(),
            link_limits: LinkLimits::default(),
        }
    }
}

impl Settings {
    /// The directory of the user's files for zre: `zre` in `$XDG_CONFIG_HOME` or
    /// `~/.config`, in `%APPDATA%` on Windows. It needn't exist. `None` if the user has no
    /// such place.
    #[must_use]
    pub fn user_directory() -> Option<PathBuf> {
        let of = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let directory = match cfg!(windows) {
            true => of("APPDATA"),
            false => of("XDG_CONFIG_HOME")
                .or_else(|| std::env::home_dir().map(|home| home.join(".config"))),
        };
        Some(directory?.join("zre"))
    }

    /// The UDP port of the beacons: that of the realm, or else
    /// [`beacon_port`](Self::beacon_port).
    #[must_use]
    pub fn udp_port(&self) -> u16 {
        self.realm.as_deref().map_or(self.beacon_port, realm_port)
    }

    /// All settings that there are, by topic.
    ///
    /// ```
    /// use zre::Settings;
    ///
    /// for setting in Settings::keys() {
    ///     let default = setting.default_text().unwrap_or_default();
    ///     println!("{} ({}): {}", setting.key(), default, setting.help());
    /// }
    /// ```
    #[must_use]
    pub fn keys() -> &'static [Setting] {
        table::ALL
    }

    /// Sets a value by the setting's name, in which a hyphen is as good as an
    /// underscore. A setting that is a list gets one value more; `header`, `limits`
    /// and `link_limits` take `KEY=VALUE`.
    ///
    /// # Errors
    /// There is no such setting, or it doesn't take this value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        let setting = find(key)?;
        let mut changed = self.clone();
        setting
            .set(&mut changed, value)
            .map_err(|wrong| wrong.of(key, &error::quoted(value)))?;
        *self = changed;
        Ok(())
    }

    /// The values of a setting, each as [`set`](Self::set) takes it: one, or as many
    /// as a list has, or none where none is set and there is no default.
    ///
    /// # Errors
    /// There is no such setting.
    pub fn get(&self, key: &str) -> Result<Vec<String>, SettingError> {
        Ok((find(key)?.access.get)(self))
    }

    /// Gives a setting its default again; a list is empty then.
    ///
    /// # Errors
    /// There is no such setting.
    pub fn reset(&mut self, key: &str) -> Result<(), SettingError> {
        (find(key)?.access.reset)(self, Self::default());
        Ok(())
    }

    /// Adds an interface by name.
    pub(crate) fn add_interface(&mut self, name: &str) {
        let mut names = text::interface_names(self.interface.as_ref());
        names.push(name.to_owned());
        self.interface = Interfaces::parse(&names.join(","));
    }

    /// A builder of a node with these settings.
    pub fn builder(self) -> Builder {
        Builder::from(self)
    }
}

fn find(key: &str) -> Result<&'static Setting, SettingError> {
    let name = key.replace('-', "_");
    let known = table::ALL.iter().find(|setting| setting.key == name);
    known.ok_or_else(|| SettingError::Unknown {
        near: error::nearest(&name, table::ALL.iter().map(|setting| setting.key)),
        key: key.to_owned(),
    })
}
