package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * A client with TLS: {@code Secure host port what [argument]}.
 *
 * <p>Its keys are given by Java's own properties for a bare socket, and by those of Apache's client for a session.
 * Prints what comes of it; what is not let in prints {@code refused}.
 */
public final class Secure {
    private static final int TIMEOUT_MS = 30_000;

    private Secure() {}

    public static void main(String[] args) throws Exception {
        String host = args[0];
        int port = Integer.parseInt(args[1]);
        switch (args[2]) {
            case "word" -> System.out.println(word(host, port, args[3]));
            case "subject" -> System.out.println(subject(host, port));
            case "hold" -> hold(host + ":" + port);
            default -> session(host + ":" + port, List.of(args).subList(2, args.length));
        }
        System.exit(0);
    }

    /** The first line of the answer to a four-letter word. */
    private static String word(String host, int port, String word) {
        try (SSLSocket socket = open(host, port)) {
            socket.getOutputStream().write(bytes(word));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return answer.isEmpty() ? "refused" : answer.lines().findFirst().orElseThrow();
        } catch (IOException refused) {
            System.err.println(refused);
            return "refused";
        }
    }

    /** Whom the server says it is. */
    private static String subject(String host, int port) throws IOException {
        try (SSLSocket socket = open(host, port)) {
            X509Certificate certificate = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            return certificate.getSubjectX500Principal().getName();
        }
    }

    private static SSLSocket open(String host, int port) throws IOException {
        SSLSocket socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket(host, port);
        socket.setSoTimeout(TIMEOUT_MS);
        String protocol = System.getProperty("secure.protocol");
        if (protocol != null) {
            socket.setEnabledProtocols(new String[] {protocol});
        }
        String suite = System.getProperty("secure.suite");
        if (suite != null) {
            socket.setEnabledCipherSuites(new String[] {suite});
        }
        socket.startHandshake();
        return socket;
    }

    private static ZooKeeper connect(String address) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(address, TIMEOUT_MS, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        require(connected.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a session comes");
        return zk;
    }

    private static void session(String address, List<String> what) throws Exception {
        ZooKeeper zk = connect(address);
        switch (what.get(0)) {
            case "who" -> zk.whoAmI().stream()
                    .map(Secure::shown)
                    .sorted()
                    .forEach(System.out::println);
            case "make" -> {
                zk.create(what.get(1), bytes("secret"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
                Id id = zk.getACL(what.get(1), new Stat()).get(0).getId();
                System.out.println(id.getScheme() + ":" + id.getId());
            }
            case "again" -> {
                zk.addAuthInfo("x509", new byte[0]);
                zk.whoAmI().stream().map(Secure::shown).sorted().forEach(System.out::println);
            }
            case "read" -> System.out.println(read(zk, what.get(1)));
            default -> throw new IllegalArgumentException(what.get(0));
        }
        zk.close();
    }

    private static String shown(ClientInfo info) {
        return info.getAuthScheme() + ":" + info.getUser();
    }

    private static String read(ZooKeeper zk, String path) throws Exception {
        try {
            return text(zk.getData(path, false, null));
        } catch (KeeperException refused) {
            return refused.code().toString();
        }
    }

    /** Keeps a session, which must be the same after each line that comes. */
    private static void hold(String address) throws Exception {
        ZooKeeper zk = connect(address);
        long session = zk.getSessionId();
        System.out.println("connected");
        while (System.in.read() == '\n') {
            require(zk.exists("/", false) != null && zk.getSessionId() == session, "the session stays");
            System.out.println("still " + zk.getState());
        }
        zk.close();
    }
}
