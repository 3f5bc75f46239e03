package gamekeeper.suite;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Finds and runs the tests of JUnit 5 on the class path.
 *
 * <pre>
 * list ROOT            a line for each test below a jar or directory: class#method
 * run CLASS[#METHOD].. lines as things happen:
 *                      begins class#method
 *                      passed|failed|skipped class#method milliseconds [why, on one line]
 * </pre>
 */
public final class Runner {
    private static final String TEST_PATIENCE = "300 s";

    public static void main(String[] arguments) {
        // What tests print must not get between our lines.
        PrintStream out = System.out;
        System.setOut(System.err);
        List<String> operands = Arrays.asList(arguments).subList(1, arguments.length);
        switch (arguments[0]) {
            case "list" -> list(operands.get(0), out);
            case "run" -> run(operands, out);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        out.flush();
        // Tests may leave threads behind.
        System.exit(0);
    }

    private static void list(String root, PrintStream out) {
        TestPlan plan = LauncherFactory.create().discover(request(selectClasspathRoots(Set.of(Path.of(root)))));
        Set<String> names = new TreeSet<>();
        for (TestIdentifier engine : plan.getRoots()) {
            plan.getDescendants(engine).stream()
                    .filter(TestIdentifier::isTest)
                    .forEach(test -> names.add(name(test)));
        }
        names.forEach(out::println);
    }

    private static void run(List<String> wanted, PrintStream out) {
        endWithStarter();
        List<DiscoverySelector> selectors = wanted.stream()
                .map(name -> name.contains("#") ? selectMethod(name) : selectClass(name))
                .collect(Collectors.toList());
        Launcher launcher = LauncherFactory.create();
        launcher.execute(request(selectors), new Report(out));
    }

    /** Who started us holds our standard input open. Servers that run then are killed as we end. */
    private static void endWithStarter() {
        InputStream in = System.in;
        Thread thread = new Thread(() -> {
            try {
                in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException e) {
                e.printStackTrace();
            }
            System.exit(1);
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static LauncherDiscoveryRequest request(Iterable<? extends DiscoverySelector> selectors) {
        LauncherDiscoveryRequestBuilder builder = LauncherDiscoveryRequestBuilder.request();
        selectors.forEach(builder::selectors);
        return builder
                .configurationParameter("junit.jupiter.execution.timeout.testable.method.default", TEST_PATIENCE)
                .build();
    }

    private static String name(TestIdentifier test) {
        MethodSource method = (MethodSource) test.getSource().orElseThrow();
        return method.getClassName() + "#" + method.getMethodName();
    }

    /** A class whose own set-up fails or that is disabled as a whole speaks for all its tests. */
    private static final class Report implements TestExecutionListener {
        private final PrintStream out;
        private final Map<TestIdentifier, Long> begun = new HashMap<>();
        private TestPlan plan;

        Report(PrintStream out) {
            this.out = out;
        }

        @Override
        public void testPlanExecutionStarted(TestPlan testPlan) {
            plan = testPlan;
        }

        @Override
        public void executionStarted(TestIdentifier test) {
            if (test.isTest()) {
                begun.put(test, System.nanoTime());
                out.println("begins " + name(test));
            }
        }

        @Override
        public void executionSkipped(TestIdentifier test, String reason) {
            testsOf(test).forEach(one -> tell("skipped", one, reason));
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            Throwable error = result.getThrowable().orElse(null);
            if (error != null) {
                error.printStackTrace();
            }
            String word = switch (result.getStatus()) {
                case SUCCESSFUL -> "passed";
                case FAILED -> "failed";
                case ABORTED -> "skipped";
            };
            if (test.isTest()) {
                tell(word, test, String.valueOf(error == null ? "" : error));
            } else if (error != null) {
                testsOf(test).stream()
                        .filter(one -> !begun.containsKey(one))
                        .forEach(one -> tell(word, one, error.toString()));
            }
        }

        private Set<TestIdentifier> testsOf(TestIdentifier test) {
            return test.isTest()
                    ? Set.of(test)
                    : plan.getDescendants(test).stream()
                            .filter(TestIdentifier::isTest)
                            .collect(Collectors.toSet());
        }

        private void tell(String word, TestIdentifier test, String why) {
            long millis = begun.containsKey(test) ? (System.nanoTime() - begun.get(test)) / 1_000_000 : 0;
            out.println(word + " " + name(test) + " " + millis + " " + why.replaceAll("\\s+", " "));
        }
    }
}
