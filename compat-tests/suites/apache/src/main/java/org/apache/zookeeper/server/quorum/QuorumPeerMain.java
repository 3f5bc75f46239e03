package org.apache.zookeeper.server.quorum;

import gamekeeper.suite.Internals;
import gamekeeper.suite.Settings;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import org.apache.zookeeper.server.ZooKeeperServerMain;
import org.apache.zookeeper.server.admin.AdminServer.AdminServerException;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig.ConfigException;

/** The main of a member: a program on the zoo.cfg of the test. */
public class QuorumPeerMain {
    protected QuorumPeer quorumPeer;

    protected void initializeAndRun(String[] arguments) throws ConfigException, IOException, AdminServerException {
        refuseOverrides();
        File config = new File(arguments[0]);
        Settings settings = Settings.read(config);
        if (!settings.isDistributed()) {
            new Alone().initializeAndRun(arguments);
            return;
        }
        Settings.addStatics(config);
        QuorumPeer peer = new QuorumPeer(config, settings);
        quorumPeer = peer;
        peer.start();
        try {
            peer.join();
            if (peer.exitCode() == Settings.EXIT_INVALID) {
                throw new ConfigException("the server refuses " + config);
            }
        } catch (InterruptedException interrupted) {
            peer.shutdown();
        }
    }

    public void close() {
        if (quorumPeer != null) {
            quorumPeer.shutdown();
            quorumPeer = null;
        }
    }

    /** What a test overrides here would put its own server into this JVM. */
    private void refuseOverrides() {
        for (Class<?> type = getClass(); type != QuorumPeerMain.class; type = type.getSuperclass()) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().equals("getQuorumPeer") || method.getName().equals("runFromConfig")) {
                    throw new Internals("a server of the test's own, by " + type.getName() + "." + method.getName());
                }
            }
        }
    }

    private static final class Alone extends ZooKeeperServerMain {
        @Override
        protected void initializeAndRun(String[] arguments)
                throws ConfigException, IOException, AdminServerException {
            super.initializeAndRun(arguments);
        }
    }
}
