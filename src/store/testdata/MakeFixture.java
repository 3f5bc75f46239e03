// Writes the data directory that src/store/testdata/3.9.5 holds, with a server of Apache 3.9.5.
// How it was run, with the jars of zookeeper 3.9.5 and what it needs on the class path:
//
//   java -cp $JARS -Dzookeeper.preAllocSize=64 -Dzookeeper.extendedTypesEnabled=true \
//        src/store/testdata/MakeFixture.java DIR
//   cd DIR/version-2 && gzip -9n *; cd DIR-containers/version-2 && gzip -9n *
//
// DIR-containers has the final state as a snapshot in each container.
// The epoch files are those of a member that leads an ensemble of one (standaloneEnabled=false) after
// its eleventh start.
// DIR/version-2/expected.txt is the state after a restart of that server from these files.

import java.io.File;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.data.StatPersisted;
import org.apache.zookeeper.server.DataNode;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ZKDatabase;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;
import org.apache.zookeeper.server.persistence.SnapStream;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

public class MakeFixture {
    static ServerCnxnFactory factory;
    static ZooKeeperServer server;

    static void start(File dir) throws Exception {
        factory = new NIOServerCnxnFactory();
        factory.configure(new InetSocketAddress("127.0.0.1", 0), 10);
        server = new ZooKeeperServer(new FileTxnSnapLog(dir, dir), 500, "");
        factory.startup(server);
    }

    static ZooKeeper client() throws Exception {
        ZooKeeper zk = new ZooKeeper("127.0.0.1:" + factory.getLocalPort(), 40000, e -> { });
        while (!zk.getState().isConnected()) {
            Thread.sleep(10);
        }
        return zk;
    }

    interface Action { void run() throws Exception; }

    static void refused(Action action) throws Exception {
        try {
            action.run();
        } catch (KeeperException expected) {
            return;
        }
        throw new AssertionError("that should have been refused");
    }

    public static void main(String[] args) throws Exception {
        File dir = new File(args[0]);
        start(dir);
        List<ACL> open = ZooDefs.Ids.OPEN_ACL_UNSAFE;
        List<ACL> mixed = Arrays.asList(
            new ACL(ZooDefs.Perms.READ, new Id("ip", "127.0.0.1/8")),
            new ACL(ZooDefs.Perms.ALL, new Id("digest", DigestAuthenticationProvider.generateDigest("ben:secret"))));
        ZooKeeper a = client();
        a.addAuthInfo("digest", "ben:secret".getBytes());
        a.create("/a", "hi".getBytes(), open, CreateMode.PERSISTENT);
        a.create("/null", null, open, CreateMode.PERSISTENT, new Stat());
        a.create("/empty", new byte[0], open, CreateMode.PERSISTENT);
        a.create("/acl", "x".getBytes(), mixed, CreateMode.PERSISTENT);
        a.create("/creator", "y".getBytes(), ZooDefs.Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        a.setACL("/empty", ZooDefs.Ids.READ_ACL_UNSAFE, -1);
        a.create("/container", null, open, CreateMode.CONTAINER);
        a.create("/container/child", "c".getBytes(), open, CreateMode.PERSISTENT);
        a.create("/ttl", "t".getBytes(), open, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 86400000L);
        a.create("/a/e", "e".getBytes(), open, CreateMode.EPHEMERAL);
        a.create("/a/s-", "s".getBytes(), open, CreateMode.PERSISTENT_SEQUENTIAL);
        a.create("/a/s-", "s".getBytes(), open, CreateMode.EPHEMERAL_SEQUENTIAL);
        a.create("/a/\u00fc\u20ac", "utf".getBytes(), open, CreateMode.PERSISTENT);
        a.setData("/a", "ho".getBytes(), 0);
        a.setData("/null", null, -1);
        refused(() -> a.create("/a", null, open, CreateMode.PERSISTENT));
        refused(() -> a.delete("/nope", -1));
        a.multi(Arrays.asList(
            Op.check("/a", 1),
            Op.create("/a/m", "m".getBytes(), open, CreateMode.PERSISTENT),
            Op.setData("/a/m", "n".getBytes(), 0),
            Op.create("/a/m/c", null, mixed, CreateMode.CONTAINER),
            Op.create("/a/m/t", null, open, CreateMode.PERSISTENT_WITH_TTL, 5000000L),
            Op.delete("/container/child", 0)));
        refused(() -> a.multi(Arrays.asList(
            Op.create("/a/x", null, open, CreateMode.PERSISTENT),
            Op.delete("/nope", -1),
            Op.setData("/a", null, -1))));
        ZooKeeper b = client();
        b.create("/b", "b".getBytes(), open, CreateMode.EPHEMERAL);
        b.create("/a/b", "b".getBytes(), open, CreateMode.EPHEMERAL);
        server.takeSnapshot();
        factory.closeAll(org.apache.zookeeper.server.ServerCnxn.DisconnectReason.UNKNOWN);
        factory.shutdown();

        // A second log; the sessions of the first are still open.
        start(dir);
        ZooKeeper c = client();
        c.addAuthInfo("digest", "ben:secret".getBytes());
        c.create("/c", "c".getBytes(), open, CreateMode.PERSISTENT);
        c.create("/c/e", null, open, CreateMode.EPHEMERAL);
        c.setData("/acl", "z".getBytes(), -1);
        c.delete("/a/m/c", -1);
        ZooKeeper d = client();
        d.create("/c/d", null, open, CreateMode.EPHEMERAL);
        d.create("/d", null, open, CreateMode.EPHEMERAL);
        d.close();
        c.create("/last", "last".getBytes(), open, CreateMode.PERSISTENT);
        factory.shutdown();

        // What they amount to, and the same state in the other containers.
        FileTxnSnapLog log = new FileTxnSnapLog(dir, dir);
        ZKDatabase state = new ZKDatabase(log);
        state.loadDataBase();
        DataTree tree = state.getDataTree();
        File snapshots = new File(dir.getPath() + "-containers");
        for (SnapStream.StreamMode mode : SnapStream.StreamMode.values()) {
            SnapStream.setStreamMode(mode);
            FileTxnSnapLog other = new FileTxnSnapLog(snapshots, snapshots);
            other.save(tree, state.getSessionWithTimeOuts(), true);
        }
        File out = new File(dir, "version-2/expected.txt");
        try (PrintWriter writer = new PrintWriter(out, "UTF-8")) {
            writer.printf("zxid %x%n", tree.lastProcessedZxid);
            writer.printf("digest %x%n", tree.getTreeDigest());
            for (long session : new TreeSet<>(state.getSessionWithTimeOuts().keySet())) {
                writer.printf("session %x %d%n", session, state.getSessionWithTimeOuts().get(session));
            }
            List<String> paths = new ArrayList<>();
            collect(tree, "/", paths);
            for (String path : paths) {
                writer.println(describe(tree, path));
            }
        }
        System.exit(0);
    }

    static void collect(DataTree tree, String path, List<String> paths) {
        paths.add(path);
        DataNode node = tree.getNode(path);
        for (String child : new TreeSet<>(node.getChildren())) {
            collect(tree, path.equals("/") ? "/" + child : path + "/" + child, paths);
        }
    }

    static String describe(DataTree tree, String path) {
        DataNode node = tree.getNode(path);
        StatPersisted s = node.stat;
        StringBuilder data = new StringBuilder(node.getData() == null ? "null" : "=");
        if (node.getData() != null) {
            for (byte b : node.getData()) {
                data.append(String.format("%02x", b));
            }
        }
        StringBuilder acl = new StringBuilder();
        for (ACL entry : tree.getACL(node)) {
            acl.append(' ').append(entry.getPerms()).append(':').append(entry.getId().getScheme())
                .append(':').append(entry.getId().getId());
        }
        return String.format("node %s %s %x %x %d %d %d %d %d %x %x%s", path, data, s.getCzxid(),
            s.getMzxid(), s.getCtime(), s.getMtime(), s.getVersion(), s.getCversion(),
            s.getAversion(), s.getEphemeralOwner(), s.getPzxid(), acl);
    }
}
