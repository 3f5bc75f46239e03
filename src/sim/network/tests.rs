//! Links: what arrives, what does not, and who hears of it.

use super::*;

const A: Host = Host(1);
const B: Host = Host(2);

struct Bench {
    network: Network,
    timeline: Timeline<NetEvent>,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let options = NetworkOptions {
            delay_min_us: 10,
            delay_mean_us: 100,
            spike_per_mille: 10,
            spike_us: 5000,
            split_per_mille: 300,
            dial_timeout_us: 1_000_000,
        };
        let mut network = Network::new(options, Prng::new(seed));
        network.listen(B, Port::Quorum);
        Self {
            network,
            timeline: Timeline::default(),
        }
    }

    fn dial(&mut self) -> End {
        self.network.dial(&mut self.timeline, A, B, Port::Quorum)
    }

    fn send(&mut self, from: End, bytes: &'static [u8]) {
        let bytes = Bytes::from_static(bytes);
        self.network.send(&mut self.timeline, from, bytes);
    }

    /// What is noticed within some time, bytes put together.
    fn run(&mut self, millis: u64) -> Vec<(Host, Arrival)> {
        let end = self.timeline.now().after(Micros::from_millis(millis));
        let mut noticed: Vec<(Host, Arrival)> = Vec::new();
        while let Some(event) = self.timeline.next_until(end) {
            let Some((host, _, arrival)) = self.network.on_event(&mut self.timeline, event) else {
                continue;
            };
            match (noticed.last_mut(), arrival) {
                (Some((last, Arrival::Bytes(before))), Arrival::Bytes(more)) if *last == host => {
                    *before = [&before[..], &more[..]].concat().into();
                }
                (_, arrival) => noticed.push((host, arrival)),
            }
        }
        noticed
    }

    fn connect(&mut self) -> End {
        let end = self.dial();
        let noticed = self.run(100);
        let accepted = Arrival::Accepted {
            port: Port::Quorum,
            from: A,
        };
        assert_eq!(noticed, [(B, accepted), (A, Arrival::Dialled)]);
        end
    }
}

fn bytes(host: Host, bytes: &'static [u8]) -> (Host, Arrival) {
    (host, Arrival::Bytes(Bytes::from_static(bytes)))
}

#[test]
fn bytes_come_in_order_and_the_end_behind_them() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        let end = bench.connect();
        for part in [&b"one "[..], b"two ", b"three"] {
            bench.send(end, part);
        }
        bench.network.close(&mut bench.timeline, end);
        let noticed = bench.run(100);
        assert_eq!(noticed, [bytes(B, b"one two three"), (B, Arrival::Closed)]);
        assert!(bench.network.conns.is_empty(), "nothing is kept of it");
    }
}

#[test]
fn a_dial_is_refused_where_nobody_listens_and_times_out_where_nobody_is() {
    let mut bench = Bench::new(1);
    bench.network.stop_listening(B, Port::Quorum);
    bench.dial();
    assert_eq!(bench.run(100), [(A, Arrival::DialFailed)]);
    bench
        .network
        .end_process(&mut bench.timeline, B, Ending::Silent);
    bench.dial();
    assert_eq!(bench.run(900), []);
    assert_eq!(bench.run(200), [(A, Arrival::DialFailed)]);
}

#[test]
fn what_is_sent_on_a_blocked_way_arrives_when_it_is_free_again() {
    let mut bench = Bench::new(2);
    let end = bench.connect();
    bench.network.block(A, B);
    bench.send(end, b"held");
    bench.send(end.other(), b"the other way is open");
    let noticed = bench.run(1000);
    assert_eq!(noticed, [bytes(A, b"the other way is open")]);
    bench.network.unblock_all(&mut bench.timeline);
    assert_eq!(bench.run(1000), [bytes(B, b"held")]);
}

#[test]
fn a_clogged_way_holds_for_a_while() {
    let mut bench = Bench::new(2);
    let end = bench.connect();
    let until = bench.timeline.now().after(Micros::from_millis(500));
    bench.network.clog(A, B, until);
    bench.send(end, b"late");
    assert_eq!(bench.run(499), []);
    assert_eq!(bench.run(100), [bytes(B, b"late")]);
}

#[test]
fn a_reset_keeps_a_prefix_and_both_ends_hear_of_it() {
    let mut kept = BTreeSet::new();
    for seed in 0..100 {
        let mut bench = Bench::new(seed);
        let end = bench.connect();
        bench.send(end, b"0123456789");
        bench.network.reset(&mut bench.timeline, end);
        let mut arrived = Vec::new();
        let noticed = bench.run(1000);
        for (_, arrival) in &noticed {
            if let Arrival::Bytes(bytes) = arrival {
                arrived.extend_from_slice(bytes);
            }
        }
        assert!(b"0123456789".starts_with(&arrived));
        kept.insert(arrived.len());
        let closed = noticed.iter().filter(|(_, what)| *what == Arrival::Closed);
        assert_eq!(closed.count(), 2);
    }
    assert!(kept.len() > 3, "{kept:?}");
}

#[test]
fn a_machine_that_comes_back_resets_what_it_does_not_know() {
    let mut bench = Bench::new(3);
    let end = bench.connect();
    let (network, timeline) = (&mut bench.network, &mut bench.timeline);
    network.end_process(timeline, B, Ending::Silent);
    bench.send(end, b"into the void");
    assert_eq!(bench.run(1000), []);
    bench.network.power_on(B);
    bench.send(end, b"who is there");
    assert_eq!(bench.run(1000), [(A, Arrival::Closed)]);
}

#[test]
fn a_process_that_ends_closes_its_connections() {
    for ending in [Ending::Closes, Ending::Resets] {
        let mut bench = Bench::new(3);
        let end = bench.connect();
        bench.send(end.other(), b"last words");
        let (network, timeline) = (&mut bench.network, &mut bench.timeline);
        network.end_process(timeline, B, ending);
        let noticed = bench.run(1000);
        assert_eq!(noticed.last(), Some(&(A, Arrival::Closed)), "{ending:?}");
        bench.dial();
        assert_eq!(bench.run(100), [(A, Arrival::DialFailed)]);
    }
}
