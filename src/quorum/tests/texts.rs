//! Server lines and configuration texts: what is read, how it prints, what is refused.

use proptest::prelude::*;

use super::script::{self, Block};
use crate::{
    base::ServerId,
    quorum::{Address, ConfigVersion, Member, QuorumView, Verifier, ViewLines, ViewRules},
};

#[test]
fn server_lines_qp_125() {
    script::check("quorum/testdata/members.txt", |block| {
        assert_eq!(block.command, "member");
        let multi = block.arguments.contains(&"multi");
        let mut output = String::new();
        for line in block.input.lines() {
            output += &match Member::parse(line.trim_matches('"'), multi) {
                Ok(member) => format!("{member}\n"),
                Err(error) => format!("error: {error}\n"),
            };
        }
        output
    });
}

#[test]
fn configuration_texts_qp_024_qp_125() {
    script::check(
        "quorum/testdata/views.txt",
        |block| match QuorumView::parse(block.input, rules(block)) {
            Ok(view) => {
                let printed = view.to_string();
                assert!(
                    QuorumView::parse(&printed, rules(block)).is_ok_and(|again| {
                        again.same_members(&view) && again.version() == view.version()
                    }),
                    "what is printed parses to the same: {printed}"
                );
                printed
            }
            Err(error) if error.may_be_newer_form() => format!("error, perhaps newer: {error}"),
            Err(error) => format!("error: {error}"),
        },
    );
}

fn rules(block: &Block<'_>) -> ViewRules {
    ViewRules {
        multi_address_enabled: block.arguments.contains(&"multi"),
        standalone_enabled: !block.arguments.contains(&"distributed"),
    }
}

fn view(text: &str) -> QuorumView {
    let text = text.replace(' ', "\n");
    QuorumView::parse(&text, ViewRules::default()).unwrap()
}

#[test]
fn views_are_equal_by_version_or_by_members_qp_125() {
    let base = view("server.1=a:1:2 server.2=b:1:2;2181 version=5");
    let same_version = view("server.1=z:1:2 server.2=b:1:2 version=5");
    let same_members = view("server.2=b:1:2:participant;0.0.0.0:2181 server.1=a:1:2 version=6");
    let other_role = view("server.1=a:1:2 server.2=b:1:2;2181 server.3=c:1:2:observer version=6");
    let other_client = view("server.1=a:1:2 server.2=b:1:2 version=6");
    let grouped = view("server.1=a:1:2 server.2=b:1:2;2181 group.1=1:2 version=5");
    assert!(base.matches(&same_version) && !base.same_members(&same_version));
    assert!(base.matches(&same_members) && base.same_members(&same_members));
    for different in [&other_role, &other_client, &grouped] {
        assert!(!base.matches(different) && !base.same_members(different));
    }
    let weighted = view("server.1=a:1:2 server.2=b:1:2;2181 group.1=1:2 weight.1=2 version=6");
    assert!(!grouped.matches(&weighted));
    assert!(grouped.matches(&weighted.with_version(ConfigVersion(5))));
}

#[test]
fn a_client_address_of_the_static_file_is_not_printed() {
    let client = || Address::parse("10.0.0.1:2181").unwrap();
    let shared = view("server.1=a:1:2 server.2=b:1:2;2182").with_client(ServerId(1), client());
    assert_eq!(
        shared.to_string(),
        "server.1=a:1:2:participant\nserver.2=b:1:2:participant;0.0.0.0:2182\nversion=0"
    );
    let own_line_holds = shared.with_client(ServerId(2), client());
    let members = own_line_holds.members();
    assert_eq!(members[&ServerId(1)].client, Some(client()));
    assert_eq!(
        members[&ServerId(2)].client,
        Some(Address::parse("0.0.0.0:2182").unwrap())
    );
}

#[test]
fn addresses_of_a_member_by_purpose() {
    let member = Member::parse("b:1:2|a:3:4", true).unwrap();
    let texts = |addresses: &mut dyn Iterator<Item = Address>| -> Vec<String> {
        addresses.map(|address| address.to_string()).collect()
    };
    assert_eq!(texts(&mut member.quorum_addresses()), ["a:3", "b:1"]);
    assert_eq!(texts(&mut member.election_addresses()), ["a:4", "b:2"]);
    assert_eq!(member.addresses().len(), 2);
    assert!(member.is_participant());
}

#[test]
fn keys_that_belong_to_a_configuration() {
    for key in ["server.1", "group.1", "weight.2", "version"] {
        assert!(ViewLines::is_key(key), "{key}");
    }
    for key in ["server", "dataDir", "versions", ""] {
        assert!(!ViewLines::is_key(key), "{key}");
    }
}

/// A host, two different ports.
fn part() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-z][a-z0-9.-]{0,10}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
    ];
    (host, 0_u16..1000, 1000_u16..).prop_map(|(host, a, b)| format!("{host}:{a}:{b}"))
}

fn line() -> impl Strategy<Value = String> {
    let role = prop_oneof![Just(""), Just(":participant"), Just(":OBSERVER")];
    let client = prop_oneof![
        Just(String::new()),
        any::<u16>().prop_map(|p| format!(";{p}"))
    ];
    (prop::collection::vec(part(), 1..4), role, client)
        .prop_map(|(parts, role, client)| format!("{}{role}{client}", parts.join("|")))
}

proptest! {
    #[test]
    fn a_printed_line_reads_as_the_same_member(line in line()) {
        if let Ok(member) = Member::parse(&line, true) {
            let printed = member.to_string();
            let again = Member::parse(&printed, true).unwrap();
            prop_assert_eq!(&again, &member);
            prop_assert_eq!(again.to_string(), printed);
        }
    }

    #[test]
    fn a_printed_view_reads_as_the_same_view(
        lines in prop::collection::btree_map(1_i64..300, line(), 2..20),
        weights in prop::collection::vec(0_u32..5, 20),
        grouped: bool,
        version in 0_i64..,
    ) {
        let rules = ViewRules { multi_address_enabled: true, standalone_enabled: false };
        let mut text = format!("version={version:x}\n");
        for ((id, line), weight) in lines.iter().zip(weights) {
            text += &format!("server.{id}={line}\n");
            if grouped {
                text += &format!("group.{id}={id}\nweight.{id}={weight}\n");
            }
        }
        if let Ok(view) = QuorumView::parse(&text, rules) {
            let again = QuorumView::parse(&view.to_string(), rules).unwrap();
            prop_assert!(again.same_members(&view));
            prop_assert_eq!(again.version(), view.version());
            prop_assert_eq!(again.to_string(), view.to_string());
            prop_assert_eq!(matches!(view.verifier(), Verifier::Hierarchical(_)), grouped);
        }
    }

    #[test]
    fn any_text_is_a_view_or_an_error_qp_023(
        text: String,
        special in "(server|group|weight|version|[.=:;|\\[\\]\\\\\n1-3-]|h:1:2){0,40}",
    ) {
        for text in [text, special] {
            for multi_address_enabled in [false, true] {
                let rules = ViewRules { multi_address_enabled, ..ViewRules::default() };
                match QuorumView::parse(&text, rules) {
                    Ok(view) => prop_assert!(!view.voters().is_empty()),
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
                if let Err(error) = Member::parse(&text, multi_address_enabled) {
                    prop_assert!(error.to_string().len() < 800);
                }
            }
        }
    }
}
