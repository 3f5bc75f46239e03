//! Rows of observation: AdminServer, metrics, audit, log files, the Java runtime. Of these only the
//! AdminServer has an effect in this version.

use super::{ANY, Key, MS, PORT, decimal, int, long, rows};
use crate::config::value::Kind;

rows! {
    /// The AdminServer.
    ADMIN_ENABLED = Kind::Switch { on: "true", off: "false" }, "admin.enableServer", "true";
    /// Address of the AdminServer.
    ADMIN_ADDRESS = Kind::Text, "admin.serverAddress", "0.0.0.0";
    /// Port of the AdminServer.
    ADMIN_PORT = PORT, "admin.serverPort", "8080";
    /// Path of the AdminServer's commands.
    ADMIN_COMMAND_URL = Kind::Text, "admin.commandURL", "/commands";
    /// When an idle connection to the AdminServer is closed; 0 or less for never.
    ADMIN_IDLE_TIMEOUT = int(ANY, MS), "admin.idleTimeout", "30000";
    /// The snapshot command.
    ADMIN_SNAPSHOT = Kind::Loose, "admin.snapshot.enabled", "true";
    /// The restore command.
    ADMIN_RESTORE = Kind::Loose, "admin.restore.enabled", "true";
    /// Time between two restore commands; between two snapshot commands a thousandth of it, as Apache has it.
    ADMIN_RATE_INTERVAL = decimal(0, MS), "admin.rateLimiterIntervalInMS", "300000";
    /// HTTPS alone, with the stores of ssl.quorum.
    ADMIN_FORCE_HTTPS = Kind::Loose, "admin.forceHttps", "false";
    /// HTTP and HTTPS on one port, with the stores of ssl.quorum.
    ADMIN_PORT_UNIFICATION = Kind::Loose, "admin.portUnification", "false";
    /// Demand a client certificate over HTTPS.
    ADMIN_NEED_CLIENT_AUTH = Kind::Loose, "admin.needClientAuth", "false";
    unnamed {
        Key::new("admin.httpVersion", int(ANY, ""), "11", "Newest HTTP version spoken.")
            .quiet("it is a matter of HTTPS, and HTTP 1.1 is spoken anyway");
        Key::new("metricsProvider.className",
            Kind::Choice(&[
                "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
                "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
                "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
            ]),
            "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
            "Java class that exports metrics.").ignored(NO_METRICS);
        Key::new("metricsProvider.*", Kind::Text, "", "Settings of that class.").secret()
            .ignored(NO_METRICS);
        Key::new("audit.enable", Kind::Loose, "false", "Write an audit log.")
            .ignored("the audit log is not supported by this version");
        Key::new("audit.impl.class", Kind::Text, "org.apache.zookeeper.audit.Slf4jAuditLogger",
            "Java class that writes the audit log.")
            .ignored("the audit log is not supported by this version");
        Key::new("jvm.pause.monitor", Kind::Strict, "false", "Report pauses of the JVM.")
            .quiet(NO_JVM);
        Key::new("jvm.pause.sleep.time.ms", decimal_long(), "500", "How often to look for pauses.")
            .quiet(NO_JVM);
        Key::new("jvm.pause.warn-threshold.ms", decimal_long(), "10000", "A pause worth a warning.")
            .quiet(NO_JVM);
        Key::new("jvm.pause.info-threshold.ms", decimal_long(), "1000", "A pause worth a line.")
            .quiet(NO_JVM);
        Key::new("jmx.log4j.disable", Kind::Loose, "false", "Hide loggers from JMX.").quiet(NO_JVM);
        Key::new("jmx.log4j.mbean", Kind::Text, "log4j:hierarchy=default",
            "Name of the loggers in JMX.").quiet(NO_JVM);
        Key::new("log.dir", Kind::Text, "", "Directory of log files.").ignored(OWN_LOG);
        Key::new("log.file", Kind::Text, "", "Name of the log file.").ignored(OWN_LOG);
        Key::new("log.threshold", Kind::Text, "", "Level of the log file.").ignored(OWN_LOG);
        Key::new("console.threshold", Kind::Text, "", "Level of the console.").ignored(OWN_LOG);
        Key::new("log.maxfilesize", Kind::Text, "", "Size of a log file.").ignored(OWN_LOG);
        Key::new("log.maxbackupindex", Kind::Text, "", "Old log files kept.").ignored(OWN_LOG);
        Key::new("auditlog.file", Kind::Text, "", "Name of the audit log.").ignored(OWN_LOG);
        Key::new("auditlog.threshold", Kind::Text, "", "Level of the audit log.").ignored(OWN_LOG);
        Key::new("messageTracker.Enabled", Kind::Loose, "false",
            "Log the last messages of a lost peer.").quiet("only an ensemble has peers")
            .ignored_in_ensemble("the last messages of a peer are not kept");
        Key::new("messageTracker.BufferSize", int(ANY, "messages"), "10",
            "Messages kept of a peer.").quiet("only an ensemble has peers");
        Key::new("pathStats.enabled", Kind::Loose, "false", "Count requests by path.")
            .ignored(NO_PATH_STATS);
        Key::new("pathStats.slotCapacity", int(ANY, "slots"), "60", "Slots kept.")
            .ignored(NO_PATH_STATS);
        Key::new("pathStats.slotDuration", int(ANY, "seconds"), "15", "Length of a slot.")
            .ignored(NO_PATH_STATS);
        Key::new("pathStats.maxDepth", int(ANY, ""), "6", "Depth of the paths counted.")
            .ignored(NO_PATH_STATS);
        Key::new("pathStats.sampleRate", Kind::Fraction { min: f64::MIN, max: f64::MAX }, "0.1",
            "Share of requests counted.").ignored(NO_PATH_STATS);
        Key::new("pathStats.initialDelay", long(i64::MIN, i64::MAX, "minutes"), "5",
            "When the first report comes.").ignored(NO_PATH_STATS);
        Key::new("pathStats.delay", long(i64::MIN, i64::MAX, "minutes"), "5",
            "Time between reports.").ignored(NO_PATH_STATS);
        Key::new("pathStats.topPathMax", int(ANY, "paths"), "20", "Paths in a report.")
            .ignored(NO_PATH_STATS);
    }
}

const fn decimal_long() -> Kind {
    Kind::Decimal(crate::config::value::Range {
        min: i64::MIN,
        max: i64::MAX,
        noun: MS,
    })
}

const NO_METRICS: &str = "exporting metrics is not supported by this version";
const NO_JVM: &str = "there is no JVM here";
const NO_PATH_STATS: &str = "statistics by path are not supported by this version";
const OWN_LOG: &str =
    "the log goes to the standard error stream; choose its level with --log-level";
