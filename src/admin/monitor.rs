//! `mntr`: one line per key, as Apache's default metrics provider spells them.

use std::fmt::{Display, Write as _};

use crate::admin::VERSION;
use crate::admin::facts::{MonitorFacts, Spread};
use crate::admin::java;

/// The answer to `mntr`.
pub fn mntr(facts: &MonitorFacts) -> String {
    let mut lines = Lines(String::new());
    let server = &facts.server;
    let latency = server.latency;
    lines.put("version", VERSION);
    lines.put("server_state", server.mode);
    lines.put("min_latency", latency.min_ms);
    lines.put(
        "avg_latency",
        java::average(latency.total_ms, latency.count),
    );
    lines.put("max_latency", latency.max_ms);
    lines.put("packets_received", server.received);
    lines.put("packets_sent", server.sent);
    lines.put("num_alive_connections", server.connections);
    lines.put("outstanding_requests", server.outstanding);
    lines.put("uptime", facts.uptime_ms);
    lines.put("znode_count", server.node_count);
    lines.put("watch_count", facts.watch_count);
    lines.put("ephemerals_count", facts.ephemerals_count);
    lines.put("approximate_data_size", facts.approximate_data_size);
    lines.put("global_sessions", facts.sessions);
    lines.put("local_sessions", 0);
    lines.put("open_file_descriptor_count", facts.open_files);
    lines.put("max_file_descriptor_count", facts.open_files_max);
    let drop_chance = java::double(facts.connection_drop_chance);
    lines.put("connection_drop_probability", drop_chance);
    for (name, value) in &facts.counters {
        lines.put(name, value);
    }
    for (name, spread) in &facts.spreads {
        lines.put_spread(name, *spread);
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "zk_{key}\t{value}");
    }

    fn put_spread(&mut self, name: &str, spread: Spread) {
        let average = java::average(spread.sum, spread.count);
        self.put(&format!("avg_{name}"), average);
        self.put(&format!("min_{name}"), spread.min);
        self.put(&format!("max_{name}"), spread.max);
        self.put(&format!("cnt_{name}"), spread.count);
        self.put(&format!("sum_{name}"), spread.sum);
    }
}
