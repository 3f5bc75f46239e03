package gamekeeper.compat.solr;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.solr.embedded.JettyConfig;
import org.apache.solr.embedded.JettySolrRunner;

/**
 * One node of SolrCloud: Node connect-string home port.
 *
 * <p>Prints "up" when it serves, and stops in order when its standard input ends.
 */
public final class Node {
    private static final String SESSION_TIMEOUT_MS = "4000";

    private Node() {}

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[1]);
        Files.createDirectories(home);
        try (InputStream settings = Node.class.getResourceAsStream("/home/solr.xml")) {
            Files.write(home.resolve("solr.xml"), settings.readAllBytes());
        }
        Properties properties = new Properties();
        properties.setProperty("zkHost", arguments[0]);
        properties.setProperty("zkClientTimeout", SESSION_TIMEOUT_MS);
        int port = Integer.parseInt(arguments[2]);
        JettyConfig jetty = JettyConfig.builder().setPort(port).setContext("/solr").build();
        JettySolrRunner solr = new JettySolrRunner(home.toString(), properties, jetty);
        solr.start();
        System.out.println("up");
        System.in.transferTo(OutputStream.nullOutputStream());
        solr.stop();
        System.exit(0);
    }
}
