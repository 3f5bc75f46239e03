//! Who is in the ensemble, and which of them this server is.
//!
//! In: the [`Lines`] about servers, and `dataDir/myid`. Out: [`Membership`]. Whether the server is one of an
//! ensemble follows Apache's rule: with one participant, or none, and `standaloneEnabled` it is a
//! server of its own, and `myid` does not matter then. Everything wrong is reported, each at its
//! line; what could not be read is missing in the result.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    path::Path,
};

use super::{
    Files,
    keys::{ensemble, storage, tree},
    lines::{Line, Lines},
    options::{ListenAddress, ListenHost},
    report::{Origin, Remark, Warning, shown},
    value::Parsed,
    values::Values,
};
use crate::{
    base::ServerId,
    quorum::{Address, Host, QuorumView, Role, ViewError, ViewLines, ViewRules},
};

/// What the lines say.
pub(super) struct Membership {
    /// Whether this server is one of an ensemble, as far as that can be told.
    pub(super) in_ensemble: bool,
    /// The ensemble, or the server of its own with its line.
    pub(super) view: Option<QuorumView>,
    /// A view that was proposed and need not be committed.
    pub(super) last_seen: Option<QuorumView>,
    /// Which server of the ensemble this is.
    pub(super) me: Option<ServerId>,
    pub(super) own: OwnLine,
    pub(super) rules: ViewRules,
}

/// The line of this server.
pub(super) enum OwnLine {
    /// There are no lines.
    None,
    /// The line, and where it says that clients connect.
    There(Line, Option<ListenAddress>),
    /// Which one it is, or what it says, is not known, for a reason that is reported.
    Unknown,
}

impl Values {
    pub(super) fn membership(&mut self, files: &Files<'_>) -> Membership {
        let rules = ViewRules {
            multi_address_enabled: self.bool(&ensemble::MULTI_ADDRESS_ENABLED),
            standalone_enabled: self.bool(&ensemble::STANDALONE_ENABLED),
        };
        let lines = self.member_lines(files);
        let view = self.view(&lines, rules);
        let in_ensemble = match &view {
            Some(view) => !rules.standalone_enabled || view.voters().len() > 1,
            None => !rules.standalone_enabled || lines.servers().count() > 1,
        };
        let me = if in_ensemble { self.my_id(files) } else { None };
        let me = me.filter(|(me, origin)| self.is_listed(*me, origin, view.as_ref()));
        let me = me.map(|(me, _)| me);
        let own = match (&view, me) {
            (None, _) if lines.is_none() => OwnLine::None,
            (Some(view), None) if !in_ensemble => own_line(&lines, view, None),
            (Some(view), Some(me)) => own_line(&lines, view, Some(me)),
            _ => OwnLine::Unknown,
        };
        if let (Some(view), Some(me), true) = (&view, me, in_ensemble) {
            self.check_role(view, me);
            self.check_count(view, &lines);
        }
        let last_seen = if in_ensemble && self.bool(&tree::RECONFIG_ENABLED) {
            self.proposed_view(files, rules)
        } else {
            None
        };
        Membership {
            in_ensemble,
            view,
            last_seen,
            me,
            own,
            rules,
        }
    }

    /// What the lines describe, if there are any and all are right.
    fn view(&mut self, lines: &Lines, rules: ViewRules) -> Option<QuorumView> {
        let mut view = ViewLines::default();
        let mut are_broken = lines.are_broken;
        let mut seen = BTreeMap::new();
        for line in &lines.lines {
            match view.add(&line.name, &line.value, rules) {
                Ok(()) => are_broken |= self.is_second(line, &mut seen),
                Err(error) => {
                    self.errors.push(line.error(line.what_is_wrong(error)));
                    are_broken = true;
                }
            }
        }
        if are_broken {
            return None;
        }
        let Some(first) = lines.first("server.").or_else(|| lines.first("")) else {
            if !rules.standalone_enabled {
                let text = no_participant(lines, rules);
                self.error(&ensemble::STANDALONE_ENABLED, text.to_owned());
            }
            return None;
        };
        match view.finish(rules) {
            Ok(view) => Some(view.with_version(lines.version)),
            Err(error) => {
                let group = lines.first("group.").or_else(|| lines.first("weight."));
                let (line, text) = match error {
                    ViewError::NoParticipant => (first, no_participant(lines, rules).to_owned()),
                    ViewError::ObserversOfOne => (first, OBSERVERS_OF_ONE.to_owned()),
                    other => (group.unwrap_or(first), other.to_string()),
                };
                self.errors.push(line.error(text));
                None
            }
        }
    }

    /// Whether the same number was there before in another spelling, which is an error.
    fn is_second<'a>(
        &mut self,
        line: &'a Line,
        seen: &mut BTreeMap<(&'a str, Option<i64>), &'a Line>,
    ) -> bool {
        let Some((kind, number)) = line.name.split_once('.') else {
            return false;
        };
        match seen.entry((kind, number.parse().ok())) {
            Entry::Vacant(entry) => {
                entry.insert(line);
                false
            }
            Entry::Occupied(entry) => {
                let text = format!(
                    "the same as {}; one of the two must go",
                    shown(&entry.get().name)
                );
                self.errors.push(line.error(text));
                true
            }
        }
    }

    /// The number in `dataDir/myid`, and the place of it.
    fn my_id(&mut self, files: &Files<'_>) -> Option<(ServerId, Origin)> {
        let Some(Parsed::Text(dir)) = self.parsed.get(storage::DATA_DIR.name) else {
            // That there is none is reported.
            return None;
        };
        let path = Path::new(dir).join("myid");
        let text = match files(&path) {
            Ok(text) => text,
            Err(error) => {
                let text = match error.kind() {
                    io::ErrorKind::NotFound => {
                        "myid file is missing; it holds the number of this server".to_owned()
                    }
                    _ => format!("cannot be read: {error}"),
                };
                self.missing(Origin::file(&path, 0), text);
                return None;
            }
        };
        let origin = Origin::file(&path, 1);
        let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let text = match line.parse::<i64>() {
            Err(_) => format!("serverid \"{}\" is not a number", shown(&line)),
            // Where servers introduce themselves, these stand for one without a number.
            Ok(number) if number < 0 || number == i64::MAX => {
                format!("serverid {number} cannot be taken; expected 0 or more")
            }
            Ok(number) if number > EXTENDED_ID_MAX && self.bool(&tree::EXTENDED_TYPES) => format!(
                "serverid {number} is too large: extendedTypesEnabled is true, \
                 which leaves room for numbers up to {EXTENDED_ID_MAX}"
            ),
            Ok(number) => return Some((ServerId(number), origin)),
        };
        self.missing(origin, text);
        None
    }

    fn is_listed(&mut self, me: ServerId, origin: &Origin, view: Option<&QuorumView>) -> bool {
        let Some(view) = view else {
            return true;
        };
        let is_listed = view.members().contains_key(&me);
        if !is_listed {
            let listed = view.members().keys().map(ServerId::to_string);
            let listed = listed.collect::<Vec<_>>().join(", ");
            let text = format!(
                "serverid {me} is not among the server lines, which have {}",
                shown(&listed)
            );
            self.missing(origin.clone(), text);
        }
        is_listed
    }

    /// The line's role counts; a `peerType` that says otherwise is worth a word.
    fn check_role(&mut self, view: &QuorumView, me: ServerId) {
        let role = role_of(view, me).to_string();
        if self.text(&ensemble::PEER_TYPE) != role {
            let text = format!("does not match the line server.{me}, which says {role} and counts");
            self.warn(&ensemble::PEER_TYPE, text);
        }
    }

    fn check_count(&mut self, view: &QuorumView, lines: &Lines) {
        let count = view.voters().len();
        let text = match count {
            0..=2 => "No server failure will be tolerated. You need at least 3 servers.",
            _ if count.is_multiple_of(2) => {
                "Non-optimal configuration, consider an odd number of servers."
            }
            _ => return,
        };
        if let Some(first) = lines.first("server.") {
            let remark = Remark::about(first.origin.clone(), text);
            self.warnings.push(Warning::new(remark));
        }
    }
}

/// Reads a host to listen on; `Err` is what was expected.
pub(super) fn host(text: &str) -> Result<ListenHost, String> {
    let inside = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match Host::parse(inside.unwrap_or(text)) {
        Ok(host) => Ok(listen_host(&host)),
        Err(_) => Err("an address or a host name".to_owned()),
    }
}

/// What the view says of a server in it.
pub(super) fn role_of(view: &QuorumView, server: ServerId) -> Role {
    view.members()
        .get(&server)
        .map_or_else(Role::default, |member| member.role)
}

/// The address of a client port as server lines have it.
pub(super) fn peer_form(address: &ListenAddress) -> Address {
    Address {
        host: match &address.host {
            ListenHost::All => Host::ANY,
            ListenHost::Ip(ip) => Host::Ip(*ip),
            ListenHost::Name(name) => Host::Name(name.as_str().into()),
        },
        port: address.port,
    }
}

/// The line of server `me`; without a number the only one.
fn own_line(lines: &Lines, view: &QuorumView, me: Option<ServerId>) -> OwnLine {
    let id = |line: &Line| line.name.strip_prefix("server.")?.parse().ok();
    let line = lines
        .servers()
        .find(|line| me.is_none_or(|me| id(line) == Some(me.0)));
    let member = match me {
        Some(me) => view.members().get(&me),
        None => view.members().values().next(),
    };
    match (line, member) {
        (Some(line), Some(member)) => {
            let client = member.client.as_ref().map(|client| ListenAddress {
                host: listen_host(&client.host),
                port: client.port,
            });
            OwnLine::There(line.clone(), client)
        }
        _ => OwnLine::Unknown,
    }
}

/// The wildcard of either family stands for both, as it does for a Java socket.
fn listen_host(host: &Host) -> ListenHost {
    match host {
        host if host.is_wildcard() => ListenHost::All,
        Host::Ip(ip) => ListenHost::Ip(*ip),
        Host::Name(name) => ListenHost::Name(name.to_string()),
    }
}

fn no_participant(lines: &Lines, rules: ViewRules) -> &'static str {
    if !rules.standalone_enabled {
        "standaloneEnabled = false then number of participants should be >0"
    } else if lines.servers().next().is_some() {
        "Observers w/o participants is an invalid configuration"
    } else {
        "there are no server lines that this could be about"
    }
}

const OBSERVERS_OF_ONE: &str = "Observers w/o quorum is an invalid configuration; \
    with standaloneEnabled=false one participant may have observers";

/// The greatest number of a server whose nodes may have a time to live, as
/// `EphemeralType.MAX_EXTENDED_SERVER_ID`.
const EXTENDED_ID_MAX: i64 = 254;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::{ListenHost, host};

    fn ip(text: &str) -> ListenHost {
        ListenHost::Ip(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn hosts() {
        assert_eq!(host("127.0.0.1"), Ok(ip("127.0.0.1")));
        assert_eq!(host("[::1]"), Ok(ip("::1")));
        assert_eq!(host("::1"), Ok(ip("::1")));
        assert_eq!(host("::"), Ok(ListenHost::All));
        assert_eq!(host("zk"), Ok(ListenHost::Name("zk".to_owned())));
        for text in ["", "a b", "zk:2181", "[zk", "a/b"] {
            assert_eq!(
                host(text),
                Err("an address or a host name".to_owned()),
                "of {text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_or_an_error(text: String, special in "[\\[\\]:;|a0-9]{0,30}") {
            for text in [text, special] {
                let expected = host(&text).err();
                prop_assert!(expected.is_none_or(|text| text == "an address or a host name"));
            }
        }
    }
}
