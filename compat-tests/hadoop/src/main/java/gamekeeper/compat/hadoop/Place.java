package gamekeeper.compat.hadoop;

import java.net.InetSocketAddress;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.ha.BadFencingConfigurationException;
import org.apache.hadoop.ha.FenceMethod;
import org.apache.hadoop.ha.HAServiceTarget;
import org.apache.hadoop.ha.NodeFencer;

/** Where a service and its controller are. */
final class Place extends HAServiceTarget {
    /** The key under which a configuration names {@link Fence}. */
    static final String FENCING = "dfs.ha.fencing.methods";

    private final Configuration conf;
    private final int servicePort;
    private final int controllerPort;

    Place(Configuration conf, int servicePort, int controllerPort) {
        this.conf = conf;
        this.servicePort = servicePort;
        this.controllerPort = controllerPort;
    }

    @Override
    public InetSocketAddress getAddress() {
        return new InetSocketAddress("127.0.0.1", servicePort);
    }

    @Override
    public InetSocketAddress getZKFCAddress() {
        return new InetSocketAddress("127.0.0.1", controllerPort);
    }

    @Override
    public NodeFencer getFencer() {
        try {
            return NodeFencer.create(conf, FENCING);
        } catch (BadFencingConfigurationException wrong) {
            throw new IllegalStateException(wrong);
        }
    }

    @Override
    public void checkFencingConfigured() {}

    @Override
    public boolean isAutoFailoverEnabled() {
        return true;
    }

    @Override
    public String toString() {
        return "the service at port " + servicePort;
    }

    /** What is done to a service that may think it is active and does not answer: only said here. */
    public static final class Fence implements FenceMethod {
        @Override
        public void checkArgs(String arguments) {}

        @Override
        public boolean tryFence(HAServiceTarget target, String arguments) {
            System.out.println("fence");
            return true;
        }
    }
}
