package org.apache.curator.test;

import gamekeeper.suite.Ports;
import gamekeeper.suite.Program;
import java.io.IOException;
import java.io.StringWriter;
import java.util.List;
import java.util.Properties;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * Stands before Curator's class of this name, the only one of its testing server and cluster that starts a
 * server. Curator's runs Apache's server inside the test's own JVM; this one runs a program.
 */
public class ZooKeeperServerEmbeddedAdapter implements ZooKeeperMainFace {
    private volatile Program program;
    private volatile int clientPort;

    /** Returns when Apache's embedded one does: alone it serves, in an ensemble it has opened its client port. */
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
            int port = Integer.parseInt(config.getProperty("clientPort"));
            clientPort = port == 0 ? Ports.free() : port;
            config.setProperty("clientPort", Integer.toString(clientPort));
            StringWriter text = new StringWriter();
            config.store(text, null);
            program = Program.launch(Program.writeConfig(List.of(text.toString())), "127.0.0.1", clientPort);
            if (config.stringPropertyNames().stream().anyMatch(name -> name.startsWith("server."))) {
                program.awaitAnswering();
            } else {
                program.awaitServing();
            }
        } catch (Exception e) {
            kill();
            throw new FailedServerStartException(e);
        }
    }

    @Override
    public int getClientPort() {
        return clientPort;
    }

    @Override
    public void kill() {
        if (program != null) {
            program.kill();
        }
    }

    @Override
    public void close() throws IOException {
        if (program != null && !program.stop()) {
            throw new IOException("the server on port " + clientPort + " does not stop");
        }
    }
}
