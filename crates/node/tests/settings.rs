//! Settings by name: as text, by the builder's methods, by serde, and what they do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use zre::{
    Broadcast, Builder, Engine, IpcDir, LinkLimits, MessageLimits, Node, SendPolicy, SettingError,
    Settings, State, Uuid,
};

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect(text)
}

type Example = (&'static str, [&'static str; 2], fn(Builder) -> Builder);

/// Two values of each setting as text, in the form in which they are read back,
/// and the builder's method of the same name with the first of them.
fn examples() -> Vec<Example> {
    vec![
        ("name", ["camera 3", ""], |b| b.name("camera 3")),
        (
            "uuid",
            [
                "0102030405060708090a0b0c0d0e0f10",
                "ffffffffffffffffffffffffffffffff",
            ],
            |b| b.uuid(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
        ),
        #[cfg(feature = "curve")]
        ("keys", ["/etc/camera.key", "a b"], |b| {
            b.keys("/etc/camera.key")
        }),
        #[cfg(feature = "curve")]
        (
            "trust",
            [
                "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7,Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
                "anyone",
            ],
            |b| {
                let keys = [
                    "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
                    "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                ];
                b.trust(zre::Trust::Keys(keys.map(parsed).into()))
            },
        ),
        #[cfg(feature = "curve")]
        ("plain_too", ["on", "off"], |b| b.plain_too()),
        #[cfg(feature = "curve")]
        ("plain_group", ["lab", "tea"], |b| b.plain_group("lab")),
        ("group", ["lab", "a,b"], |b| b.group("lab")),
        ("contest", ["lab", "tea"], |b| b.contest("lab")),
        ("header", ["role=lens", "x=a=b"], |b| {
            b.header("role", "lens")
        }),
        ("state", ["busy", "200"], |b| b.state(State::Busy)),
        ("interface", ["lo", "eth0"], |b| b.interface("lo")),
        ("realm", ["studio 5", "x"], |b| b.realm("studio 5")),
        ("beacon_port", ["7000", "1"], |b| b.beacon_port(7000)),
        ("multicast", ["239.1.2.3", "[ff02::1]:7"], |b| {
            b.multicast([parsed("239.1.2.3:0")])
        }),
        ("ttl", ["0", "255"], |b| b.ttl(0)),
        ("broadcast", ["10.255.255.255", "off"], |b| {
            b.broadcast(Broadcast::To(parsed("10.255.255.255:0")))
        }),
        ("interval", ["250ms", "1m30s"], |b| {
            b.interval(Duration::from_millis(250))
        }),
        ("no_beacon", ["on", "off"], Builder::no_beacon),
        ("peer", ["tcp://10.0.0.1:7", "ipc:///run/x"], |b| {
            b.peer(parsed("tcp://10.0.0.1:7"))
        }),
        #[cfg(feature = "dns")]
        ("dns", ["example.org", "x"], |b| b.dns("example.org")),
        #[cfg(feature = "dns")]
        ("dns_service", ["_a._tcp", "x"], |b| {
            b.dns_service("_a._tcp")
        }),
        #[cfg(feature = "dns")]
        ("dns_server", ["192.168.1.1:53", "[::1]:54"], |b| {
            b.dns_server(parsed("192.168.1.1:53"))
        }),
        (
            "gossip_bind",
            ["tcp://0.0.0.0:5680", "tcp://[::1]:5681"],
            |b| b.gossip_bind(parsed("0.0.0.0:5680")),
        ),
        (
            "gossip_connect",
            ["tcp://10.0.0.1:5680", "tcp://hub.local:1"],
            |b| b.gossip_connect(parsed("tcp://10.0.0.1:5680")),
        ),
        ("evasive", ["2s", "10ms"], |b| {
            b.evasive(Duration::from_secs(2))
        }),
        ("expired", ["1m", "1day"], |b| {
            b.expired(Duration::from_secs(60))
        }),
        ("listen", ["49152-49200", "tcp://10.0.0.1:7"], |b| {
            b.listen(parsed::<zre::Listen>("49152-49200"))
        }),
        (
            "advertise",
            ["tcp://a.example.org:7", "tcp://10.0.0.1:7"],
            |b| b.advertise(parsed("tcp://a.example.org:7")),
        ),
        ("ipc", ["off", "/tmp/some where"], |b| b.ipc(IpcDir::Off)),
        ("inproc", ["off", "on"], |b| b.inproc(false)),
        #[cfg(feature = "zeromq")]
        ("engine", ["zeromq", "native"], |b| b.engine(Engine::ZeroMq)),
        #[cfg(not(feature = "zeromq"))]
        ("engine", ["native", "native"], |b| b.engine(Engine::Native)),
        ("send_policy", ["reject", "wait:2s"], |b| {
            b.send_policy(SendPolicy::Reject)
        }),
        ("event_queue_bytes", ["500k", "1"], |b| {
            b.event_queue_bytes(500 << 10)
        }),
        ("auto_busy", ["on", "off"], |b| b.auto_busy(true)),
        ("limits", ["peers=100", "hello_bytes=1M"], |b| {
            let mut limits = MessageLimits::default();
            limits.peers = 100;
            b.limits(limits)
        }),
        ("link_limits", ["linger=2s", "frame_bytes=1k"], |b| {
            b.link_limits(LinkLimits {
                linger: Duration::from_secs(2),
                ..LinkLimits::default()
            })
        }),
    ]
}

/// Whether a build without features takes it.
fn needs_dns(key: &str) -> bool {
    key.starts_with("dns")
}

#[test]
fn every_setting_has_one_name_and_one_meaning() {
    let examples = examples();
    for setting in Settings::keys() {
        let key = setting.key();
        if needs_dns(key) && !cfg!(feature = "dns") {
            let error = Settings::default().set(key, "x").unwrap_err();
            assert!(error.to_string().contains("feature dns"), "{error}");
            continue;
        }
        let example = examples.iter().find(|(name, ..)| *name == key);
        let (_, texts, method) = example.unwrap_or_else(|| panic!("no example of {key}"));
        for text in texts {
            let mut settings = Settings::default();
            settings.set(key, text).unwrap();
            // Names with hyphens are the same.
            let mut again = Settings::default();
            again.set(&key.replace('_', "-"), text).unwrap();
            assert_eq!(settings, again, "{key}");

            let texts = settings.get(key).unwrap();
            match key {
                "limits" | "link_limits" => assert!(texts.iter().any(|part| part == text)),
                _ => assert_eq!(texts, [*text], "{key}"),
            }
            // What is read can be written.
            let mut again = Settings::default();
            for text in &texts {
                again.set(key, text).unwrap();
            }
            assert_eq!(settings, again, "{key}");
            assert_eq!(settings.clone().builder().settings(), &settings);
            settings.reset(key).unwrap();
            assert_eq!(settings, Settings::default(), "{key}");
        }
        let mut settings = Settings::default();
        settings.set(key, texts[0]).unwrap();
        assert_eq!(method(Node::builder()).settings(), &settings, "{key}");
        // Two values: the second is added, or replaces the first.
        settings.set(key, texts[1]).unwrap();
        let count = settings.get(key).unwrap().len();
        match key {
            "limits" | "link_limits" => {}
            _ => assert_eq!(count, if setting.is_list() { 2 } else { 1 }, "{key}"),
        }
    }
    assert_eq!(
        examples.len() + if cfg!(feature = "dns") { 0 } else { 3 },
        Settings::keys().len()
    );
}

#[test]
fn defaults_are_what_a_builder_has() {
    for (key, default) in [
        ("evasive", "5s"),
        ("expired", "30s"),
        ("interval", "1s"),
        ("beacon_port", "5670"),
        ("multicast", "auto"),
        ("event_queue_bytes", "16M"),
        ("send_policy", "wait:10s"),
        ("inproc", "on"),
        ("listen", "*"),
        ("name", "the first six hex digits of the UUID"),
    ] {
        let setting = Settings::keys().iter().find(|setting| setting.key() == key);
        assert_eq!(setting.unwrap().default_text().as_deref(), Some(default));
    }
    assert_eq!(Node::builder().settings(), &Settings::default());
    let limits = Settings::default().get("limits").unwrap();
    // Each field of the structs is one of them.
    for (key, shown) in [
        ("limits", format!("{:?}", MessageLimits::default())),
        ("link_limits", format!("{:?}", LinkLimits::default())),
    ] {
        let fields: Vec<&str> = shown
            .split(['{', ',', '}'])
            .filter_map(|part| Some(part.split_once(':')?.0.trim()))
            .collect();
        let values = Settings::default().get(key).unwrap();
        let names: Vec<&str> = values
            .iter()
            .filter_map(|v| Some(v.split_once('=')?.0))
            .collect();
        assert_eq!(names, fields);
    }
    assert!(limits.contains(&"peers=8192".to_owned()), "{limits:?}");
}

#[test]
fn an_error_names_the_setting_the_value_and_what_to_write() {
    let cases = [
        (
            "evasve",
            "5s",
            "there is no setting \"evasve\"; did you mean \"evasive\"?",
        ),
        ("zzz", "5s", "there is no setting \"zzz\""),
        (
            "evasive",
            "5",
            "evasive can't be \"5\": write a time, as 250ms, 5s or 1m",
        ),
        (
            "interval",
            "0s",
            "interval can't be \"0s\": write a time from 10ms to 1day",
        ),
        (
            "beacon-port",
            "0",
            "beacon-port can't be \"0\": write a whole number from 1 to 65535",
        ),
        ("beacon_port", "+7", "write a whole number from 1 to 65535"),
        (
            "ttl",
            "256",
            "ttl can't be \"256\": write a whole number from 0 to 255",
        ),
        ("inproc", "maybe", "write on or off"),
        (
            "engine",
            "nativ",
            "write native or zeromq; did you mean \"native\"?",
        ),
        ("send_policy", "rejekt", "wait:2s; did you mean \"reject\"?"),
        ("send_policy", "wait:0", "write a time"),
        ("state", "buzy", "did you mean \"busy\"?"),
        ("state", "exit", "write init, ready, busy"),
        ("uuid", "12", "write 32 hex digits"),
        ("header", "x", "write it as KEY=VALUE"),
        ("header", "=x", "write it as KEY=VALUE"),
        ("peer", "192.168.1.2:5670", "tcp://"),
        ("peer", "", "tcp://"),
        ("interface", "", "write an interface's name"),
        ("multicast", "10.0.0.1", "the setting broadcast"),
        ("multicast", "off,239.1.2.3", "only one of these"),
        ("multicast", "239.1.2.3,auto", "only one of these"),
        ("broadcast", "239.1.2.3", "the setting multicast"),
        ("broadcast", "[::1]:5670", "IPv6 has no broadcast"),
        ("event_queue_bytes", "1.5M", "a number of bytes"),
        ("event_queue_bytes", "99999999T", "write less"),
        ("limits", "peer=1", "did you mean \"peers\"?"),
        ("limits", "peers=x", "write a whole number"),
        ("link_limits", "linger=1", "write a time"),
        ("ipc", "", "write auto, off, or a directory"),
        ("listen", "9-8", "49152-49200"),
        ("gossip_bind", "5680", "tcp://*:5680"),
    ];
    for (key, value, words) in cases {
        let mut settings = Settings::default();
        settings.set("multicast", "auto").unwrap();
        let error = settings.set(key, value).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words), "{key} {value}: {text}");
        match &error {
            SettingError::Unknown { key: named, .. } => assert_eq!(named, key),
            SettingError::Value { key: named, .. } => {
                assert_eq!(named, key);
                assert!(text.contains(&error.advice()));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(settings, Settings::default(), "nothing of it is kept");
    }
    let long = "x".repeat(1 << 20);
    let error = Settings::default().set("evasive", &long).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn a_scope_may_be_the_name_of_an_interface() {
    let here = zre::interfaces().unwrap();
    let interface = &here[0];
    let mut settings = Settings::default();
    let named = format!("tcp://[fe80::1%{}]:7000", interface.name);
    settings.set("peer", &named).unwrap();
    let by_index = format!("tcp://[fe80::1%{}]:7000", interface.index);
    assert_eq!(settings.get("peer").unwrap(), [by_index]);
    let error = settings
        .set("peer", "tcp://[fe80::1%nowhere]:7000")
        .unwrap_err();
    assert!(error.to_string().contains("called nowhere"), "{error}");
}

#[test]
fn a_setting_with_commas_takes_several_values() {
    let mut settings = Settings::default();
    settings.set("interface", "eth0, wlan0,").unwrap();
    assert_eq!(settings.get("interface").unwrap(), ["eth0", "wlan0"]);
    settings.set("limits", "peers=1,max-frames=2").unwrap();
    assert_eq!((settings.limits.peers, settings.limits.max_frames), (1, 2));
    // Both families.
    settings.set("gossip-bind", "tcp://*:5680").unwrap();
    assert_eq!(
        settings.get("gossip_bind").unwrap(),
        ["tcp://0.0.0.0:5680", "tcp://[::]:5680"]
    );
    settings.set("no_beacon", "yes").unwrap();
    assert!(settings.no_beacon);
}

#[cfg(feature = "serde")]
mod by_serde {
    use super::*;

    #[test]
    fn every_setting_survives_json() {
        let mut all = Settings::default();
        for (key, texts, _) in examples() {
            for text in texts {
                let mut settings = Settings::default();
                settings.set(key, text).unwrap();
                let json = serde_json::to_string(&settings).unwrap();
                let read: Settings = serde_json::from_str(&json).unwrap();
                assert_eq!(read, settings, "{json}");
            }
            all.set(key, texts[0]).unwrap();
        }
        let json = serde_json::to_value(&all).unwrap();
        assert_eq!(
            serde_json::from_value::<Settings>(json.clone()).unwrap(),
            all
        );
        // The forms that docs promise.
        assert_eq!(json["evasive"], "2s");
        assert_eq!(json["beacon_port"], 7000);
        assert_eq!(json["no_beacon"], true);
        assert_eq!(json["event_queue_bytes"], "500k");
        assert_eq!(json["header"]["role"], "lens");
        assert_eq!(json["limits"]["peers"], 100);
        assert_eq!(json["link_limits"]["linger"], "2s");
        assert_eq!(json["group"][0], "lab");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error() {
        for (json, words) in [
            (
                r#"{"nam":"x"}"#,
                "there is no setting \"nam\"; did you mean \"name\"?",
            ),
            (r#"{"name":5}"#, "name can't be 5: write a string"),
            (r#"{"name":["a"]}"#, "name can't be a list: write a string"),
            (r#"{"name":null}"#, "name can't be null: write a string"),
            (
                r#"{"no-beacon":"yes"}"#,
                "no-beacon can't be \"yes\": write true or false",
            ),
            (r#"{"beacon_port":"5670"}"#, "write a whole number"),
            (
                r#"{"beacon_port":70000}"#,
                "beacon_port can't be 70000: write a whole number from 1",
            ),
            (r#"{"ttl":1.5}"#, "ttl can't be 1.5: write a whole number"),
            (r#"{"interval":5}"#, "interval can't be 5: write a string"),
            (
                r#"{"header":{"a":1}}"#,
                "header.a can't be 1: write a string",
            ),
            (
                r#"{"limits":{"peers":"x"}}"#,
                "limits.peers can't be \"x\": write a whole number",
            ),
            (
                r#"{"group":["a",1.0]}"#,
                "group can't be 1.0: write a string",
            ),
            (
                r#"{"evasive":{}}"#,
                "evasive can't be a table: write a string",
            ),
        ] {
            let error = serde_json::from_str::<Settings>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn forms_that_are_easy_to_write_are_taken() {
        let json = r#"{"state":200,"listen":49152,"inproc":"off","event-queue-bytes":"16M",
            "header":["a=b"],"group":"one","limits":{"hello-bytes":"1M"}}"#;
        let settings: Settings = serde_json::from_str(json).unwrap();
        assert_eq!(settings.state, State::Other(200));
        assert_eq!(settings.listen, 49152.into());
        assert!(!settings.inproc);
        assert_eq!(settings.header["a"], "b");
        assert_eq!(settings.group, ["one"]);
        assert_eq!(settings.limits.hello_bytes, 1 << 20);
    }
}

#[tokio::test]
async fn a_realm_keeps_its_nodes_among_themselves() {
    // Unique to this run of the test.
    let realm = format!("realm {}", std::process::id());
    let other = format!("not {realm}");
    assert_ne!(
        zre::realm_port(&realm),
        zre::realm_port(&other),
        "choose other names"
    );
    let start = |name: &str, realm: &str| {
        let builder = Node::builder().name(name).loopback();
        builder.realm(realm).start()
    };
    let (apart, _of_apart) = start("apart", &other).await.unwrap();
    let (one, _of_one) = start("one", &realm).await.unwrap();
    let (two, _of_two) = start("two", &realm).await.unwrap();
    for node in [&one, &two] {
        node.wait_for_peers(1, Duration::from_secs(20))
            .await
            .unwrap();
    }
    assert_eq!(one.peers()[0].name(), "two");
    assert_eq!(apart.peers(), []);
    assert_eq!(apart.stats().await.unwrap().known, 0);
}
