package gamekeeper.suite;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/**
 * A server program, Apache's or ours, that stands in for a server in this JVM.
 *
 * <p>The system property {@value #COMMAND} says how one is started: its words, one a line, of which
 * <code>{config}</code> is the path of zoo.cfg and <code>{properties}</code> the place of the <code>-D</code>
 * definitions. Those are the server's properties that the test has set in this JVM by then.
 */
public final class Program {
    private static final String COMMAND = "gamekeeper.suite.command";
    /** The directory that takes what programs print, and their zoo.cfg. */
    private static final String WORK = "gamekeeper.suite.work";

    private static final AtomicInteger LAUNCHES = new AtomicInteger();
    private static final List<Program> RUNNING = new CopyOnWriteArrayList<>();
    private static final long END_PATIENCE_MS = 20_000;
    private static final int WORD_PATIENCE_MS = 5_000;
    private static final long START_PATIENCE_MS = 60_000;
    private static final int OUTPUT_CHARS = 280;

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(Program::killAll));
    }

    private final Process process;
    private final String host;
    private final int clientPort;
    private final File log;

    private Program(Process process, String host, int clientPort, File log) {
        this.process = process;
        this.host = host;
        this.clientPort = clientPort;
        this.log = log;
    }

    /** Starts a program on this zoo.cfg and returns at once. {@code clientPort} is 0 if it serves TLS alone. */
    public static Program launch(File config, String host, int clientPort) throws IOException {
        List<String> command = new ArrayList<>();
        for (String word : System.getProperty(COMMAND).split("\n")) {
            switch (word) {
                case "{config}" -> command.add(config.getPath());
                case "{properties}" -> command.addAll(properties());
                default -> command.add(word);
            }
        }
        int number = LAUNCHES.incrementAndGet();
        File log = new File(directory("programs"), number + ".log");
        Process process = new ProcessBuilder(command)
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log))
                .start();
        Program program = new Program(process, host, clientPort, log);
        RUNNING.add(program);
        return program;
    }

    /** A zoo.cfg of these lines, in a place of its own. */
    public static File writeConfig(List<String> lines) throws IOException {
        File config = File.createTempFile("zoo", ".cfg", directory("configs"));
        Files.write(config.toPath(), lines);
        return config;
    }

    private static File directory(String name) throws IOException {
        File directory = new File(System.getProperty(WORK), name);
        Files.createDirectories(directory.toPath());
        return directory;
    }

    /** How many were started in this JVM so far. */
    static int launches() {
        return LAUNCHES.get();
    }

    static void killAll() {
        for (Program program : RUNNING) {
            program.process.destroyForcibly();
        }
    }

    /** Waits until it serves; throws what it complained of if it ends instead. */
    public void awaitServing() throws IOException {
        await("serve", this::isServing);
    }

    /** Waits until it answers, if only that it has nobody to serve with yet. */
    public void awaitAnswering() throws IOException {
        await("answer", () -> !ask("srvr").isEmpty());
    }

    private void await(String what, BooleanSupplier does) throws IOException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_PATIENCE_MS);
        while (System.nanoTime() < deadline) {
            if (!isAlive()) {
                throw new IOException("the server ended with " + process.exitValue() + ": " + output());
            }
            if (does.getAsBoolean()) {
                return;
            }
            pause();
        }
        throw new IOException("the server does not " + what + ": " + output());
    }

    /** Asks it to end, insists after a while, and returns once it has ended, whether it did when asked. */
    public boolean stop() {
        process.destroy();
        boolean hasEnded = false;
        try {
            hasEnded = process.waitFor(END_PATIENCE_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        kill();
        return hasEnded;
    }

    /** As a machine loses it. Does nothing to one that has ended. */
    public void kill() {
        process.destroyForcibly().onExit().join();
        RUNNING.remove(this);
    }

    /** Waits for its end, whoever brings it about. */
    public int await() throws InterruptedException {
        int code = process.waitFor();
        RUNNING.remove(this);
        return code;
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** The role that its answer to {@code srvr} names, or an empty text. */
    public String mode() {
        for (String line : ask("srvr").split("\n")) {
            if (line.startsWith("Mode: ")) {
                return line.substring("Mode: ".length()).trim();
            }
        }
        return "";
    }

    /** What it says is the last transaction in its tree. */
    public long lastZxid() {
        for (String line : ask("srvr").split("\n")) {
            if (line.startsWith("Zxid: 0x")) {
                return Long.parseUnsignedLong(line.substring("Zxid: 0x".length()).trim(), 16);
            }
        }
        throw new Internals("a last zxid of a server that names none");
    }

    /** The number that its answer to {@code conf} has for a key. */
    public int conf(String key) {
        for (String line : ask("conf").split("\n")) {
            if (line.startsWith(key + "=")) {
                return Integer.parseInt(line.substring(key.length() + 1).trim());
            }
        }
        throw new Internals(key + " of a server that names none");
    }

    /** The sum of what the running programs that serve answer to {@code mntr} for a key. */
    static long monitored(String key) {
        long sum = 0;
        for (Program program : RUNNING) {
            String answer = program.isServing() ? program.ask("mntr") : "";
            if (!answer.isEmpty()) {
                sum += answer.lines()
                        .filter(line -> line.startsWith(key + "\t"))
                        .mapToLong(line -> (long) Double.parseDouble(line.substring(key.length()).trim()))
                        .findFirst()
                        .orElseThrow(() -> new Internals(key + " of a server that does not count it"));
            }
        }
        return sum;
    }

    /** Its clients as {@code address/session}, by its answer to {@code cons}. */
    Set<String> clients() {
        Set<String> clients = new TreeSet<>();
        for (String line : ask("cons").split("\n")) {
            int session = line.indexOf("sid=0x");
            int slash = line.indexOf('/');
            int colon = line.indexOf('[') < 0 ? -1 : line.lastIndexOf(':', line.indexOf('['));
            if (session >= 0 && slash >= 0 && colon > slash) {
                String id = line.substring(session + "sid=".length()).split("[,)]")[0];
                clients.add(line.substring(slash + 1, colon) + "/" + id);
            }
        }
        return clients;
    }

    /** The answer to a four-letter word; empty if there is none. */
    public String ask(String word) {
        if (clientPort == 0 || !isAlive()) {
            return "";
        }
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, clientPort), WORD_PATIENCE_MS);
            socket.setSoTimeout(WORD_PATIENCE_MS);
            socket.getOutputStream().write(word.getBytes(StandardCharsets.US_ASCII));
            InputStream answer = socket.getInputStream();
            return new String(answer.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException refused) {
            return "";
        }
    }

    private boolean isServing() {
        if (clientPort == 0) {
            return true;
        }
        String answer = ask("srvr");
        return !answer.isEmpty() && !answer.contains("not currently serving");
    }

    /** The end of what it printed. */
    private String output() {
        try {
            String all = Files.readString(log.toPath());
            return all.substring(Math.max(0, all.length() - OUTPUT_CHARS));
        } catch (IOException unreadable) {
            return unreadable.toString();
        }
    }

    static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static List<String> properties() {
        List<String> definitions = new ArrayList<>();
        for (String key : new TreeSet<>(System.getProperties().stringPropertyNames())) {
            if (isForServer(key)) {
                definitions.add("-D" + key + "=" + System.getProperty(key));
            }
        }
        return definitions;
    }

    private static boolean isForServer(String key) {
        if (key.equals("zookeeper.junit.threadid")) {
            return false;
        }
        return key.startsWith("zookeeper.")
                || key.startsWith("jute.")
                || key.startsWith("znode.")
                || key.startsWith("fsync.")
                || key.startsWith("readonlymode.")
                || key.startsWith("java.security.")
                || key.startsWith("javax.net.ssl.")
                || key.startsWith("javax.security.")
                || key.startsWith("sun.security.")
                || key.startsWith("com.sun.net.ssl.");
    }
}
