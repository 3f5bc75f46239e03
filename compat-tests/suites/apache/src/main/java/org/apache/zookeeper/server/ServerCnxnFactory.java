package org.apache.zookeeper.server;

import gamekeeper.suite.Beans;
import gamekeeper.suite.Program;
import gamekeeper.suite.Settings;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A client port and the program that serves on it. Apache's binds the port when it is made; a program does when it
 * starts.
 */
public class ServerCnxnFactory {
    private static final int DEFAULT_CONNECTIONS = -1;

    private InetSocketAddress address;
    private int maxConnections = DEFAULT_CONNECTIONS;
    private int backlog = -1;
    private boolean isSecure;
    private ZooKeeperServer server;
    private Program program;

    protected ServerCnxnFactory() {}

    public static ServerCnxnFactory createFactory() throws IOException {
        return new NIOServerCnxnFactory();
    }

    public static ServerCnxnFactory createFactory(int clientPort, int maxClientCnxns) throws IOException {
        return createFactory(new InetSocketAddress(clientPort), maxClientCnxns);
    }

    public static ServerCnxnFactory createFactory(InetSocketAddress address, int maxClientCnxns) throws IOException {
        ServerCnxnFactory factory = createFactory();
        factory.configure(address, maxClientCnxns);
        return factory;
    }

    public void configure(InetSocketAddress listen, int maxClientCnxns) throws IOException {
        configure(listen, maxClientCnxns, -1, false);
    }

    public void configure(InetSocketAddress listen, int maxClientCnxns, int listenBacklog, boolean secure)
            throws IOException {
        address = listen;
        maxConnections = maxClientCnxns;
        backlog = listenBacklog;
        isSecure = secure;
    }

    public void startup(ZooKeeperServer started) throws IOException, InterruptedException {
        server = started;
        startProgram();
    }

    public void shutdown() {
        stopProgram();
    }

    /** Waits for the end of the program. */
    public void join() throws InterruptedException {
        if (program != null) {
            program.await();
        }
    }

    public ZooKeeperServer getZooKeeperServer() {
        return server;
    }

    public boolean isSecure() {
        return isSecure;
    }

    public int getLocalPort() {
        return address.getPort();
    }

    public InetSocketAddress getLocalAddress() {
        return address;
    }

    public void setMaxClientCnxnsPerHost(int max) throws IOException {
        maxConnections = max;
        if (server != null && server.isRunning()) {
            restartProgram();
        }
    }

    void restartProgram() throws IOException {
        stopProgram();
        startProgram();
    }

    private void startProgram() throws IOException {
        String port = isSecure ? "secureClientPort" : "clientPort";
        StringBuilder config = new StringBuilder(server.config());
        config.append(port).append('=').append(address.getPort()).append('\n');
        String host = "127.0.0.1";
        if (!address.getAddress().isAnyLocalAddress()) {
            host = address.getHostString();
            config.append(port).append("Address=").append(host).append('\n');
        }
        if (maxConnections != DEFAULT_CONNECTIONS) {
            config.append("maxClientCnxns=").append(maxConnections).append('\n');
        }
        if (backlog != -1) {
            config.append("clientPortListenBacklog=").append(backlog).append('\n');
        }
        File file = Program.writeConfig(List.of(config.toString()));
        Settings.addStatics(file);
        program = Program.launch(file, host, isSecure ? 0 : address.getPort());
        server.startedBy(this, program);
        try {
            program.awaitServing();
        } catch (IOException refused) {
            if (server.isAlone()) {
                throw refused;
            }
            // As EphemeralType.validateServerId, if that number is what it refuses.
            throw new IllegalStateException(refused);
        }
        Program running = program;
        Beans.add(this, () -> {
            Set<String> names = new LinkedHashSet<>();
            if (running.isAlive()) {
                Beans.addServing(names, "StandaloneServer_port" + address.getPort(), running);
            }
            return names;
        });
    }

    void stopProgram() {
        Beans.remove(this);
        if (program != null) {
            program.stop();
        }
    }
}
