//! Scripts with golden output in `testdata`: one election, one server's links, whole ensembles.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;

use super::cluster::Cluster;
use crate::{
    base::{Epoch, Monotonic, ServerId, Zxid},
    election::{
        Ballot, Candidate, Election, ElectionOptions, Input, LinkId, LinkInput, LinkOutput,
        LinkState, Links, Output, PeerState, Received, Round, Standing, Vote,
    },
    quorum::{
        Address, Membership, QuorumView, ViewRules,
        tests::script::{self, Block},
    },
};

#[test]
fn votes_qp_026_to_qp_036() {
    run_elections("election/testdata/votes.txt");
}

#[test]
fn the_wait_before_a_decision_qp_032() {
    run_elections("election/testdata/wait.txt");
}

#[test]
fn ensembles_that_run_already_qp_036_to_qp_041() {
    run_elections("election/testdata/joining.txt");
}

#[test]
fn replies_qp_029_to_qp_031_qp_046() {
    run_elections("election/testdata/replies.txt");
}

#[test]
fn servers_that_do_not_vote_qp_042_and_groups_qp_043_qp_044() {
    run_elections("election/testdata/views.txt");
}

#[test]
fn links_qp_004_to_qp_013() {
    let mut bench = LinkBench {
        now: Monotonic(0),
        links: Links::new(ServerId(0)),
    };
    script::check("election/testdata/links.txt", |block| bench.run(block));
}

#[test]
fn ensembles() {
    for name in [
        "normal",
        "late",
        "rounds",
        "winner",
        "partition",
        "observer",
    ] {
        let mut cluster = None;
        let file = format!("election/testdata/ensemble-{name}.txt");
        script::check(&file, |block| run_cluster(&mut cluster, block));
    }
}

/// Runs blocks of commands to one [`Election`]:
///
/// ```text
/// election me=1 epoch=1 zxid=0x100000001 [reconfig]     input: the committed view
/// views                                                 input: another; or two, `--` between
/// look epoch=1 zxid=0x100000001
/// hear 2 LOOKING leader=3 epoch=1 zxid=0x1 round=1 [version=0] [config=<version>]
/// link 2 up | down | gone
/// time 200
/// term 2
/// ```
///
/// and shows what it asks for and what it waits for.
fn run_elections(name: &str) {
    let mut bench: Option<ElectionBench> = None;
    script::check(name, |block| {
        let mut out = Vec::new();
        if block.command == "election" {
            bench = Some(ElectionBench::new(block, &mut out));
        } else {
            let bench = bench.as_mut().expect("an election comes first");
            bench.run(block, &mut out);
        }
        bench
            .as_ref()
            .map_or_else(String::new, |bench| bench.show(&out))
    });
}

struct ElectionBench {
    now: Monotonic,
    election: Election,
    membership: Arc<Membership>,
}

impl ElectionBench {
    fn new(block: &Block<'_>, out: &mut Vec<Output>) -> Self {
        let membership = Arc::new(membership(block.input));
        let options = ElectionOptions {
            reconfig_enabled: block.arguments.contains(&"reconfig"),
            ..ElectionOptions::default()
        };
        let me = ServerId(number(block, "me").expect("me=<id>"));
        let (now, members) = (Monotonic(0), Arc::clone(&membership));
        let election = Election::start(me, options, members, standing(block), now, out);
        Self {
            now,
            election,
            membership,
        }
    }

    fn run(&mut self, block: &Block<'_>, out: &mut Vec<Output>) {
        let input = match block.command {
            "look" => Input::Look(standing(block)),
            "hear" => self.hear(block),
            "link" => {
                let state = match block.arguments[1] {
                    "up" => LinkState::Up,
                    "down" => LinkState::Down,
                    _ => LinkState::Gone,
                };
                let peer = ServerId(block.arguments[0].parse().unwrap());
                Input::Link { peer, state }
            }
            "time" => return self.pass(block.arguments[0].parse().unwrap(), out),
            "term" => Input::TermBegan(Epoch(block.arguments[0].parse().unwrap())),
            "views" => {
                self.membership = Arc::new(membership(block.input));
                Input::Reconfigured(Arc::clone(&self.membership))
            }
            other => panic!("no command {other}"),
        };
        self.election.handle(self.now, input, out);
    }

    fn hear(&self, block: &Block<'_>) -> Input {
        let from = ServerId(block.arguments[0].parse().unwrap());
        let state = (0..4).filter_map(PeerState::from_wire);
        let state = state
            .into_iter()
            .find(|s| s.to_string() == block.arguments[1]);
        let candidate = Candidate {
            epoch: Epoch(number(block, "epoch").unwrap_or(0)),
            zxid: Zxid(number(block, "zxid").unwrap_or(0)),
            leader: ServerId(number(block, "leader").expect("leader=<id>")),
        };
        let round = Round(number(block, "round").unwrap_or(1));
        let ballot = Ballot {
            state: state.expect("a state"),
            vote: Vote { candidate, round },
            version: i32::try_from(number(block, "version").unwrap_or(2)).unwrap(),
        };
        let config = number(block, "config").map(|version| {
            let view = QuorumView::clone(self.membership.committed());
            Arc::new(view.with_version(crate::quorum::ConfigVersion(version)))
        });
        Input::Received {
            from,
            message: Received { ballot, config },
        }
    }

    /// Lets time pass, with a wake-up at each deadline in between.
    fn pass(&mut self, millis: u64, out: &mut Vec<Output>) {
        let end = self.now.after(millis);
        while let Some(at) = self.election.next_deadline()
            && at <= end
        {
            self.now = self.now.max(at);
            self.election.handle(self.now, Input::Wake, out);
        }
        self.now = end;
    }

    /// The outputs, one a line, a vote for everyone in one; then what comes next.
    fn show(&self, out: &[Output]) -> String {
        let mut lines: Vec<(String, Vec<ServerId>)> = Vec::new();
        for output in out {
            let line = show_output(output);
            match (output, lines.last_mut()) {
                (Output::Send { to, .. }, Some((last, receivers)))
                    if *last == line && !receivers.is_empty() && !receivers.contains(to) =>
                {
                    receivers.push(*to);
                }
                (Output::Send { to, .. }, _) => lines.push((line, vec![*to])),
                _ => lines.push((line, Vec::new())),
            }
        }
        let mut text = String::new();
        for (line, receivers) in lines {
            let to: Vec<String> = receivers.iter().map(ServerId::to_string).collect();
            let to = if to.is_empty() {
                String::new()
            } else {
                format!("to {}: ", to.join(","))
            };
            writeln!(text, "{to}{line}").unwrap();
        }
        let (state, vote) = (self.election.state(), self.election.vote());
        write!(
            text,
            "= {state} for {} in round {}",
            vote.candidate, vote.round
        )
        .unwrap();
        if let Some(at) = self.election.next_deadline() {
            write!(text, ", until {}", at.since(Monotonic(0))).unwrap();
        }
        text
    }
}

fn show_output(output: &Output) -> String {
    match output {
        Output::Send { notification, .. } => {
            let Vote { candidate, round } = notification.vote;
            format!("{} for {candidate} in round {round}", notification.state)
        }
        Output::Elected(elected) => {
            let by: Vec<String> = elected.supporters.iter().map(ServerId::to_string).collect();
            let (state, vote) = (elected.state, elected.vote);
            format!(
                "elected: {state}, {} in round {}, by {}",
                vote.candidate,
                vote.round,
                by.join(",")
            )
        }
        Output::NewerView(view) => format!("newer view {}", view.version()),
        Output::VoterLooks {
            voter,
            has_left: true,
        } => format!("voter {voter} looks elsewhere"),
        Output::VoterLooks { voter, .. } => format!("voter {voter} looks"),
        Output::LeaderLooks => "the leader looks".to_owned(),
    }
}

fn membership(text: &str) -> Membership {
    let view = |text: &str| {
        // `1 2 3:observer` is enough of a view where nobody dials.
        let mut lines = String::new();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                _ if word.contains('=') => writeln!(lines, "{word}").unwrap(),
                Some((id, role)) => writeln!(lines, "server.{id}=h{id}:1:2:{role}").unwrap(),
                None => writeln!(lines, "server.{word}=h{word}:1:2").unwrap(),
            }
        }
        Arc::new(QuorumView::parse(&lines, ViewRules::default()).unwrap())
    };
    match text.split_once("--") {
        Some((committed, last_seen)) => {
            Membership::with_last_seen(view(committed), view(last_seen))
        }
        None => Membership::new(view(text)),
    }
}

fn standing(block: &Block<'_>) -> Standing {
    Standing {
        zxid: Zxid(number(block, "zxid").unwrap_or(0)),
        epoch: Epoch(number(block, "epoch").unwrap_or(0)),
    }
}

fn number(block: &Block<'_>, name: &str) -> Option<i64> {
    let values = block
        .arguments
        .iter()
        .filter_map(|word| word.split_once('='));
    let (_, value) = values.into_iter().find(|(key, _)| *key == name)?;
    let number = match value.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => value.parse(),
    };
    Some(number.unwrap())
}

struct LinkBench {
    now: Monotonic,
    links: Links,
}

impl LinkBench {
    /// Commands to the links of one server, the inputs by name; `link` and `me` are numbers.
    fn run(&mut self, block: &Block<'_>) -> String {
        let mut out = Vec::new();
        let word = |index: usize| block.arguments.get(index).copied().unwrap_or_default();
        let server = |index: usize| ServerId(word(index).parse().unwrap());
        let link = |index: usize| LinkId(word(index).parse().unwrap());
        let input = match block.command {
            "links" => {
                *self = Self {
                    now: Monotonic(0),
                    links: Links::new(server(0)),
                };
                return String::new();
            }
            "time" => return self.pass(word(0).parse().unwrap()),
            "queue" => LinkInput::Queue {
                to: server(0),
                message: Bytes::copy_from_slice(word(1).as_bytes()),
            },
            "dialled" => LinkInput::Dialled {
                to: server(0),
                link: link(1),
            },
            "failed" => LinkInput::DialFailed { to: server(0) },
            "accepted" => {
                let addresses = block.arguments.iter().skip(2);
                let addresses = addresses
                    .map(|text| Address::parse(text).unwrap())
                    .collect();
                LinkInput::Accepted {
                    link: link(1),
                    from: server(0),
                    addresses,
                }
            }
            "written" => LinkInput::Written { link: link(0) },
            "closed" => LinkInput::Closed { link: link(0) },
            "eager" => LinkInput::Eager(word(0) == "on"),
            other => panic!("no command {other}"),
        };
        self.links.handle(self.now, input, &mut out);
        show_links(&out)
    }

    fn pass(&mut self, millis: u64) -> String {
        let end = self.now.after(millis);
        let mut text = String::new();
        while let Some(at) = self.links.next_deadline()
            && at <= end
        {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.links.handle(self.now, LinkInput::Wake, &mut out);
            write!(text, "at {}: {}", self.now.0, show_links(&out)).unwrap();
        }
        self.now = end;
        text
    }
}

fn show_links(out: &[LinkOutput]) -> String {
    let mut text = String::new();
    for output in out {
        match output {
            LinkOutput::Dial {
                to,
                addresses: None,
            } => write!(text, "dial {to}"),
            LinkOutput::Dial {
                to,
                addresses: Some(addresses),
            } => {
                let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
                write!(text, "dial {to} at {}", addresses.join(" "))
            }
            LinkOutput::Keep { link, peer } => write!(text, "keep link {} to {peer}", link.0),
            LinkOutput::Write { link, message } => {
                write!(
                    text,
                    "write {:?} to link {}",
                    String::from_utf8_lossy(message),
                    link.0
                )
            }
            LinkOutput::Close { link } => write!(text, "close link {}", link.0),
            LinkOutput::Reach { peer, state } => write!(text, "{peer} is {state:?}"),
        }
        .unwrap();
        text += "\n";
    }
    text
}

/// Commands to a whole ensemble; the answer is what happened since.
fn run_cluster(cluster: &mut Option<Cluster>, block: &Block<'_>) -> String {
    if block.command == "ensemble" {
        *cluster = Some(Cluster::new(1, block.input));
        return String::new();
    }
    let cluster = cluster.as_mut().expect("an ensemble comes first");
    let words = block.arguments.iter();
    let ids: Vec<ServerId> = words.filter_map(|w| w.parse().ok().map(ServerId)).collect();
    match block.command {
        "stands" => {
            let server = cluster.servers.get_mut(&ids[0]).unwrap();
            server.standing = standing(block);
        }
        "start" => ids.iter().for_each(|&id| cluster.start(id)),
        "crash" => ids.iter().for_each(|&id| cluster.crash(id, false)),
        "lose" => ids.iter().for_each(|&id| cluster.crash(id, true)),
        "cut" => {
            // Each of the first side from each of the second.
            let side = block
                .arguments
                .iter()
                .position(|&word| word == "from")
                .unwrap();
            let (a, b) = ids.split_at(side);
            a.iter()
                .for_each(|&x| b.iter().for_each(|&y| cluster.cut(x, y, false)));
        }
        "heal" => cluster.heal(),
        "run" => cluster.run(block.arguments[0].parse().unwrap()),
        "states" => return cluster.states(),
        other => panic!("no command {other}"),
    }
    let brief = block.arguments.contains(&"brief");
    let lines = std::mem::take(&mut cluster.trace);
    let shown = lines
        .into_iter()
        .filter(|line| !brief || !line.contains(" -> "));
    shown.collect::<Vec<_>>().join("\n")
}
