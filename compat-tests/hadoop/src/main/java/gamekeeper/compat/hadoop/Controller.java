package gamekeeper.compat.hadoop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.ha.HAServiceTarget;
import org.apache.hadoop.ha.ZKFailoverController;
import org.apache.hadoop.security.authorize.PolicyProvider;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/**
 * Hadoop's failover controller, the one that HDFS runs beside each NameNode, with a service of ours:
 * Controller format|0|1 connect-string port...
 *
 * <p>"format" makes its nodes and prints how that went. A number runs the controller of that place; each place has a
 * port for its service and one for its controller. It obeys lines on standard input: "sick" and "healthy" are what the
 * service is from then on, "take" asks the controller to make its service the active one.
 */
public final class Controller extends ZKFailoverController {
    private static final int TIMEOUT_MS = 8000;
    private static final int RPC_TIMEOUT_MS = 30_000;

    private final List<HAServiceTarget> others;

    private Controller(Configuration conf, Place own, List<HAServiceTarget> others) {
        super(conf, own);
        this.others = others;
    }

    public static void main(String[] arguments) throws Exception {
        Configuration conf = configuration(arguments[1]);
        Place[] places = {place(conf, arguments, 2), place(conf, arguments, 4)};
        if (arguments[0].equals("format")) {
            Controller controller = new Controller(conf, places[0], List.of(places[1]));
            System.out.println("format " + controller.run(new String[] {"-formatZK", "-nonInteractive"}));
            System.exit(0);
        }
        int number = Integer.parseInt(arguments[0]);
        Place own = places[number];
        Controller controller = new Controller(conf, own, List.of(places[1 - number]));
        Service service = new Service();
        service.serve(conf, own.getAddress());
        Thread obeying = new Thread(() -> obey(conf, own, service));
        obeying.setDaemon(true);
        obeying.start();
        System.exit(controller.run(new String[0]));
    }

    private static void obey(Configuration conf, Place own, Service service) {
        try {
            var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                switch (line) {
                    case "sick" -> service.setHealthy(false);
                    case "healthy" -> service.setHealthy(true);
                    case "take" -> {
                        own.getZKFCProxy(conf, RPC_TIMEOUT_MS).gracefulFailover();
                        System.out.println("taken");
                    }
                    default -> throw new IllegalArgumentException(line);
                }
            }
            Runtime.getRuntime().halt(0);
        } catch (Exception wrong) {
            wrong.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static Configuration configuration(String connect) throws Exception {
        Configuration conf = new Configuration();
        conf.set("ha.zookeeper.quorum", connect);
        conf.setInt("ha.zookeeper.session-timeout.ms", TIMEOUT_MS);
        conf.set("ha.zookeeper.auth", "digest:ha:secret");
        String identity = DigestAuthenticationProvider.generateDigest("ha:secret");
        conf.set("ha.zookeeper.acl", "digest:" + identity + ":rwcda");
        conf.set(Place.FENCING, Place.Fence.class.getName());
        conf.setInt("ha.health-monitor.check-interval.ms", 100);
        conf.setInt("ha.health-monitor.rpc-timeout.ms", RPC_TIMEOUT_MS);
        conf.setInt("ha.failover-controller.graceful-fence.rpc-timeout.ms", 1000);
        conf.setInt("ha.failover-controller.graceful-fence.connection.retries", 1);
        return conf;
    }

    private static Place place(Configuration conf, String[] arguments, int first) {
        return new Place(conf, Integer.parseInt(arguments[first]), Integer.parseInt(arguments[first + 1]));
    }

    @Override
    protected byte[] targetToData(HAServiceTarget target) {
        String ports = target.getAddress().getPort() + " " + target.getZKFCAddress().getPort();
        return ports.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    protected HAServiceTarget dataToTarget(byte[] data) {
        String[] ports = new String(data, StandardCharsets.UTF_8).split(" ");
        return place(conf, ports, 0);
    }

    @Override
    protected InetSocketAddress getRpcAddressToBindTo() {
        return localTarget.getZKFCAddress();
    }

    @Override
    protected List<HAServiceTarget> getAllOtherNodes() {
        return others;
    }

    @Override
    protected String getScopeInsideParentNode() {
        return "gamekeeper";
    }

    @Override
    protected void loginAsFCUser() {}

    @Override
    protected void checkRpcAdminAccess() {}

    @Override
    protected PolicyProvider getPolicyProvider() {
        return null;
    }

    @Override
    protected boolean isSSLEnabled() {
        return false;
    }
}
