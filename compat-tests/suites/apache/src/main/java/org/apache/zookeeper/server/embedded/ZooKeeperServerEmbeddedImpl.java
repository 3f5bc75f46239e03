package org.apache.zookeeper.server.embedded;

import gamekeeper.suite.Program;
import gamekeeper.suite.Settings;
import java.io.IOException;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;

/** The server that applications embed: a program on the properties that they give. */
class ZooKeeperServerEmbeddedImpl implements ZooKeeperServerEmbedded {
    private final Path config;
    private final Settings settings;
    private Program program;

    ZooKeeperServerEmbeddedImpl(Properties properties, Path baseDir, ExitHandler exitHandler) throws Exception {
        if (!properties.containsKey("dataDir")) {
            properties.put("dataDir", baseDir.resolve("data").toAbsolutePath().toString());
        }
        // A port that the program picks would be known to it alone.
        for (String key : List.of("clientPort", "secureClientPort")) {
            if (properties.getProperty(key, "").equals("0")) {
                try (ServerSocket free = new ServerSocket(0)) {
                    properties.setProperty(key, Integer.toString(free.getLocalPort()));
                }
            }
        }
        config = Files.createTempFile(baseDir, "zookeeper.configuration", ".properties");
        try (OutputStream output = Files.newOutputStream(config)) {
            properties.store(output, null);
        }
        settings = Settings.read(config.toFile());
    }

    @Override
    public void start() throws Exception {
        start(Integer.MAX_VALUE);
    }

    /** A member returns at once, a server on its own when it serves, as Apache's do. */
    @Override
    public void start(long startupTimeout) throws Exception {
        program = Program.launch(config.toFile(), settings.clientHost(), settings.clientPort());
        if (!settings.isDistributed()) {
            program.awaitServing();
        }
        settings.addStandaloneBeans(this, program);
    }

    @Override
    public String getConnectionString() throws IOException {
        return connectionString("clientPort");
    }

    @Override
    public String getSecureConnectionString() throws IOException {
        return connectionString("secureClientPort");
    }

    @Override
    public int getClientPort() {
        return settings.clientPort();
    }

    @Override
    public int getSecureClientPort() {
        return settings.number("secureClientPort", 0);
    }

    @Override
    public void close() {
        if (program != null) {
            program.stop();
        }
    }

    private String connectionString(String key) {
        String port = settings.get(key, "");
        if (port.isEmpty()) {
            throw new IllegalStateException("no " + key + " is configured");
        }
        return settings.get(key + "Address", "localhost").replace("0.0.0.0", "localhost") + ":" + port;
    }
}
