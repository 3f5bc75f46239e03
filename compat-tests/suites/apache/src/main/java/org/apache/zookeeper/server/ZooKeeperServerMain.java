package org.apache.zookeeper.server;

import gamekeeper.suite.Program;
import gamekeeper.suite.Settings;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.zookeeper.server.admin.AdminServer.AdminServerException;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig.ConfigException;

/** The standalone server's main: a program on the zoo.cfg of the test. */
public class ZooKeeperServerMain {
    private volatile Program program;

    protected void initializeAndRun(String[] arguments) throws ConfigException, IOException, AdminServerException {
        File config = new File(arguments[0]);
        Settings settings = Settings.read(config);
        program = Program.launch(config, settings.clientHost(), settings.clientPort());
        settings.addStandaloneBeans(this, program);
        try {
            int code = program.await();
            if (code == Settings.EXIT_INVALID) {
                throw new ConfigException("the server refuses " + config);
            }
        } catch (InterruptedException interrupted) {
            program.stop();
        }
    }

    /** A test's own reading of a zoo.cfg. */
    public void runFromConfig(ServerConfig config) throws IOException, AdminServerException {
        List<String> lines = new ArrayList<>();
        lines.add("tickTime=" + config.getTickTime());
        lines.add("dataDir=" + config.getDataDir());
        lines.add("dataLogDir=" + config.getDataLogDir());
        lines.add("clientPort=" + config.getClientPortAddress().getPort());
        lines.add("maxClientCnxns=" + config.getMaxClientCnxns());
        lines.add("minSessionTimeout=" + config.getMinSessionTimeout());
        lines.add("maxSessionTimeout=" + config.getMaxSessionTimeout());
        try {
            initializeAndRun(new String[] {Program.writeConfig(lines).getPath()});
        } catch (ConfigException refused) {
            throw new IOException(refused);
        }
    }

    protected void shutdown() {
        Program running = program;
        if (running != null) {
            running.stop();
        }
    }

    public void close() {
        shutdown();
    }
}
