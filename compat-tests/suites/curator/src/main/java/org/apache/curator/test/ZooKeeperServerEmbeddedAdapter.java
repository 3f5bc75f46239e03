package org.apache.curator.test;

import gamekeeper.suite.ServerProgram;
import java.io.IOException;
import java.util.Properties;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * Stands before Curator's class of this name, the only one of its testing server and cluster that starts a
 * server. Curator's runs Apache's server inside the test's own JVM; this one runs a program.
 */
public class ZooKeeperServerEmbeddedAdapter implements ZooKeeperMainFace {
    private volatile ServerProgram program;

    @Override
    public void start(QuorumPeerConfigBuilder configBuilder) {
        try {
            Properties config = configBuilder.buildProperties();
            config.setProperty("admin.enableServer", "false");
            config.setProperty("4lw.commands.whitelist", "*");
            // A test that allows this does so for the servers of its own JVM.
            if (QuorumPeerConfig.isReconfigEnabled()) {
                config.setProperty("reconfigEnabled", "true");
            }
            program = ServerProgram.start(config);
        } catch (Exception e) {
            throw new FailedServerStartException(e);
        }
    }

    @Override
    public int getClientPort() {
        return program.clientPort();
    }

    @Override
    public void kill() {
        if (program != null) {
            program.kill();
        }
    }

    @Override
    public void close() throws IOException {
        if (program != null) {
            program.stop();
        }
    }
}
