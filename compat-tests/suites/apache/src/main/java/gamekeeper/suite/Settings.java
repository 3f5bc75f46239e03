package gamekeeper.suite;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashSet;
import java.util.Properties;
import java.util.Set;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/** The few settings of a test's zoo.cfg that our classes must know themselves. */
public final class Settings {
    /** What either server exits with when it does not take its zoo.cfg. */
    public static final int EXIT_INVALID = 2;

    private final Properties properties;

    private Settings(Properties properties) {
        this.properties = properties;
    }

    /** Reads the file and, if it names one, the file of the members. */
    public static Settings read(File config) throws IOException {
        Properties properties = load(config);
        String members = properties.getProperty("dynamicConfigFile");
        if (members != null) {
            properties.putAll(load(new File(members)));
        }
        return new Settings(properties);
    }

    /**
     * Adds what a test has set in {@link QuorumPeerConfig} and a program can learn from its file only. What a file has
     * itself holds in this JVM from then on, as where a server in it reads the file.
     */
    public static void addStatics(File config) throws IOException {
        Properties properties = load(config);
        String lines = "";
        String reconfigEnabled = properties.getProperty("reconfigEnabled");
        if (reconfigEnabled != null) {
            QuorumPeerConfig.setReconfigEnabled(Boolean.parseBoolean(reconfigEnabled.trim()));
        } else if (QuorumPeerConfig.isReconfigEnabled()) {
            lines += "\nreconfigEnabled=true\n";
        }
        if (!QuorumPeerConfig.isStandaloneEnabled() && !properties.containsKey("standaloneEnabled")) {
            lines += "\nstandaloneEnabled=false\n";
        }
        if (!lines.isEmpty()) {
            Files.writeString(config.toPath(), lines, StandardOpenOption.APPEND);
        }
    }

    private static Properties load(File file) throws IOException {
        Properties properties = new Properties();
        try (FileInputStream input = new FileInputStream(file)) {
            properties.load(input);
        }
        return properties;
    }

    public String get(String key, String otherwise) {
        return properties.getProperty(key, otherwise).trim();
    }

    public int number(String key, int otherwise) {
        return Integer.parseInt(get(key, Integer.toString(otherwise)));
    }

    /** The lines of the members: server, group, weight and version. */
    public Properties members() {
        Properties members = new Properties();
        for (String key : properties.stringPropertyNames()) {
            if (key.startsWith("server.") || key.startsWith("group.") || key.startsWith("weight.")
                    || key.equals("version")) {
                members.setProperty(key, get(key, ""));
            }
        }
        return members;
    }

    /** As {@code QuorumPeerConfig.isDistributed}. */
    public boolean isDistributed() {
        long voters = properties.stringPropertyNames().stream()
                .filter(key -> key.startsWith("server.") && !get(key, "").contains(":observer"))
                .count();
        boolean mayStandAlone = Boolean.parseBoolean(get("standaloneEnabled", "true"))
                && QuorumPeerConfig.isStandaloneEnabled();
        return voters > 1 || voters == 1 && !mayStandAlone;
    }

    public int clientPort() {
        return number("clientPort", 0);
    }

    /** Where this machine reaches the client port. */
    public String clientHost() {
        String host = get("clientPortAddress", "127.0.0.1");
        return host.equals("0.0.0.0") || host.equals("::") ? "127.0.0.1" : host;
    }

    /** The names of a server on its own. */
    public void addStandaloneBeans(Object owner, Program program) {
        Beans.add(owner, () -> {
            Set<String> names = new LinkedHashSet<>();
            if (!program.mode().isEmpty()) {
                Beans.addServing(names, "StandaloneServer_port" + clientPort(), program);
            }
            return names;
        });
    }
}
