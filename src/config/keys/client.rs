//! Rows of the client port: where it listens, whom it lets in, how much they may ask for, and their
//! sessions.

use super::{ANY, BYTES, Key, MS, PORT, decimal, int, long, rows};
use crate::config::value::Kind;

rows! {
    /// Port for clients; 0 picks a free one.
    CLIENT_PORT = PORT, "clientPort", "2181";
    /// Address clientPort is bound to; all of the machine's when not set.
    CLIENT_PORT_ADDRESS = Kind::Text, "clientPortAddress", "";
    /// Connections that may wait to be accepted; -1 leaves it to the system.
    CLIENT_PORT_LISTEN_BACKLOG = decimal(-1, "connections"), "clientPortListenBacklog", "-1";
    /// Connections per client address; 0 or less for no limit.
    MAX_CLIENT_CNXNS = decimal(ANY, "connections"), "maxClientCnxns", "60";
    /// Connections in all; 0 or less for no limit.
    MAX_CNXNS = int(ANY, "connections"), "maxCnxns", "0";
    /// Probe idle client connections with TCP keep-alive.
    CLIENT_TCP_KEEP_ALIVE = Kind::Loose, "clientTcpKeepAlive", "false";
    /// Time a connection has to open a session.
    SESSIONLESS_CNXN_TIMEOUT = int(1, MS), "nio.sessionlessCnxnTimeout", "10000";
    /// The unit of time that sessions are counted in.
    TICK_TIME = decimal(1, MS), "tickTime", "3000";
    /// Shortest session timeout a client may get; -1 is twice tickTime.
    MIN_SESSION_TIMEOUT = decimal(-1, MS), "minSessionTimeout", "-1";
    /// Longest session timeout a client may get; -1 is twenty times tickTime.
    MAX_SESSION_TIMEOUT = decimal(-1, MS), "maxSessionTimeout", "-1";
    /// Longest request, and longest text or buffer in one; a longer one closes its connection.
    JUTE_MAXBUFFER = int(1, BYTES), "jute.maxbuffer", "1048575", bare();
    /// What a transaction may be longer than jute.maxbuffer; jute.maxbuffer again when not set,
    /// 1024 at least.
    JUTE_MAXBUFFER_EXTRASIZE = int(ANY, BYTES), "jute.maxbuffer.extrasize", "";
    /// Replies and events a client may leave unread before its connection is closed; jute.maxbuffer
    /// at least.
    UNREAD_BYTES_MAX = long(1, i64::MAX, BYTES), "gamekeeper.client.unreadBytesMax", "67108864",
        bare();
    /// Four-letter words that are answered, separated by commas; * for all. srvr always is.
    FOUR_LETTER_WORDS = Kind::Text, "4lw.commands.whitelist", "srvr";
    /// Serve reads without a quorum; a standalone server only answers isro for it.
    READ_ONLY_MODE = Kind::Switch { on: "true", off: "false" }, "readonlymode.enabled", "false",
        bare();
    /// New sessions are known to the server only that opened them.
    LOCAL_SESSIONS = Kind::Strict, "localSessionsEnabled", "false",
        quiet(ENSEMBLES_ONLY), used_in_ensemble();
    /// A local session becomes global when it asks for an ephemeral node, which it is refused
    /// otherwise.
    LOCAL_SESSIONS_UPGRADING = Kind::Strict, "localSessionsUpgradingEnabled", "false",
        quiet(ENSEMBLES_ONLY), used_in_ensemble();
    /// Requests in flight above which connections with a request in flight are not read.
    GLOBAL_OUTSTANDING_LIMIT = int(0, "requests"), "globalOutstandingLimit", "1000";
    /// Size above which a request counts as large; -1 for never.
    LARGE_REQUEST_THRESHOLD = int(ANY, BYTES), "largeRequestThreshold", "-1";
    /// Bytes of large requests in flight; one more closes its connection.
    LARGE_REQUEST_MAX_BYTES = int(ANY, BYTES), "largeRequestMaxBytes", "104857600";
    /// Requests in the pipeline above which further ones wait; 0 or less for no limit.
    REQUEST_THROTTLE_MAX = int(ANY, "requests"), "request_throttle_max_requests", "0",
        aliases(&["requestThrottleLimit"]);
    /// How long a request waits before the limit is looked at again.
    REQUEST_THROTTLE_STALL = int(0, MS), "request_throttle_stall_time", "100",
        aliases(&["requestThrottleStallTime"]);
    /// Drop stale requests while others wait.
    REQUEST_THROTTLE_DROP_STALE = Kind::Loose, "request_throttle_drop_stale", "true",
        aliases(&["requestThrottleDropStale"]);
    /// A request is stale when its connection is gone.
    REQUEST_STALE_CONNECTION = Kind::Loose, "request_stale_connection_check", "true",
        aliases(&["requestStaleConnectionCheck"]);
    /// A request is stale when it is older than its session's timeout.
    REQUEST_STALE_LATENCY = Kind::Loose, "request_stale_latency_check", "false",
        aliases(&["requestStaleLatencyCheck"]);
    /// Requests that waited longer are answered THROTTLEDOP; 0 or less for never.
    THROTTLED_OP_WAIT = int(ANY, MS), "throttled_op_wait_time", "0",
        aliases(&["throttledOpWaitTime"]);
    /// How long requests in flight may take when the server stops.
    REQUEST_SHUTDOWN_TIMEOUT = int(0, MS), "request_throttler.shutdownTimeout", "10000";
    /// New sessions that may open at once; 0 or less for no limit.
    CONNECTION_TOKENS = int(ANY, "tokens"), "connection_throttle_tokens", "0",
        aliases(&["connectionMaxTokens"]);
    /// How often tokens are refilled.
    CONNECTION_FILL_TIME = int(1, MS), "connection_throttle_fill_time", "1",
        aliases(&["connectionTokenFillTime"]);
    /// Tokens that each refill adds.
    CONNECTION_FILL_COUNT = int(0, "tokens"), "connection_throttle_fill_count", "1",
        aliases(&["connectionTokenFillCount"]);
    /// How often the chance of refusing a connection is adapted; -1 for never.
    CONNECTION_FREEZE_TIME = int(-1, MS), "connection_throttle_freeze_time", "-1",
        aliases(&["connectionFreezeTime"]);
    /// What a shortage adds to the chance of refusing.
    CONNECTION_DROP_INCREASE = Kind::Fraction { min: 0.0, max: 1.0 },
        "connection_throttle_drop_increase", "0.02", aliases(&["connectionDropIncrease"]);
    /// What plenty takes off the chance of refusing.
    CONNECTION_DROP_DECREASE = Kind::Fraction { min: 0.0, max: 1.0 },
        "connection_throttle_drop_decrease", "0.002", aliases(&["connectionDropDecrease"]);
    /// Share of tokens in use below which the chance of refusing falls.
    CONNECTION_DECREASE_RATIO = Kind::Fraction { min: 0.0, max: 1.0 },
        "connection_throttle_decrease_ratio", "0", aliases(&["connectionDecreaseRatio"]);
    /// Sessions cost tokens by their kind.
    CONNECTION_WEIGHTS = Kind::Loose, "connection_throttle_weight_enabled", "false";
    /// Tokens a new global session costs.
    GLOBAL_SESSION_WEIGHT = int(ANY, "tokens"), "connection_throttle_global_session_weight", "3";
    /// Tokens a new local session costs.
    LOCAL_SESSION_WEIGHT = int(ANY, "tokens"), "connection_throttle_local_session_weight", "1";
    /// Tokens a renewed session costs.
    RENEW_SESSION_WEIGHT = int(ANY, "tokens"), "connection_throttle_renew_session_weight", "2";
    unnamed {
        Key::new("serverCnxnFactory",
            Kind::Choice(&[
                "org.apache.zookeeper.server.NIOServerCnxnFactory",
                "org.apache.zookeeper.server.NettyServerCnxnFactory",
            ]),
            "org.apache.zookeeper.server.NIOServerCnxnFactory",
            "Java class that serves connections.")
            .quiet("both classes behave alike to a client; there is one implementation here");
        Key::new("nio.numSelectorThreads", int(0, "threads"), "", "Threads that poll sockets.")
            .quiet(OWN_THREADS);
        Key::new("nio.numWorkerThreads", int(0, "threads"), "",
            "Threads that read and write sockets.").quiet(OWN_THREADS);
        Key::new("nio.directBufferBytes", int(0, BYTES), "65536", "Size of a gather buffer.")
            .quiet(OWN_THREADS);
        Key::new("nio.shutdownTimeout", long(0, i64::MAX, MS), "5000",
            "How long worker threads may take to stop.").quiet(OWN_THREADS);
        Key::new("netty.advancedFlowControl.enabled", Kind::Loose, "false",
            "Pause reading by bytes in flight.").aliases(&["advancedFlowControlEnabled"])
            .quiet("reads always pause by what is in flight");
        Key::new("intBufferStartingSizeBytes", int(32, BYTES), "1024",
            "First size of a reply buffer.").quiet(OWN_BUFFERS);
        Key::new("maxResponseCacheSize", int(ANY, "replies"), "400",
            "Replies of getData kept encoded.").quiet(NO_RESPONSE_CACHE);
        Key::new("maxGetChildrenResponseCacheSize", int(ANY, "replies"), "400",
            "Replies of getChildren kept encoded.").quiet(NO_RESPONSE_CACHE);
    }
}

const ENSEMBLES_ONLY: &str = "only an ensemble has local sessions";
const OWN_THREADS: &str = "the threads and buffers of the Java server do not exist here";
const OWN_BUFFERS: &str = "buffers are sized as they are needed";
const NO_RESPONSE_CACHE: &str =
    "replies are encoded from the tree faster than a cache would find them";
