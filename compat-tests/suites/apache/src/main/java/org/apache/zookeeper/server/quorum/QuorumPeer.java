package org.apache.zookeeper.server.quorum;

import gamekeeper.suite.Beans;
import gamekeeper.suite.Internals;
import gamekeeper.suite.Program;
import gamekeeper.suite.Settings;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.persistence.FileTxnLog;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig.ConfigException;
import org.apache.zookeeper.server.quorum.flexible.QuorumHierarchical;
import org.apache.zookeeper.server.quorum.flexible.QuorumMaj;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;
import org.apache.zookeeper.server.util.ConfigUtils;

/**
 * A member of an ensemble that runs as a program. This thread lives as long as the program and keeps
 * {@link #leader}, {@link #follower} and {@link #observer} as the program says its role is.
 */
public class QuorumPeer extends Thread {
    public static final String CONFIG_KEY_MULTI_ADDRESS_ENABLED = "zookeeper.multiAddress.enabled";

    /** How often a program is asked for its role: before it has one, and then. */
    private static final long LOOKING_PAUSE_MS = 20;
    private static final long SERVING_PAUSE_MS = 250;
    private static final int DEFAULT_TICK_TIME = 3000;

    public volatile Leader leader;
    public volatile Follower follower;
    public volatile Observer observer;
    protected int tickTime;
    protected int initLimit;
    protected int syncLimit;

    private final File dataDir;
    private final File logDir;
    private final long myid;
    private final QuorumVerifier members;
    private final int clientPort;
    private final int connectToLearnerMasterLimit;
    private final String oraclePath;
    /** The test's own zoo.cfg, or null for one made of the fields. */
    private final File config;
    private LearnerType learnerType;
    private boolean localSessions;
    private boolean localSessionsUpgrading;
    private volatile Program program;
    private volatile int exitCode;

    public QuorumPeer(Map<Long, QuorumServer> servers, File dataDir, File logDir, int clientPort, int electionAlg,
            long myid, int tickTime, int initLimit, int syncLimit, int connectToLearnerMasterLimit)
            throws IOException {
        this(servers, dataDir, logDir, clientPort, electionAlg, myid, tickTime, initLimit, syncLimit,
                connectToLearnerMasterLimit, new QuorumMaj(servers));
    }

    public QuorumPeer(Map<Long, QuorumServer> servers, File dataDir, File logDir, int clientPort, int electionAlg,
            long myid, int tickTime, int initLimit, int syncLimit, int connectToLearnerMasterLimit,
            String oraclePath) throws IOException {
        this(dataDir, logDir, clientPort, myid, tickTime, initLimit, syncLimit, connectToLearnerMasterLimit,
                new QuorumMaj(servers), oraclePath);
    }

    public QuorumPeer(Map<Long, QuorumServer> servers, File dataDir, File logDir, int clientPort, int electionAlg,
            long myid, int tickTime, int initLimit, int syncLimit, int connectToLearnerMasterLimit,
            QuorumVerifier members) throws IOException {
        this(dataDir, logDir, clientPort, myid, tickTime, initLimit, syncLimit, connectToLearnerMasterLimit,
                members, null);
    }

    private QuorumPeer(File dataDir, File logDir, int clientPort, long myid, int tickTime, int initLimit,
            int syncLimit, int connectToLearnerMasterLimit, QuorumVerifier members, String oraclePath)
            throws IOException {
        super("QuorumPeer");
        Internals.refuseSubclass(QuorumPeer.class, this);
        this.dataDir = dataDir;
        this.logDir = logDir;
        this.clientPort = clientPort;
        this.myid = myid;
        this.tickTime = tickTime;
        this.initLimit = initLimit;
        this.syncLimit = syncLimit;
        this.connectToLearnerMasterLimit = connectToLearnerMasterLimit;
        this.members = members;
        this.oraclePath = oraclePath;
        this.config = null;
        this.learnerType = typeInMembers();
        // As Apache's, which opens its files here.
        new FileTxnSnapLog(logDir, dataDir).close();
    }

    QuorumPeer(File config, Settings settings) throws IOException, ConfigException {
        super("QuorumPeer");
        this.config = config;
        this.dataDir = new File(settings.get("dataDir", ""));
        this.logDir = new File(settings.get("dataLogDir", dataDir.getPath()));
        this.myid = Long.parseLong(Files.readString(new File(dataDir, "myid").toPath()).trim());
        this.tickTime = settings.number("tickTime", DEFAULT_TICK_TIME);
        this.initLimit = settings.number("initLimit", 0);
        this.syncLimit = settings.number("syncLimit", 0);
        this.connectToLearnerMasterLimit = settings.number("connectToLearnerMasterLimit", 0);
        this.oraclePath = null;
        Properties lines = settings.members();
        boolean hasGroups = lines.stringPropertyNames().stream().anyMatch(key -> key.startsWith("group."));
        this.members = hasGroups ? new QuorumHierarchical(lines) : new QuorumMaj(lines);
        QuorumServer self = members.getAllMembers().get(myid);
        int port = settings.clientPort();
        this.clientPort = port == 0 && self != null && self.clientAddr != null ? self.clientAddr.getPort() : port;
        this.learnerType = settings.get("peerType", "").equalsIgnoreCase("observer")
                ? LearnerType.OBSERVER
                : typeInMembers();
    }

    @Override
    public synchronized void start() {
        program = launch();
        setName("QuorumPeer[myid=" + myid + "](client port " + clientPort + ")");
        Beans.add(this, this::beanNames);
        super.start();
    }

    @Override
    public void run() {
        try {
            while (isRunning()) {
                refreshRole();
                Thread.sleep(leader == null && follower == null && observer == null
                        ? LOOKING_PAUSE_MS
                        : SERVING_PAUSE_MS);
            }
            exitCode = program.await();
        } catch (InterruptedException interrupted) {
            program.stop();
        } finally {
            setRole("");
            Beans.remove(this);
        }
    }

    public void shutdown() {
        Beans.remove(this);
        if (program != null) {
            program.stop();
        }
    }

    int exitCode() {
        return exitCode;
    }

    public void setLearnerType(LearnerType type) {
        learnerType = type;
    }

    /** What a member in this JVM takes up while it runs, a program takes up when it starts. */
    public synchronized void enableLocalSessions(boolean enabled) {
        boolean isOther = localSessions != enabled;
        localSessions = enabled;
        if (isOther && program != null && program.isAlive()) {
            program.stop();
            program = launch();
        }
    }

    public void enableLocalSessionsUpgrading(boolean enabled) {
        localSessionsUpgrading = enabled;
    }

    public boolean areLocalSessionsEnabled() {
        return localSessions;
    }

    public LearnerType getLearnerType() {
        return learnerType;
    }

    public ServerState getPeerState() {
        return switch (refreshRole()) {
            case "leader" -> ServerState.LEADING;
            case "follower" -> ServerState.FOLLOWING;
            case "observer" -> ServerState.OBSERVING;
            default -> ServerState.LOOKING;
        };
    }

    public String getServerState() {
        return switch (getPeerState()) {
            case LEADING -> "leading";
            case FOLLOWING -> "following";
            case OBSERVING -> "observing";
            case LOOKING -> "leaderelection";
        };
    }

    /** The server of a member that serves, or null. */
    public ZooKeeperServer getActiveServer() {
        if (getPeerState() == ServerState.LOOKING) {
            return null;
        }
        try {
            return new ZooKeeperServer(dataDir, logDir, tickTime, program);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** There is none in this JVM. */
    public Election getElectionAlg() {
        return null;
    }

    public long getMyId() {
        return myid;
    }

    public int getClientPort() {
        return clientPort;
    }

    public InetSocketAddress getClientAddress() {
        InetSocketAddress own = self() == null ? null : self().clientAddr;
        return own == null ? new InetSocketAddress(clientPort) : own;
    }

    public MultipleAddresses getQuorumAddress() {
        return self().addr;
    }

    public MultipleAddresses getElectionAddress() {
        return self().electionAddr;
    }

    public QuorumVerifier getQuorumVerifier() {
        return members;
    }

    public Map<Long, QuorumServer> getView() {
        return members.getAllMembers();
    }

    public Map<Long, QuorumServer> getVotingView() {
        return members.getVotingMembers();
    }

    public boolean viewContains(Long id) {
        return members.getAllMembers().containsKey(id);
    }

    public int getQuorumSize() {
        return members.getVotingMembers().size();
    }

    public int getTickTime() {
        return tickTime;
    }

    public int getInitLimit() {
        return initLimit;
    }

    public int getSyncLimit() {
        return syncLimit;
    }

    public int getMinSessionTimeout() {
        return program.conf("minSessionTimeout");
    }

    public int getMaxSessionTimeout() {
        return program.conf("maxSessionTimeout");
    }

    public FileTxnSnapLog getTxnFactory() throws IOException {
        return new FileTxnSnapLog(logDir, dataDir);
    }

    public long getLastLoggedZxid() {
        return new FileTxnLog(new File(logDir, "version-2")).getLastLoggedZxid();
    }

    public long getCurrentEpoch() throws IOException {
        return epoch("currentEpoch");
    }

    public long getAcceptedEpoch() throws IOException {
        return epoch("acceptedEpoch");
    }

    private long epoch(String name) throws IOException {
        return Long.parseLong(Files.readString(new File(dataDir, "version-2/" + name).toPath()).trim());
    }

    /** Locked, so that a program that is being replaced is not taken for the end. */
    private synchronized boolean isRunning() {
        return program.isAlive();
    }

    private Program launch() {
        try {
            File file = config == null ? writeConfig() : config;
            return Program.launch(file, clientHost(), clientPort);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private String refreshRole() {
        Program running = program;
        String mode = running == null ? "" : running.mode();
        setRole(mode);
        return mode;
    }

    private synchronized void setRole(String mode) {
        leader = mode.equals("leader") ? (leader == null ? new Leader() : leader) : null;
        follower = mode.equals("follower") ? (follower == null ? new Follower() : follower) : null;
        observer = mode.equals("observer") ? (observer == null ? new Observer() : observer) : null;
    }

    private LearnerType typeInMembers() {
        QuorumServer self = self();
        return self == null ? LearnerType.PARTICIPANT : self.type;
    }

    private QuorumServer self() {
        return members.getAllMembers().get(myid);
    }

    private String clientHost() {
        InetSocketAddress address = getClientAddress();
        InetAddress host = address.getAddress();
        return host == null || host.isAnyLocalAddress() ? "127.0.0.1" : host.getHostAddress();
    }

    private File writeConfig() throws IOException {
        Files.writeString(new File(dataDir, "myid").toPath(), Long.toString(myid));
        List<String> lines = new ArrayList<>();
        lines.add("tickTime=" + tickTime);
        lines.add("initLimit=" + initLimit);
        lines.add("syncLimit=" + syncLimit);
        lines.add("connectToLearnerMasterLimit=" + connectToLearnerMasterLimit);
        lines.add("dataDir=" + dataDir.getAbsolutePath());
        if (!logDir.equals(dataDir)) {
            lines.add("dataLogDir=" + logDir.getAbsolutePath());
        }
        if (self() == null || self().clientAddr == null) {
            lines.add("clientPort=" + clientPort);
        }
        if (learnerType == LearnerType.OBSERVER) {
            lines.add("peerType=observer");
        }
        lines.add("localSessionsEnabled=" + localSessions);
        lines.add("localSessionsUpgradingEnabled=" + localSessionsUpgrading);
        // Apache's QuorumOracleMaj asks its oracle only where two servers vote.
        if (oraclePath != null && members.getVotingMembers().size() == 2) {
            lines.add("oraclePath=" + oraclePath);
        }
        for (String line : members.toString().split("\n")) {
            if (!line.startsWith("version=")) {
                lines.add(line);
            }
        }
        File file = Program.writeConfig(lines);
        Settings.addStatics(file);
        return file;
    }

    private Set<String> beanNames() {
        Set<String> names = new LinkedHashSet<>();
        String server = "ReplicatedServer_id" + myid;
        names.add(server);
        for (Long id : members.getAllMembers().keySet()) {
            names.add(server + "/replica." + id);
        }
        String self = server + "/replica." + myid;
        switch (getPeerState()) {
            case LEADING -> Beans.addServing(names, self + "/Leader", program);
            case FOLLOWING -> Beans.addServing(names, self + "/Follower", program);
            case OBSERVING -> Beans.addServing(names, self + "/Observer", program);
            case LOOKING -> names.add(self + "/LeaderElection");
        }
        return names;
    }

    public enum ServerState {
        LOOKING,
        FOLLOWING,
        LEADING,
        OBSERVING
    }

    public enum LearnerType {
        PARTICIPANT,
        OBSERVER
    }

    /** One line <code>server.N</code>. */
    public static class QuorumServer {
        public MultipleAddresses addr = new MultipleAddresses();
        public MultipleAddresses electionAddr = new MultipleAddresses();
        public InetSocketAddress clientAddr;
        public long id;
        public String hostname;
        public LearnerType type = LearnerType.PARTICIPANT;
        public boolean isClientAddrFromStatic;

        public QuorumServer(long id, InetSocketAddress addr) {
            this(id, addr, null, null, LearnerType.PARTICIPANT);
        }

        public QuorumServer(long id, InetSocketAddress addr, InetSocketAddress electionAddr) {
            this(id, addr, electionAddr, null, LearnerType.PARTICIPANT);
        }

        public QuorumServer(long id, InetSocketAddress addr, InetSocketAddress electionAddr,
                InetSocketAddress clientAddr) {
            this(id, addr, electionAddr, clientAddr, LearnerType.PARTICIPANT);
        }

        public QuorumServer(long id, InetSocketAddress addr, InetSocketAddress electionAddr, LearnerType type) {
            this(id, addr, electionAddr, null, type);
        }

        public QuorumServer(long id, InetSocketAddress addr, InetSocketAddress electionAddr,
                InetSocketAddress clientAddr, LearnerType type) {
            this.id = id;
            this.type = type;
            this.clientAddr = clientAddr;
            if (addr != null) {
                this.addr.addAddress(addr);
            }
            if (electionAddr != null) {
                this.electionAddr.addAddress(electionAddr);
            }
        }

        /** Parses what a test wrote; whether it is right is the program's to say. */
        public QuorumServer(long id, String line) throws ConfigException {
            this.id = id;
            String[] halves = line.split(";");
            try {
                for (String address : halves[0].split("\\|")) {
                    String[] parts = ConfigUtils.getHostAndPort(address);
                    hostname = parts[0];
                    addr.addAddress(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])));
                    electionAddr.addAddress(new InetSocketAddress(parts[0], Integer.parseInt(parts[2])));
                    if (parts.length > 3 && parts[3].equalsIgnoreCase("observer")) {
                        type = LearnerType.OBSERVER;
                    }
                }
                if (halves.length > 1) {
                    String[] client = ConfigUtils.getHostAndPort(halves[1]);
                    String host = client.length > 1 ? client[0] : "0.0.0.0";
                    clientAddr = new InetSocketAddress(host, Integer.parseInt(client[client.length - 1]));
                }
            } catch (NumberFormatException | ArrayIndexOutOfBoundsException malformed) {
                throw new ConfigException(line, malformed);
            }
        }

        public long getId() {
            return id;
        }

        @Override
        public boolean equals(Object object) {
            return object instanceof QuorumServer other
                    && id == other.id
                    && toString().equals(other.toString());
        }

        @Override
        public int hashCode() {
            return Long.hashCode(id);
        }

        @Override
        public String toString() {
            Map<String, Integer> electionPorts = new HashMap<>();
            for (InetSocketAddress address : electionAddr.getAllAddresses()) {
                electionPorts.put(address.getHostString(), address.getPort());
            }
            List<String> pairs = new ArrayList<>();
            for (InetSocketAddress address : addr.getAllAddresses()) {
                String host = address.getHostString();
                pairs.add(bracketed(host) + ":" + address.getPort() + ":" + electionPorts.getOrDefault(host, 0));
            }
            pairs.sort(null);
            String line = String.join("|", pairs) + ":" + type.name().toLowerCase(java.util.Locale.ROOT);
            if (clientAddr != null && !isClientAddrFromStatic) {
                line += ";" + bracketed(clientAddr.getHostString()) + ":" + clientAddr.getPort();
            }
            return line;
        }

        private static String bracketed(String host) {
            return host.contains(":") ? "[" + host + "]" : host;
        }
    }
}
