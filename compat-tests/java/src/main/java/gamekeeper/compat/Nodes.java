package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.curator.framework.CuratorFramework;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Nodes: those that vanish by themselves, what a stat tells, which errors come, and how large data may be. */
final class Nodes {
    private Nodes() {}

    /** Needs a server with {@code extendedTypesEnabled=true} and a short container check interval. */
    static void ttl(World world) throws Exception {
        CuratorFramework client = world.client();
        String path = world.path("ttl");
        Stat stat = new Stat();
        client.create().withTtl(300).storingStatIn(stat).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(path);
        same(0L, stat.getEphemeralOwner(), "the owner field keeps the time to live to itself");
        client.create().forPath(path + "/child");
        String numbered = client.create()
                .withTtl(300)
                .withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
                .forPath(world.path("seq-"));
        await("a node without children is deleted", () -> client.checkExists().forPath(numbered) == null);
        require(client.checkExists().forPath(path) != null, "a node with a child stays");
        client.delete().forPath(path + "/child");
        await("the node is deleted after its child", () -> client.checkExists().forPath(path) == null);
    }

    static void container(World world) throws Exception {
        CuratorFramework client = world.client();
        String path = world.path("container");
        client.create().withMode(CreateMode.CONTAINER).forPath(path);
        client.create().creatingParentContainersIfNeeded().forPath(world.path("made/child"));
        client.delete().forPath(world.path("made/child"));
        await("a container is deleted after its last child", () -> client.checkExists().forPath(world.path("made")) == null);
        require(client.checkExists().forPath(path) != null, "a container that never had a child stays");
    }

    static void statAndErrors(World world) throws Exception {
        ZooKeeper zk = world.raw();
        String path = world.path("node");
        Stat made = new Stat();
        same(path, zk.create(path, bytes("four"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, made), "the path");
        same(4, made.getDataLength(), "data length");
        same(made.getCzxid(), made.getMzxid(), "mzxid of a new node");
        same(made.getCzxid(), made.getPzxid(), "pzxid of a new node");
        Stat set = zk.setData(path, bytes("other"), 0);
        same(1, set.getVersion(), "version");
        require(set.getMzxid() > made.getCzxid(), "mzxid grows");
        zk.create(path + "/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        Stat parent = zk.exists(path, false);
        same(1, parent.getCversion(), "cversion");
        same(1, parent.getNumChildren(), "children");
        same(zk.exists(path + "/child", false).getCzxid(), parent.getPzxid(), "pzxid is the child's czxid");
        same(1, zk.getAllChildrenNumber(path), "all children");
        same(List.of(path + "/child"), zk.getEphemerals(world.root()), "own ephemerals below a path");

        fails(KeeperException.NodeExistsException.class,
                () -> zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(KeeperException.NoNodeException.class, () -> zk.getData(world.path("no"), false, null));
        fails(KeeperException.NoNodeException.class,
                () -> zk.create(world.path("no/child"), null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(KeeperException.BadVersionException.class, () -> zk.setData(path, null, 0));
        fails(KeeperException.NotEmptyException.class, () -> {
            zk.delete(path, -1);
            return null;
        });
        fails(KeeperException.NoChildrenForEphemeralsException.class,
                () -> zk.create(path + "/child/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(KeeperException.InvalidACLException.class,
                () -> zk.create(world.path("noacl"), null, List.of(), CreateMode.PERSISTENT));
        fails(KeeperException.BadArgumentsException.class, () -> {
            zk.delete("/zookeeper", -1);
            return null;
        });
    }

    static void dataSizes(World world) throws Exception {
        ZooKeeper zk = world.raw();
        String path = world.path("node");
        zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        same(null, zk.getData(path, false, null), "no data");
        zk.setData(path, new byte[0], -1);
        same(0, zk.getData(path, false, null).length, "empty data");
        for (int size : new int[] {1, 4095, 4096, 65_536, 1_000_000, 1_048_000}) {
            byte[] data = new byte[size];
            new Random(size).nextBytes(data);
            Stat stat = zk.setData(path, data, -1);
            same(size, stat.getDataLength(), "data length");
            require(Arrays.equals(data, zk.getData(path, false, null)), size + " bytes come back as they were");
        }
        // Above the server's limit the connection is cut, and the session goes on with the next one.
        fails(KeeperException.ConnectionLossException.class, () -> zk.setData(path, new byte[1_048_576], -1));
        await("the session is still good", () -> {
            try {
                return zk.exists(path, false).getDataLength() == 1_048_000;
            } catch (KeeperException.ConnectionLossException stillAway) {
                return false;
            }
        });
    }
}
