package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;
import org.apache.zookeeper.StatsTrack;

/**
 * Fills a server with nodes of every kind and prints all that a client can read of them.
 *
 * <p>Commands on standard input, each answered by lines and a last one {@code .}:
 * <pre>
 *   write address seed   many operations below a folder of their own; prints "session id password ephemerals"
 *                        for sessions that stay open
 *   dump address         every node: path, stat, data, list
 * </pre>
 */
public final class Tree {
    private static final int TIMEOUT_MS = 40_000;
    private static final String USER = "alice:secret";
    /** Below the server's limit of 1,048,575 bytes for a whole request. */
    private static final int LARGE = 1_048_000;

    private final PrintStream out;
    /** Sessions left open on purpose: closing them would take their ephemeral nodes away. */
    private final List<ZooKeeper> kept = new ArrayList<>();

    private Tree(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        Tree tree = new Tree(new PrintStream(System.out, false, StandardCharsets.UTF_8));
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "write" -> tree.write(words[1], Long.parseLong(words[2]));
                case "dump" -> tree.dump(words[1]);
                default -> throw new IllegalArgumentException(line);
            }
            tree.out.println(".");
            tree.out.flush();
        }
        // Not System.exit after a close: the kept sessions must not end.
        Runtime.getRuntime().halt(0);
    }

    private void write(String address, long seed) throws Exception {
        ZooKeeper zk = connect(address);
        String root = "/tree-" + seed;
        zk.create(root, bytes("root"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        kindsOfNodes(zk, root);
        lists(zk, root);
        quotas(zk, root);
        transactions(zk, root);
        int ephemerals = 0;
        for (int i = 0; i < 2; i++) {
            ZooKeeper owner = connect(address);
            for (int n = 0; n <= i; n++, ephemerals++) {
                owner.create(root + "/kept-" + i + "-" + n, bytes("mine"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            }
            owner.create(root + "/seq/kept-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL);
            kept.add(owner);
            String password = HexFormat.of().formatHex(owner.getSessionPasswd());
            out.println("session " + owner.getSessionId() + " " + password + " " + (i + 2));
        }
        ZooKeeper leaving = connect(address);
        leaving.create(root + "/gone", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        leaving.multi(List.of(
                Op.create(root + "/gone-too", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL),
                Op.create(root + "/seq/gone-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL)));
        leaving.close();
        randomOperations(zk, root, new Random(seed));
        sizes(zk, root);
        zk.close();
    }

    private static void kindsOfNodes(ZooKeeper zk, String root) throws Exception {
        create(zk, root + "/null", null);
        create(zk, root + "/empty", new byte[0]);
        create(zk, root + "/ключ-鍵", bytes("🔑"));
        create(zk, root + "/seq", null);
        for (int i = 0; i < 12; i++) {
            zk.create(root + "/seq/n-", bytes("" + i), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
        }
        zk.delete(root + "/seq/n-0000000003", -1);
        zk.create(root + "/container", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        create(zk, root + "/container/child", bytes("keeps it"));
        zk.create(root + "/container/inner", bytes("c"), Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        zk.create(root + "/ttl", bytes("t"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 3_600_000);
        zk.create(root + "/ttl-", bytes("t"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, null,
                0xFF_FFFF_FFFFL);
        StringBuilder deep = new StringBuilder(root);
        for (int depth = 0; depth < 30; depth++) {
            create(zk, deep.append("/d").toString(), bytes("" + depth));
        }
    }

    /** Every list has an entry that lets {@link #dump} read the node. */
    private static void lists(ZooKeeper zk, String root) throws Exception {
        Id alice = new Id("digest", DigestAuthenticationProvider.generateDigest(USER));
        ACL reader = new ACL(Perms.READ, alice);
        List<List<ACL>> lists = List.of(
                Ids.OPEN_ACL_UNSAFE,
                Ids.READ_ACL_UNSAFE,
                Ids.CREATOR_ALL_ACL,
                Arrays.asList(new ACL(Perms.ALL, alice)),
                Arrays.asList(reader, new ACL(Perms.WRITE | Perms.CREATE, new Id("ip", "127.0.0.0/8"))),
                Arrays.asList(new ACL(Perms.DELETE, new Id("ip", "::1")), reader, new ACL(Perms.ADMIN, alice)),
                Arrays.asList(reader, reader, new ACL(0, Ids.ANYONE_ID_UNSAFE)),
                Arrays.asList(reader, new ACL(Perms.ALL, new Id("digest", "Bob:Uppercase"))));
        for (int i = 0; i < lists.size(); i++) {
            zk.create(root + "/acl-" + i, bytes("acl"), lists.get(i), CreateMode.PERSISTENT);
        }
        create(zk, root + "/acl-changed", null);
        // The last of these leaves nobody the right to change the list again.
        for (int i : new int[] {3, 5, 4}) {
            zk.setACL(root + "/acl-0", lists.get(i), -1);
        }
        zk.setACL(root + "/acl-changed", lists.get(3), 0);
    }

    private static void quotas(ZooKeeper zk, String root) throws Exception {
        for (String name : List.of("quota-soft", "quota-hard")) {
            create(zk, root + "/" + name, bytes("q"));
            StatsTrack quota = new StatsTrack();
            if (name.endsWith("soft")) {
                quota.setCount(5);
                quota.setBytes(100);
            } else {
                quota.setCountHardLimit(50);
                quota.setByteHardLimit(1_000);
            }
            SetQuotaCommand.createQuota(zk, root + "/" + name, quota);
            for (int i = 0; i < 8; i++) {
                create(zk, root + "/" + name + "/" + i, new byte[20]);
            }
            zk.setData(root + "/" + name + "/0", new byte[30], -1);
            zk.delete(root + "/" + name + "/1", -1);
        }
    }

    private static void transactions(ZooKeeper zk, String root) throws Exception {
        zk.multi(List.of(
                Op.create(root + "/multi", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.create(root + "/multi/s-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
                Op.create(root + "/multi/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
                Op.create(root + "/multi/c/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.create(root + "/multi/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 7_200_000),
                Op.setData(root + "/multi", bytes("2"), 0),
                Op.check(root + "/multi", 1),
                Op.delete(root + "/acl-1", 0)));
        for (Op last : List.of(Op.check(root + "/multi", 9), Op.delete(root, -1), Op.setData(root + "/no", null, -1))) {
            expect(() -> zk.multi(List.of(
                    Op.setData(root + "/multi", bytes("never"), -1),
                    Op.create(root + "/never", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                    last)));
        }
    }

    /** A long mix with a share of requests that fail, since those stand in the log too. */
    private static void randomOperations(ZooKeeper zk, String root, Random random) throws Exception {
        create(zk, root + "/random", null);
        for (int i = 0; i < 500; i++) {
            String path = root + "/random/n" + random.nextInt(40);
            byte[] data = new byte[random.nextInt(300)];
            random.nextBytes(data);
            int kind = random.nextInt(10);
            expect(() -> {
                switch (kind) {
                    case 0, 1, 2, 3 -> create(zk, path, data);
                    case 4, 5, 6 -> zk.setData(path, data, -1);
                    case 7 -> zk.setData(path, data, 1);
                    case 8 -> zk.delete(path, -1);
                    default -> zk.multi(List.of(Op.setData(path, data, -1), Op.check(path, -1)));
                }
                return null;
            });
        }
    }

    private static void sizes(ZooKeeper zk, String root) throws Exception {
        byte[] data = new byte[LARGE];
        new Random(7).nextBytes(data);
        create(zk, root + "/large-random", data);
        create(zk, root + "/large-zero", new byte[LARGE]);
        create(zk, root + "/last", bytes("after the large ones"));
    }

    private void dump(String address) throws Exception {
        ZooKeeper zk = connect(address);
        dump(zk, "/");
        zk.close();
    }

    private void dump(ZooKeeper zk, String path) throws Exception {
        Stat stat = new Stat();
        byte[] data = zk.getData(path, false, stat);
        Stat again = new Stat();
        List<ACL> acl = zk.getACL(path, again);
        Check.same(stat, again, "stat of " + path);
        out.println(path + " " + fields(stat) + " data=" + describe(data) + " acl=" + describe(acl));
        List<String> children = zk.getChildren(path, false);
        Check.same(stat.getNumChildren(), children.size(), "children of " + path);
        Collections.sort(children);
        for (String child : children) {
            dump(zk, (path.equals("/") ? "" : path) + "/" + child);
        }
    }

    private static Map<String, Object> fields(Stat stat) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("czxid", stat.getCzxid());
        fields.put("mzxid", stat.getMzxid());
        fields.put("pzxid", stat.getPzxid());
        fields.put("ctime", stat.getCtime());
        fields.put("mtime", stat.getMtime());
        fields.put("version", stat.getVersion());
        fields.put("cversion", stat.getCversion());
        fields.put("aversion", stat.getAversion());
        fields.put("owner", stat.getEphemeralOwner());
        fields.put("length", stat.getDataLength());
        fields.put("children", stat.getNumChildren());
        return fields;
    }

    private static String describe(byte[] data) throws Exception {
        if (data == null) {
            return "null";
        }
        if (data.length <= 64) {
            return HexFormat.of().formatHex(data);
        }
        return "sha256:" + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }

    private static String describe(List<ACL> list) {
        List<String> entries = new ArrayList<>();
        for (ACL entry : list) {
            entries.add(entry.getId().getScheme() + ":" + entry.getId().getId() + ":" + entry.getPerms());
        }
        return String.join(",", entries);
    }

    private static void create(ZooKeeper zk, String path, byte[] data) throws Exception {
        zk.create(path, data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    private interface Action {
        Object run() throws Exception;
    }

    /** Runs what may be refused, but not what may be lost. */
    private static void expect(Action action) throws Exception {
        try {
            action.run();
        } catch (KeeperException refused) {
            Code code = refused.code();
            Check.require(code != Code.CONNECTIONLOSS && code != Code.SESSIONEXPIRED, "a request is answered: " + code);
        }
    }

    private static ZooKeeper connect(String address) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(address, TIMEOUT_MS, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        Check.require(connected.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a client connects");
        zk.addAuthInfo("digest", bytes(USER));
        return zk;
    }
}
