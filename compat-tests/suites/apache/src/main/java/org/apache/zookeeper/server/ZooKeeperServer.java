package org.apache.zookeeper.server;

import gamekeeper.suite.Internals;
import gamekeeper.suite.Program;
import java.io.File;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/**
 * A server that runs as a program. Until {@link ServerCnxnFactory#startup} starts one, it is a data directory and a
 * few settings.
 */
public class ZooKeeperServer {
    /** What a server on its own has in its session ids. */
    private static final int ALONE = 1;

    private final File snapDir;
    private final File logDir;
    private final int tickTime;
    private int serverId = ALONE;
    private int minSessionTimeout = -1;
    private int maxSessionTimeout = -1;
    private ServerCnxnFactory factory;
    private Program program;

    public ZooKeeperServer(File snapDir, File logDir, int tickTime) throws IOException {
        Internals.refuseSubclass(ZooKeeperServer.class, this);
        this.snapDir = snapDir;
        this.logDir = logDir;
        this.tickTime = tickTime;
        // As Apache's, which opens its files here.
        new FileTxnSnapLog(logDir, snapDir).close();
    }

    /** A server that some other code has started. */
    public ZooKeeperServer(File snapDir, File logDir, int tickTime, Program program) throws IOException {
        this(snapDir, logDir, tickTime);
        this.program = program;
    }

    public static boolean isDigestEnabled() {
        return Boolean.parseBoolean(System.getProperty("zookeeper.digest.enabled", "true"));
    }

    /** Holds for servers started from now on, as the others below. */
    public static void setDigestEnabled(boolean enabled) {
        System.setProperty("zookeeper.digest.enabled", Boolean.toString(enabled));
    }

    public static boolean isSerializeLastProcessedZxidEnabled() {
        return Boolean.parseBoolean(System.getProperty("zookeeper.serializeLastProcessedZxid.enabled", "true"));
    }

    public static void setSerializeLastProcessedZxidEnabled(boolean enabled) {
        System.setProperty("zookeeper.serializeLastProcessedZxid.enabled", Boolean.toString(enabled));
    }

    public static boolean isCloseSessionTxnEnabled() {
        return Boolean.parseBoolean(System.getProperty("zookeeper.closeSessionTxn.enabled", "true"));
    }

    public static void setCloseSessionTxnEnabled(boolean enabled) {
        System.setProperty("zookeeper.closeSessionTxn.enabled", Boolean.toString(enabled));
    }

    public static int getSnapCount() {
        return Integer.getInteger("zookeeper.snapCount", 100_000);
    }

    /** The number in its session ids. */
    public void setCreateSessionTrackerServerId(int id) {
        serverId = id;
    }

    public void setMinSessionTimeout(int milliseconds) throws IOException {
        minSessionTimeout = milliseconds;
        restart();
    }

    public void setMaxSessionTimeout(int milliseconds) throws IOException {
        maxSessionTimeout = milliseconds;
        restart();
    }

    public int getMinSessionTimeout() {
        return minSessionTimeout == -1 ? tickTime * 2 : minSessionTimeout;
    }

    public int getMaxSessionTimeout() {
        return maxSessionTimeout == -1 ? tickTime * 20 : maxSessionTimeout;
    }

    public int getTickTime() {
        return tickTime;
    }

    public ZKDatabase getZKDatabase() {
        return new ZKDatabase(program);
    }

    public FileTxnSnapLog getTxnLogFactory() throws IOException {
        return new FileTxnSnapLog(logDir, snapDir);
    }

    public long getZxid() {
        return program.lastZxid();
    }

    public boolean isRunning() {
        return program != null && program.isAlive();
    }

    public void shutdown() {
        if (factory != null) {
            factory.stopProgram();
        }
    }

    void startedBy(ServerCnxnFactory owner, Program running) {
        factory = owner;
        program = running;
    }

    boolean isAlone() {
        return serverId == ALONE;
    }

    /** The lines of zoo.cfg that this object knows. */
    String config() throws IOException {
        String lines = "tickTime=" + tickTime + "\ndataDir=" + snapDir.getAbsolutePath() + "\n";
        if (!logDir.equals(snapDir)) {
            lines += "dataLogDir=" + logDir.getAbsolutePath() + "\n";
        }
        if (minSessionTimeout != -1) {
            lines += "minSessionTimeout=" + minSessionTimeout + "\n";
        }
        if (maxSessionTimeout != -1) {
            lines += "maxSessionTimeout=" + maxSessionTimeout + "\n";
        }
        return isAlone() ? lines : lines + onlyMember();
    }

    /** A program takes another number than {@link #ALONE} only as a member, here of an ensemble of one. */
    private String onlyMember() throws IOException {
        Files.writeString(new File(snapDir, "myid").toPath(), Integer.toString(serverId));
        try (ServerSocket quorum = new ServerSocket(0); ServerSocket election = new ServerSocket(0)) {
            return "standaloneEnabled=false\ninitLimit=5\nsyncLimit=5\nserver." + serverId + "=127.0.0.1:"
                    + quorum.getLocalPort() + ":" + election.getLocalPort() + "\n";
        }
    }

    /** What a server in this JVM takes up while it runs, a program takes up when it starts. */
    private void restart() throws IOException {
        if (factory != null && isRunning()) {
            factory.restartProgram();
        }
    }
}
