//! Three brokers, each a process with a log and a directory of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
};

use compat_tests::{java::Java, maven::announce, ports::Ports, program::Program};
use tempfile::TempDir;

pub(crate) const BROKERS: u16 = 3;
/// After such a silence a broker is taken for dead. It is as long as some waits of this test.
const SESSION_TIMEOUT_MS: u32 = 8_000;
/// How much of each log a failed test shows.
const LOG_TAIL_LINES: usize = 40;

#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    kafka: &'a Java,
    dir: Option<TempDir>,
    ports: Ports,
    brokers: Vec<Broker>,
}

#[derive(Debug)]
struct Broker {
    process: Option<Program>,
    properties: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

impl<'a> Cluster<'a> {
    /// Makes the brokers' directories; starts none.
    pub(crate) fn prepare(kafka: &'a Java, zookeeper: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let ports = Ports::reserve(BROKERS);
        let brokers = (0..BROKERS).map(|id| {
            let own = dir.path().join(id.to_string());
            fs::create_dir_all(&own).expect("a broker's directory");
            let broker = Broker {
                process: None,
                properties: own.join("server.properties"),
                data: own.join("data"),
                log: own.join("broker.log"),
            };
            let text = properties(id, ports.port(id), &broker.data, zookeeper);
            fs::write(&broker.properties, text).expect("server.properties is written");
            broker
        });
        Self {
            brokers: brokers.collect(),
            kafka,
            ports,
            dir: Some(dir),
        }
    }

    /// Starts a broker that is not running, on its data; does not wait.
    pub(crate) fn start(&mut self, id: u16) {
        let kafka = self.kafka;
        let broker = self.broker_mut(id);
        assert!(broker.process.is_none(), "broker {id} runs");
        let log = File::options().create(true).append(true).open(&broker.log);
        let properties = broker.properties.to_str().expect("a path of ours");
        broker.process =
            Some(kafka.start_into("kafka.Kafka", &[], &[properties], &log.expect("a log file")));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, id: u16) {
        self.take(id).kill();
    }

    /// SIGTERM: a broker hands on what it leads, then closes its session and ends.
    pub(crate) fn stop(&mut self, id: u16) {
        let before = self.ends(id);
        self.take(id).terminate();
        assert_eq!(self.ends(id), before + 1, "broker {id} ends in good order");
    }

    /// Panics if one has ended by itself.
    pub(crate) fn expect_no_ends(&mut self) {
        for (id, broker) in self.brokers.iter_mut().enumerate() {
            let has_ended = broker.process.as_mut().is_some_and(Program::has_ended);
            assert!(!has_ended, "broker {id} has ended");
        }
    }

    /// What clients are told to connect to.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<String> = (0..BROKERS)
            .map(|id| format!("127.0.0.1:{}", self.ports.port(id)))
            .collect();
        addresses.join(",")
    }

    /// The directories of partitions that a broker has, also of those that it is about to remove.
    pub(crate) fn partitions(&self, id: u16) -> Vec<String> {
        let entries = fs::read_dir(&self.broker(id).data).expect("a broker's data");
        entries
            .map(|entry| entry.expect("a readable entry"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Everything a broker has printed, over all its starts.
    pub(crate) fn log(&self, id: u16) -> String {
        fs::read_to_string(&self.broker(id).log).unwrap_or_default()
    }

    fn take(&mut self, id: u16) -> Program {
        let process = self.broker_mut(id).process.take();
        process.unwrap_or_else(|| panic!("broker {id} does not run"))
    }

    fn broker(&self, id: u16) -> &Broker {
        self.brokers
            .get(usize::from(id))
            .expect("a broker's number")
    }

    fn broker_mut(&mut self, id: u16) -> &mut Broker {
        let broker = self.brokers.get_mut(usize::from(id));
        broker.expect("a broker's number")
    }

    /// How often a broker has ended in good order.
    fn ends(&self, id: u16) -> usize {
        self.log(id).matches("shut down completed").count()
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for id in 0..BROKERS {
            let log = self.log(id);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(LOG_TAIL_LINES);
            let end = lines.get(tail..).unwrap_or_default().join("\n");
            announce(&format!("the end of the log of broker {id}:\n{end}"));
        }
        if let Some(dir) = self.dir.take() {
            announce(&format!("the brokers' stays in {}", dir.keep().display()));
        }
    }
}

/// A small broker: few threads, small buffers. It does at once what others put off.
fn properties(id: u16, port: u16, data: &Path, zookeeper: &str) -> String {
    format!(
        "broker.id={id}\n\
         listeners=PLAINTEXT://127.0.0.1:{port}\n\
         log.dirs={}\n\
         zookeeper.connect={zookeeper}\n\
         zookeeper.session.timeout.ms={SESSION_TIMEOUT_MS}\n\
         zookeeper.connection.timeout.ms=60000\n\
         authorizer.class.name=kafka.security.authorizer.AclAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         auto.create.topics.enable=false\n\
         offsets.topic.num.partitions=3\n\
         group.initial.rebalance.delay.ms=0\n\
         replica.lag.time.max.ms=5000\n\
         log.segment.delete.delay.ms=500\n\
         log.segment.bytes=1048576\n\
         log.index.size.max.bytes=65536\n\
         log.cleaner.dedupe.buffer.size=2097152\n\
         log.cleaner.threads=1\n\
         num.network.threads=2\n\
         num.io.threads=2\n\
         background.threads=2\n",
        data.display()
    )
}
