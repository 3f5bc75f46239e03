package gamekeeper.suite;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * One run of a server as a process, of whichever kind: it is told by a command line in a file, one argument a
 * line, in which {@code {config}} and {@code {properties}} stand for what is different at each start.
 */
public final class ServerProgram {
    /** The file with the command line. */
    private static final String COMMAND = "gamekeeper.suite.command";
    /** {@code first:count}, ports that nobody else takes. */
    private static final String PORTS = "gamekeeper.suite.ports";
    /** The file to which all servers print. */
    private static final String LOG = "gamekeeper.suite.log";

    /** Beginnings of the names of properties that a server reads; tests set them in their own JVM. */
    private static final List<String> SERVER_PROPERTIES =
            List.of("zookeeper.", "znode.", "readonlymode.", "jute.");

    private static final long START_PATIENCE_MS = 60_000;
    private static final long STOP_PATIENCE_MS = 30_000;
    private static final int ANSWER_PATIENCE_MS = 2_000;
    private static final int PAUSE_MS = 10;

    private static final Set<Process> RUNNING = new HashSet<>();
    private static int nextPort;

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(ServerProgram::killAll));
    }

    private final Process process;
    private final int clientPort;

    private ServerProgram(Process process, int clientPort) {
        this.process = process;
        this.clientPort = clientPort;
    }

    /**
     * Starts a server and returns when it does as Apache's embedded one when that returns: alone it serves, in an
     * ensemble it has opened its client port.
     */
    public static ServerProgram start(Properties config) throws IOException, InterruptedException, TimeoutException {
        int port = Integer.parseInt(config.getProperty("clientPort"));
        if (port == 0) {
            port = freePort();
            config.setProperty("clientPort", Integer.toString(port));
        }
        Path directory = Files.createTempDirectory("server");
        Path file = directory.resolve("zoo.cfg");
        try (OutputStream out = Files.newOutputStream(file)) {
            config.store(out, null);
        }
        File log = new File(System.getProperty(LOG));
        Process process = new ProcessBuilder(command(file))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log))
                .directory(directory.toFile())
                .start();
        process.getOutputStream().close();
        synchronized (RUNNING) {
            RUNNING.add(process);
        }
        ServerProgram program = new ServerProgram(process, port);
        boolean alone = config.stringPropertyNames().stream().noneMatch(name -> name.startsWith("server."));
        program.awaitStart(alone);
        return program;
    }

    public int clientPort() {
        return clientPort;
    }

    /** As an operator stops it. */
    public void stop() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(STOP_PATIENCE_MS, TimeUnit.MILLISECONDS)) {
                throw new IOException("the server on port " + clientPort + " does not stop");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            kill();
        }
    }

    /** As a machine loses it. */
    public void kill() {
        process.destroyForcibly().onExit().join();
        synchronized (RUNNING) {
            RUNNING.remove(process);
        }
    }

    private void awaitStart(boolean alone) throws IOException, InterruptedException, TimeoutException {
        long deadline = System.currentTimeMillis() + START_PATIENCE_MS;
        while (!answers(alone)) {
            if (!process.isAlive()) {
                kill();
                throw new IOException("the server on port " + clientPort + " ended with " + process.exitValue());
            }
            if (System.currentTimeMillis() > deadline) {
                kill();
                throw new TimeoutException("the server on port " + clientPort + " does not start");
            }
            Thread.sleep(PAUSE_MS);
        }
    }

    /** One that stands alone says its mode once it serves; one of several may have nobody to serve with yet. */
    private boolean answers(boolean alone) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), clientPort), ANSWER_PATIENCE_MS);
            socket.setSoTimeout(ANSWER_PATIENCE_MS);
            socket.getOutputStream().write("srvr".getBytes(StandardCharsets.US_ASCII));
            socket.shutdownOutput();
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return alone ? answer.contains("Mode: ") : !answer.isEmpty();
        } catch (IOException e) {
            return false;
        }
    }

    private static List<String> command(Path config) throws IOException {
        List<String> command = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(System.getProperty(COMMAND)))) {
            switch (line) {
                case "{config}" -> command.add(config.toString());
                case "{properties}" -> command.addAll(properties());
                default -> command.add(line);
            }
        }
        return command;
    }

    private static List<String> properties() {
        List<String> properties = new ArrayList<>();
        for (String name : new TreeSet<>(System.getProperties().stringPropertyNames())) {
            if (SERVER_PROPERTIES.stream().anyMatch(name::startsWith)) {
                properties.add("-D" + name + "=" + System.getProperty(name));
            }
        }
        return properties;
    }

    /** The next of our ports that is free; not the last one again, whose clients may still look for it. */
    private static synchronized int freePort() throws IOException {
        String[] ports = System.getProperty(PORTS).split(":");
        int first = Integer.parseInt(ports[0]);
        int count = Integer.parseInt(ports[1]);
        for (int tried = 0; tried < count; tried++) {
            int port = first + nextPort++ % count;
            try (ServerSocket probe = new ServerSocket()) {
                probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                return port;
            } catch (IOException e) {
                // Somebody has it.
            }
        }
        throw new IOException("all of our ports are taken");
    }

    private static void killAll() {
        synchronized (RUNNING) {
            RUNNING.forEach(Process::destroyForcibly);
        }
    }
}
