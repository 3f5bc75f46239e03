package gamekeeper.suite;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.apache.zookeeper.metrics.MetricsContext;
import org.apache.zookeeper.metrics.impl.DefaultMetricsProvider;
import org.apache.zookeeper.server.ServerMetrics;
import org.apache.zookeeper.server.metric.SimpleCounter;

/** What servers in this JVM would have counted, where the running programs tell it. */
final class Counters extends DefaultMetricsProvider {
    /** Transactions after which the state is not what its author had. */
    private static final String DIGEST_MISMATCHES = "digest_mismatches_count";

    private Counters() {}

    static void install() {
        ServerMetrics.metricsProviderInitialized(new Counters());
    }

    @Override
    public MetricsContext getRootContext() {
        MetricsContext own = super.getRootContext();
        SimpleCounter mismatches = new OfPrograms(DIGEST_MISMATCHES);
        return (MetricsContext) Proxy.newProxyInstance(
                Counters.class.getClassLoader(), new Class<?>[] {MetricsContext.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("getCounter") && arguments[0].equals(DIGEST_MISMATCHES)) {
                        return mismatches;
                    }
                    try {
                        return method.invoke(own, arguments);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                });
    }

    /** With what the programs have counted. */
    private static final class OfPrograms extends SimpleCounter {
        private final String key;

        OfPrograms(String name) {
            super(name);
            key = "zk_" + name;
        }

        @Override
        public long get() {
            return super.get() + Program.monitored(key);
        }
    }
}
