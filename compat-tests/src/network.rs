//! Hosts in network namespaces of our own, joined by a bridge, and the ways to cut them off.
//!
//! ```text
//!   namespace gk-<n>-c: bridge 10.77.0.254, the clients      namespace gk-<n>-<i>: eth0 10.77.0.<i>
//! ```
//!
//! A cut is one-way: the sender is told a wrong hardware address for the receiver, so what it sends
//! reaches nobody, in silence, as with a broken cable. That needs nothing but `ip`. The machine's own
//! network is not touched: a test thread that [`Network::enter`]s, and all threads it starts from then
//! on, live in the namespace of the clients.

use std::{
    env,
    fs::File,
    net::Ipv4Addr,
    os::fd::AsFd,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::maven::announce;

/// Belongs to no host, so a frame to it ends at the bridge's last port.
const NOWHERE: &str = "02:00:00:00:00:01";

/// A network of hosts; it goes with its last clone.
#[derive(Debug, Clone)]
pub struct Network(Arc<Namespaces>);

#[derive(Debug)]
struct Namespaces {
    prefix: String,
    hosts: usize,
}

impl Network {
    /// Makes `hosts` hosts and a place for clients. `None` after saying why `test` is skipped on a machine
    /// that cannot; with `GAMEKEEPER_REQUIRE_NETNS=1` there is no skipping.
    pub fn new_or_skip(test: &str, hosts: usize) -> Option<Self> {
        match Self::new(hosts) {
            Ok(network) => Some(network),
            Err(why) if env::var_os("GAMEKEEPER_REQUIRE_NETNS").is_some_and(|it| it == "1") => {
                panic!(
                    "{test} needs network namespaces, and GAMEKEEPER_REQUIRE_NETNS=1 forbids to skip: {why}"
                )
            }
            Err(why) => {
                announce(&format!(
                    "NO PARTITIONS TESTED: {test} needs network namespaces, so root and iproute2: {why}"
                ));
                None
            }
        }
    }

    fn new(hosts: usize) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let network = Self(Arc::new(Namespaces {
            prefix: format!("gk-{}-{number}", process::id()),
            hosts,
        }));
        let clients = network.clients();
        ip(&["netns", "add", &clients])?;
        ip(&["-n", &clients, "link", "set", "lo", "up"])?;
        ip(&["-n", &clients, "link", "add", "bridge", "type", "bridge"])?;
        ip(&[
            "-n",
            &clients,
            "addr",
            "add",
            "10.77.0.254/24",
            "dev",
            "bridge",
        ])?;
        ip(&["-n", &clients, "link", "set", "bridge", "up"])?;
        for host in 0..hosts {
            network.add_host(host)?;
        }
        Ok(network)
    }

    fn add_host(&self, host: usize) -> Result<(), String> {
        let (clients, own) = (self.clients(), self.namespace(host));
        let port = format!("port{host}");
        let address = format!("{}/24", self.host(host));
        ip(&["netns", "add", &own])?;
        ip(&[
            "-n", &clients, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
            &own,
        ])?;
        ip(&[
            "-n", &clients, "link", "set", &port, "master", "bridge", "up",
        ])?;
        ip(&["-n", &own, "addr", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &own, "link", "set", "eth0", "up"])?;
        ip(&["-n", &own, "link", "set", "lo", "up"])
    }

    /// Gives each host an address in a second network, which [`Self::cut`] does not touch.
    pub fn add_second_addresses(&self) {
        let clients = self.clients();
        let add = |host: usize| {
            let (own, port) = (self.namespace(host), format!("second{host}"));
            let address = format!("{}/24", self.second_host(host));
            ip(&[
                "-n", &clients, "link", "add", &port, "type", "veth", "peer", "name", "eth1",
                "netns", &own,
            ])?;
            ip(&[
                "-n", &clients, "link", "set", &port, "master", "bridge", "up",
            ])?;
            ip(&["-n", &own, "addr", "add", &address, "dev", "eth1"])?;
            ip(&["-n", &own, "link", "set", "eth1", "up"])
        };
        for host in 0..self.0.hosts {
            add(host).expect("a second address");
        }
    }

    pub fn second_host(&self, host: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, u8::try_from(host + 1).expect("a few hosts"))
    }

    /// Moves this thread into the namespace of the clients.
    pub fn enter(&self) {
        let namespace =
            File::open(format!("/run/netns/{}", self.clients())).expect("the namespace was made");
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter a namespace");
    }

    /// What `from` sends to `to` is lost from now on; the other direction is not touched.
    pub fn cut(&self, from: usize, to: usize) {
        let (from, to) = (self.namespace(from), self.host(to).to_string());
        ip(&[
            "-n",
            &from,
            "neigh",
            "replace",
            &to,
            "lladdr",
            NOWHERE,
            "dev",
            "eth0",
            "nud",
            "permanent",
        ])
        .expect("a cut");
    }

    pub fn mend(&self, from: usize, to: usize) {
        let (from, to) = (self.namespace(from), self.host(to).to_string());
        ip(&["-n", &from, "neigh", "del", &to, "dev", "eth0"]).expect("an end to a cut");
    }

    /// No host of one group hears one of the other, nor the other way round.
    pub fn part(&self, one: &[usize], other: &[usize]) {
        for (a, b) in pairs(one, other) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// Ends [`Self::part`] of the same groups.
    pub fn join(&self, one: &[usize], other: &[usize]) {
        for (a, b) in pairs(one, other) {
            self.mend(a, b);
            self.mend(b, a);
        }
    }

    pub fn host(&self, host: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, u8::try_from(host + 1).expect("a few hosts"))
    }

    pub fn namespace(&self, host: usize) -> String {
        format!("{}-{}", self.0.prefix, host + 1)
    }

    fn clients(&self) -> String {
        format!("{}-c", self.0.prefix)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let hosts = (1..=self.hosts).map(|host| host.to_string());
        for name in hosts.chain(["c".to_owned()]) {
            // After a failure half way some were never made.
            let _ = ip(&["netns", "del", &format!("{}-{name}", self.prefix)]);
        }
    }
}

fn pairs<'a>(one: &'a [usize], other: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    one.iter()
        .flat_map(move |a| other.iter().map(move |b| (*a, *b)))
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| format!("`ip` is not there: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("`ip {}`: {}", arguments.join(" "), why.trim()))
}
