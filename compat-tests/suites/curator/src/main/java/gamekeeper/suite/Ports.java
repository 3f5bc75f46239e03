package gamekeeper.suite;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/** Ports for servers that stand alone, which nobody else takes. */
public final class Ports {
    /** {@code first:count}. */
    private static final String PORTS = "gamekeeper.suite.ports";

    private static int next;

    private Ports() {}

    /** The next of them that is free; not the last one again, whose clients may still look for it. */
    public static synchronized int free() throws IOException {
        String[] ports = System.getProperty(PORTS).split(":");
        int first = Integer.parseInt(ports[0]);
        int count = Integer.parseInt(ports[1]);
        for (int tried = 0; tried < count; tried++) {
            int port = first + next++ % count;
            try (ServerSocket probe = new ServerSocket()) {
                probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                return port;
            } catch (IOException e) {
                // Somebody has it.
            }
        }
        throw new IOException("all of our ports are taken");
    }
}
