package gamekeeper.suite;

import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestPlan;

/** Puts before all tests what stands in for a server's JMX names and figures; JUnit finds it as a service. */
public final class Substitutes implements TestExecutionListener {
    @Override
    public void testPlanExecutionStarted(TestPlan plan) {
        Beans.install();
        Counters.install();
    }
}
