package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.same;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooKeeper;

/**
 * A client that knows one server, follows the node with the configuration, and keeps its session when that server is
 * no member any more.
 *
 * <p>Prints {@code grow} when two others are to join, and {@code leave} when the first is to go; it goes on after a line
 * on standard input.
 */
final class Following {
    private static final String CONFIG = "/zookeeper/config";

    private Following() {}

    static void otherMembers(World world) throws Exception {
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        CuratorFramework client = world.client();
        client.getConnectionStateListenable().addListener((unused, state) -> states.add(state));
        ZooKeeper zk = client.getZookeeperClient().getZooKeeper();
        long session = zk.getSessionId();
        String mine = world.path("mine");
        client.create().withMode(CreateMode.EPHEMERAL).forPath(mine, bytes("1"));
        BlockingQueue<EventType> events = new LinkedBlockingQueue<>();
        byte[] one = zk.getConfig(event -> events.add(event.getType()), null);
        same(1L, servers(one), "the servers at first");

        Reattach.ask("grow");
        await("the configuration names three", () -> servers(zk.getConfig(false, null)) == 3);
        same(EventType.NodeDataChanged, events.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the event");
        same(null, events.peek(), "another event of one watch");
        await("Curator knows three", () -> client.getZookeeperClient().getCurrentConnectionString().split(",").length == 3);
        same(-1, client.checkExists().forPath(CONFIG).getVersion(), "its version is not counted");

        Reattach.ask("leave");
        Reattach.awaitReconnected(states);
        same(session, client.getZookeeperClient().getZooKeeper().getSessionId(), "the session");
        same(session, client.checkExists().forPath(mine).getEphemeralOwner(), "the owner");
        await("Curator knows two", () -> client.getZookeeperClient().getCurrentConnectionString().split(",").length == 2);
    }

    private static long servers(byte[] config) {
        return Check.text(config).lines().filter(line -> line.startsWith("server.")).count();
    }
}
