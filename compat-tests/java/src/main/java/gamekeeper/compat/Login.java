package gamekeeper.compat;

import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;

/**
 * A client that logs in by SASL if its JVM is told how, and then does what it is told: {@code Login address command...}.
 *
 * <p>Prints the state that settles who it is, then a line for each command: {@code create:/path:id} makes a node that
 * only this SASL id may use, {@code get:/path} reads one, {@code whoAmI}.
 */
public final class Login {
    private static final int TIMEOUT_MS = 20_000;

    private Login() {}

    public static void main(String[] args) throws Exception {
        BlockingQueue<KeeperState> states = new LinkedBlockingQueue<>();
        ZooKeeper zk = new ZooKeeper(args[0], TIMEOUT_MS, event -> states.add(event.getState()));
        // With a login of its own a client is connected first, and somebody or nobody then.
        boolean logsIn = System.getProperty("java.security.auth.login.config") != null;
        KeeperState state = states.poll(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        if (logsIn && state == KeeperState.SyncConnected) {
            state = states.poll(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        }
        System.out.println(state);
        for (int i = 1; i < args.length; i++) {
            String outcome;
            try {
                outcome = run(zk, args[i].split(":", 3));
            } catch (KeeperException failed) {
                outcome = failed.code().toString();
            }
            System.out.println(args[i] + " " + outcome);
        }
        System.exit(0);
    }

    private static String run(ZooKeeper zk, String[] words) throws Exception {
        switch (words[0]) {
            case "create":
                List<ACL> only = Collections.singletonList(new ACL(31, new Id("sasl", words[2])));
                return zk.create(words[1], new byte[0], only, CreateMode.PERSISTENT);
            case "get":
                return "has " + zk.getData(words[1], false, null).length + " bytes";
            case "whoAmI":
                // Apache's server has them in no order.
                TreeSet<String> who = new TreeSet<>();
                for (ClientInfo info : zk.whoAmI()) {
                    who.add(info.getAuthScheme() + "=" + info.getUser());
                }
                return String.join(" ", who);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }
}
