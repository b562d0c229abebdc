use std::collections::BTreeMap;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::rdata::{SRV, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use uuid::Uuid;
use zre_proto::Endpoint;

use super::settings::{Dns, Resolver};

/// How many records are used. More nodes than that need something better than a list in
/// DNS, whose answers would no longer fit into one message.
const RECORDS: usize = 512;

/// How many instances are looked up, with two questions each.
const INSTANCES: usize = 128;

/// The answers of the name server.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The endpoints of nodes by priority, with a UUID if a TXT record has one.
    pub(super) found: Vec<(Endpoint, Option<Uuid>)>,
    /// What TXT records say of the keys of these nodes, unchecked.
    pub(super) keys: BTreeMap<Endpoint, Box<str>>,
    /// The shortest TTL; `None` if there was no record.
    pub(super) ttl: Option<Duration>,
    /// Whether every question was answered, be it with "there are none". Otherwise known
    /// addresses stay.
    pub(super) complete: bool,
    /// Records that were ignored.
    pub(super) refused: usize,
}

/// Asks for the service's records.
///
/// RFC 2782: "If a SRV-cognizant LDAP client wants to discover a LDAP server
/// [...] it does a lookup of _ldap._tcp.example.com". RFC 6763, section 4.1: the
/// PTR records of the same name list instances, each with an SRV record and a
/// TXT record of its own. Both forms are read, also together.
pub(super) async fn ask(dns: &Dns, resolver: &Resolver) -> Answer {
    let mut answer = Answer {
        complete: true,
        ..Answer::default()
    };
    let name = dns.name();
    let mut targets = Vec::new();
    let (direct, instances) = tokio::join!(
        lookup(resolver, &name, RecordType::SRV),
        lookup(resolver, &name, RecordType::PTR),
    );
    answer.take_srv(direct, None, &mut targets);
    for instance in answer.take_instances(instances) {
        let (srv, txt) = tokio::join!(
            lookup_name(resolver, instance.clone(), RecordType::SRV),
            lookup_name(resolver, instance, RecordType::TXT),
        );
        answer.take_instance(srv, txt, &mut targets);
    }
    answer.list(targets);
    answer
}

/// Priority, weight, endpoint, and the UUID if it is known.
type Target = (u16, u16, Endpoint, Option<Uuid>);

/// Records, possibly none; or no answer.
type Records = Result<Vec<Record>, NetError>;

async fn lookup(resolver: &Resolver, name: &str, kind: RecordType) -> Records {
    judge(resolver.inner().lookup(name, kind).await)
}

async fn lookup_name(resolver: &Resolver, name: Name, kind: RecordType) -> Records {
    judge(resolver.inner().lookup(name, kind).await)
}

fn judge(found: Result<hickory_resolver::lookup::Lookup, NetError>) -> Records {
    match found {
        Ok(found) => Ok(found.answers().to_vec()),
        // An empty answer or NXDOMAIN says that there is nothing; SERVFAIL and
        // the like say nothing.
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Answer {
    /// Lists the endpoints in the order in which they are tried.
    fn list(&mut self, mut targets: Vec<Target>) {
        // RFC 2782: "A client MUST attempt to contact the target host with the
        // lowest-numbered priority it can reach". Every node of the network is to be
        // reached, so that is only an order; of one priority, the heavier first.
        targets.sort_by_key(|(priority, weight, ..)| (*priority, std::cmp::Reverse(*weight)));
        for (_, _, endpoint, uuid) in targets {
            // A record may be listed in both forms; the one with a UUID wins.
            match self.found.iter_mut().find(|(known, _)| *known == endpoint) {
                Some((_, who)) => *who = who.or(uuid),
                None => self.found.push((endpoint, uuid)),
            }
        }
    }

    fn open(&mut self, records: Records) -> Vec<Record> {
        records.unwrap_or_else(|error| {
            tracing::debug!(%error, "no answer to a question");
            self.complete = false;
            Vec::new()
        })
    }

    fn keep_for(&mut self, record: &Record) {
        let ttl = Duration::from_secs(record.ttl.into());
        self.ttl = Some(self.ttl.map_or(ttl, |least| least.min(ttl)));
    }

    fn take_srv(&mut self, records: Records, uuid: Option<Uuid>, targets: &mut Vec<Target>) {
        for record in self.open(records) {
            let RData::SRV(srv) = &record.data else {
                continue;
            };
            self.keep_for(&record);
            match endpoint_of(srv) {
                Some(endpoint) if targets.len() < RECORDS => {
                    targets.push((srv.priority, srv.weight, endpoint, uuid));
                }
                refused => {
                    tracing::debug!(target = %srv.target, port = srv.port,
                        full = refused.is_some(), "an SRV record is passed over");
                    self.refused = self.refused.saturating_add(1);
                }
            }
        }
    }

    fn take_instances(&mut self, records: Records) -> Vec<Name> {
        let mut instances = Vec::new();
        for record in self.open(records) {
            let RData::PTR(instance) = &record.data else {
                continue;
            };
            self.keep_for(&record);
            if instances.len() < INSTANCES && !instances.contains(&instance.0) {
                instances.push(instance.0.clone());
            } else {
                self.refused = self.refused.saturating_add(1);
            }
        }
        instances
    }

    /// Takes the SRV records of an instance, with the UUID and the key that its TXT
    /// record has. If that question isn't answered, it is used without them.
    fn take_instance(&mut self, srv: Records, txt: Records, targets: &mut Vec<Target>) {
        let records = txt.unwrap_or_default();
        let texts = || records.iter().filter_map(|record| txt_of(&record.data));
        let before = targets.len();
        self.take_srv(srv, texts().find_map(uuid_of), targets);
        let key = texts().find_map(|txt| value_of(txt, "pk"));
        for (_, _, endpoint, _) in targets.iter().skip(before) {
            if let Some(key) = key {
                self.keys.insert(endpoint.clone(), key.into());
            }
        }
    }
}

/// The endpoint to dial, if it can be dialled.
///
/// RFC 2782: "A Target of "." means that the service is decidedly not available
/// at this domain."
fn endpoint_of(srv: &SRV) -> Option<Endpoint> {
    let target = srv.target.to_ascii();
    let host = target.strip_suffix('.').unwrap_or(&target);
    match format!("tcp://{host}:{}", srv.port).parse() {
        Ok(endpoint @ Endpoint::Host { .. }) => Some(endpoint),
        // RFC 2782: the target is a domain name. One that looks like an address is a
        // mistake or an attempt to misdirect this node.
        _ => None,
    }
}

fn txt_of(data: &RData) -> Option<&TXT> {
    match data {
        RData::TXT(txt) => Some(txt),
        _ => None,
    }
}

/// The first value of `key=` in the strings. RFC 6763, section 6.4: keys are compared
/// without regard to case.
fn value_of<'a>(txt: &'a TXT, key: &str) -> Option<&'a str> {
    txt.txt_data.iter().find_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        name.eq_ignore_ascii_case(key).then_some(value)
    })
}

fn uuid_of(txt: &TXT) -> Option<Uuid> {
    Uuid::try_parse(value_of(txt, "uuid")?).ok()
}

/// What a name server may say, without the name server: the answer to the
/// question for SRV records, the one for PTR records, and for each instance SRV
/// and TXT. Checks what holds whatever it says.
#[cfg(fuzzing)]
pub(super) fn fuzz(messages: &[&[u8]]) -> Answer {
    use hickory_resolver::proto::op::Message;

    let mut messages = messages.iter().map(|bytes| {
        let message = Message::from_vec(bytes)?;
        Ok(message.answers)
    });
    let mut next = || messages.next().unwrap_or_else(|| Ok(Vec::new()));
    let mut answer = Answer {
        complete: true,
        ..Answer::default()
    };
    let mut targets = Vec::new();
    let (direct, instances) = (next(), next());
    answer.take_srv(direct, None, &mut targets);
    let instances = answer.take_instances(instances);
    assert!(instances.len() <= INSTANCES);
    for _ in instances {
        let (srv, txt) = (next(), next());
        answer.take_instance(srv, txt, &mut targets);
    }
    answer.list(targets);
    assert!(answer.found.len() <= RECORDS);
    let distinct: std::collections::BTreeSet<_> =
        answer.found.iter().map(|(endpoint, _)| endpoint).collect();
    assert_eq!(distinct.len(), answer.found.len());
    for (endpoint, _) in &answer.found {
        assert!(matches!(endpoint, Endpoint::Host { port: 1.., .. }));
        assert_eq!(endpoint.to_string().parse().as_ref(), Ok(endpoint));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn srv(target: &str, port: u16) -> SRV {
        SRV::new(0, 0, port, Name::from_str(target).unwrap())
    }

    #[test]
    fn only_targets_that_can_be_dialled() {
        let good = endpoint_of(&srv("Alpha.Example.org.", 5670)).unwrap();
        assert_eq!(good.to_string(), "tcp://alpha.example.org:5670");
        assert_eq!(endpoint_of(&srv(".", 5670)), None);
        assert_eq!(endpoint_of(&srv("alpha.example.org.", 0)), None);
        assert_eq!(endpoint_of(&srv("10.0.0.1.", 5670)), None);
        let odd = Name::from_labels([&b"-x"[..], b"org"]).unwrap();
        assert_eq!(endpoint_of(&SRV::new(0, 0, 5670, odd)), None);
        let odd = Name::from_labels([&b"a b\xff"[..], b"org"]).unwrap();
        assert_eq!(endpoint_of(&SRV::new(0, 0, 5670, odd)), None);
    }

    #[test]
    fn the_uuid_is_read_from_txt() {
        let uuid = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        let txt = |strings: &[&str]| TXT::new(strings.iter().map(ToString::to_string).collect());
        let found = uuid_of(&txt(&["pk=abc", &format!("UUID={uuid}")]));
        assert_eq!(found, Uuid::try_parse(uuid).ok());
        assert_eq!(uuid_of(&txt(&["uuid=nonsense", "uuid", ""])), None);
    }

    #[test]
    fn the_key_of_an_instance_is_that_of_its_targets_alone() {
        let record = |data| Record::from_rdata(Name::root(), 60, data);
        let target = |host: &str| Ok(vec![record(RData::SRV(srv(host, 5670)))]);
        let txt = |text: &str| Ok(vec![record(RData::TXT(TXT::new(vec![text.into()])))]);
        let mut answer = Answer::default();
        let mut targets = Vec::new();
        answer.take_srv(target("plain.example.org."), None, &mut targets);
        answer.take_instance(target("a.example.org."), txt("PK=one=1"), &mut targets);
        answer.take_instance(target("b.example.org."), txt("other=2"), &mut targets);
        assert_eq!(targets.len(), 3);
        let keys: Vec<_> = answer.keys.into_iter().collect();
        let endpoint = "tcp://a.example.org:5670".parse().unwrap();
        assert_eq!(keys, [(endpoint, "one=1".into())]);
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let records: Vec<Record> = (0..RECORDS + 10)
            .map(|number| {
                let target = srv(&format!("n{number}.example.org."), 5670);
                Record::from_rdata(Name::root(), 60, RData::SRV(target))
            })
            .collect();
        let mut answer = Answer::default();
        let mut targets = Vec::new();
        answer.take_srv(Ok(records), None, &mut targets);
        assert_eq!(targets.len(), RECORDS);
        assert_eq!(answer.refused, 10);
    }
}
