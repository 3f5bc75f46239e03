package gamekeeper.compat;

import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.World.within;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.curator.framework.CuratorFramework;
import org.apache.zookeeper.CreateMode;

/** Names with a sequence number: unique, without a gap, and never given twice. */
final class Naming {
    private static final int CLIENTS = 3;
    private static final int EACH = 30;

    private Naming() {}

    static void sequential(World world) throws Exception {
        List<Future<List<String>>> runs = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            CuratorFramework client = world.client();
            runs.add(world.async(() -> take(client, world.path("ids/id-"))));
        }
        TreeSet<String> names = new TreeSet<>();
        for (Future<List<String>> run : runs) {
            List<String> mine = within(run);
            same(new ArrayList<>(new TreeSet<>(mine)), mine, "a client's own names ascend");
            names.addAll(mine);
        }
        TreeSet<String> expected = new TreeSet<>();
        for (int i = 0; i < CLIENTS * EACH; i++) {
            expected.add(world.path("ids/id-") + String.format("%010d", i));
        }
        same(expected, names, "the names");

        CuratorFramework client = world.client();
        client.delete().forPath(names.last());
        String next = client.create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(world.path("ids/other-"));
        same(world.path("ids/other-") + String.format("%010d", CLIENTS * EACH), next, "the name after a deletion");
    }

    static void withProtection(World world) throws Exception {
        CuratorFramework client = world.client();
        String made = client.create()
                .creatingParentsIfNeeded()
                .withProtection()
                .withMode(CreateMode.PERSISTENT_SEQUENTIAL)
                .forPath(world.path("protected/node-"));
        String name = made.substring(world.path("protected/").length());
        require(name.matches("_c_[0-9a-f-]{36}-node-0000000000"), "a protected name, not " + name);
        same(List.of(name), client.getChildren().forPath(world.path("protected")), "the children");
    }

    private static List<String> take(CuratorFramework client, String prefix) throws Exception {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < EACH; i++) {
            names.add(client.create()
                    .creatingParentsIfNeeded()
                    .withMode(CreateMode.PERSISTENT_SEQUENTIAL)
                    .forPath(prefix));
        }
        return names;
    }
}
