package gamekeeper.suite;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Finds and runs the tests of JUnit on the class path.
 *
 * <pre>
 * list ROOT                       the classes with tests below a jar or directory, one a line
 * run CLASS                       all tests of a class
 * run CLASS only|without METHOD..
 * </pre>
 *
 * <p>Of a run it prints a line for each test: <code>result, name, programs started, milliseconds, reason</code>,
 * separated by tabs, and <code>end</code>. Results are passed, failed, aborted, skipped, and internals for a failure
 * whose cause is that the test wants what only a server in its own JVM has.
 */
public final class Runner implements TestExecutionListener {
    private final PrintStream out;
    private long started;
    private int launchesBefore;

    private Runner(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        // Some tests print; their lines are no results.
        System.setOut(System.err);
        switch (arguments[0]) {
            case "list" -> list(arguments[1], out);
            case "run" -> run(arguments, out);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        out.flush();
        end(0);
    }

    private static void list(String root, PrintStream out) {
        LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
        TestPlan plan = LauncherFactory.create()
                .discover(request.selectors(selectClasspathRoots(Set.of(Path.of(root)))).build());
        Set<String> names = new TreeSet<>();
        for (TestIdentifier engine : plan.getRoots()) {
            for (TestIdentifier test : plan.getDescendants(engine)) {
                if (test.getSource().orElse(null) instanceof MethodSource method) {
                    names.add(method.getClassName());
                }
            }
        }
        names.forEach(out::println);
    }

    private static void run(String[] arguments, PrintStream out) throws ClassNotFoundException {
        endWithStarter();
        Internals.watchThreads();
        LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
        request.selectors(selectClass(Class.forName(arguments[1], false, Runner.class.getClassLoader())));
        if (arguments.length > 2) {
            Set<String> methods = Set.copyOf(Arrays.asList(arguments).subList(3, arguments.length));
            request.filters(methods(arguments[2].equals("only"), methods));
        }
        LauncherFactory.create().execute(request.build(), new Runner(out));
        out.println("end");
    }

    private static PostDiscoveryFilter methods(boolean areWanted, Set<String> methods) {
        return test -> FilterResult.includedIf(!(test.getSource().orElse(null) instanceof MethodSource method)
                || methods.contains(method.getMethodName()) == areWanted);
    }

    /** Who started us holds our standard input open. Tests find theirs empty. */
    private static void endWithStarter() {
        InputStream in = System.in;
        System.setIn(new ByteArrayInputStream(new byte[0]));
        Thread thread = new Thread(() -> {
            try {
                in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException e) {
                e.printStackTrace();
            }
            end(1);
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Threads that tests leave behind do not keep the JVM. */
    private static void end(int code) {
        Program.killAll();
        Runtime.getRuntime().halt(code);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        if (test.isTest()) {
            started = System.nanoTime();
            launchesBefore = Program.launches();
            Internals.forget();
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        print("skipped", test, reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        Throwable cause = result.getThrowable().orElse(null);
        if (cause != null && !isInternals(cause) && Internals.last() != null) {
            cause = Internals.last();
        }
        // A container is worth a line only when what it does before or after its tests failed.
        if (test.isTest() || cause != null) {
            String status = switch (result.getStatus()) {
                case SUCCESSFUL -> "passed";
                case ABORTED -> "aborted";
                case FAILED -> isInternals(cause) ? "internals" : "failed";
            };
            print(status, test, cause == null ? "" : describe(cause));
            if (cause != null) {
                cause.printStackTrace();
            }
        }
    }

    private void print(String result, TestIdentifier test, String reason) {
        long millis = test.isTest() && started != 0 ? (System.nanoTime() - started) / 1_000_000 : 0;
        int launches = test.isTest() ? Program.launches() - launchesBefore : 0;
        out.printf(Locale.ROOT, "%s\t%s\t%d\t%d\t%s%n", result, name(test), launches, millis, oneLine(reason));
        out.flush();
    }

    /** The method, with the number of the invocation for a parameterized test. */
    private static String name(TestIdentifier test) {
        StringBuilder name = new StringBuilder();
        for (UniqueId.Segment segment : UniqueId.parse(test.getUniqueId()).getSegments()) {
            switch (segment.getType()) {
                // The last is a test of JUnit 4.
                case "method", "test-template", "test" -> name.append(segment.getValue().replaceAll("\\(.*", ""));
                case "test-template-invocation" -> name.append(segment.getValue().replace("#", "[")).append(']');
                default -> { }
            }
        }
        return name.isEmpty() ? "class" : name.toString();
    }

    private static boolean isInternals(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof LinkageError) {
                return true;
            }
            for (Throwable also : cause.getSuppressed()) {
                if (isInternals(also)) {
                    return true;
                }
            }
        }
        return false;
    }

    private static String describe(Throwable thrown) {
        Throwable cause = thrown;
        while (cause.getCause() != null && !(cause instanceof LinkageError)) {
            cause = cause.getCause();
        }
        return cause.getClass().getSimpleName() + ": " + cause.getMessage();
    }

    private static String oneLine(String text) {
        String line = text == null ? "" : text.replaceAll("\\s+", " ").trim();
        return line.length() > 300 ? line.substring(0, 300) : line;
    }
}
