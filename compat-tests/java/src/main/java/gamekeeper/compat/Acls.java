package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** Access control lists and who passes them. */
final class Acls {
    private Acls() {}

    static void digest(World world) throws Exception {
        String path = world.path("secret");
        Id alice = new Id("digest", DigestAuthenticationProvider.generateDigest("alice:pw"));
        CuratorFramework owner =
                world.start(world.builder().authorization("digest", bytes("alice:pw")));
        owner.create().withACL(List.of(new ACL(Perms.ALL, alice))).forPath(path, bytes("data"));
        same("data", text(owner.getData().forPath(path)), "data");

        CuratorFramework stranger = world.client();
        fails(KeeperException.NoAuthException.class, () -> stranger.getData().forPath(path));
        fails(KeeperException.NoAuthException.class, () -> stranger.setData().forPath(path, bytes("x")));
        fails(KeeperException.NoAuthException.class, () -> stranger.create().forPath(path + "/child"));
        fails(KeeperException.NoAuthException.class, () -> stranger.getACL().forPath(path));
        fails(KeeperException.NoAuthException.class,
                () -> stranger.setACL().withACL(Ids.OPEN_ACL_UNSAFE).forPath(path));
        // Since CVE-2024-23944 the question whether a node exists needs the permission to read it.
        fails(KeeperException.NoAuthException.class, () -> stranger.checkExists().forPath(path));

        CuratorFramework wrong = world.start(world.builder().authorization("digest", bytes("alice:other")));
        fails(KeeperException.NoAuthException.class, () -> wrong.getData().forPath(path));
        CuratorFramework second = world.start(world.builder().authorization("digest", bytes("alice:pw")));
        same("data", text(second.getData().forPath(path)), "data for another client with the password");
        // Deletion is the parent's to permit.
        stranger.delete().forPath(path);
    }

    static void creator(World world) throws Exception {
        ZooKeeper zk = world.raw();
        String path = world.path("mine");
        fails(KeeperException.InvalidACLException.class,
                () -> zk.create(path, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
        zk.addAuthInfo("digest", bytes("bob:pw"));
        zk.create(path, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        Id bob = new Id("digest", DigestAuthenticationProvider.generateDigest("bob:pw"));
        same(List.of(new ACL(Perms.ALL, bob)), zk.getACL(path, new Stat()), "the creator's list");
        ZooKeeper stranger = world.raw();
        fails(KeeperException.NoAuthException.class,
                () -> stranger.create(path + "/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        same(List.of(), zk.getChildren(path, false), "children");
        fails(KeeperException.NoAuthException.class, () -> stranger.getChildren(path, false));
        Set<String> identities = zk.whoAmI().stream()
                .map(info -> info.getAuthScheme() + ":" + info.getUser())
                .collect(Collectors.toSet());
        same(Set.of("ip:127.0.0.1", "digest:bob"), identities, "who a client is");
    }

    static void worldAndVersions(World world) throws Exception {
        ZooKeeper zk = world.raw();
        String path = world.path("node");
        zk.create(path, bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Stat stat = new Stat();
        same(Ids.OPEN_ACL_UNSAFE, zk.getACL(path, stat), "the list as created");
        same(0, stat.getAversion(), "its version");
        List<ACL> narrowed = acl(
                new ACL(Perms.READ | Perms.ADMIN, Ids.ANYONE_ID_UNSAFE), new ACL(Perms.ALL, new Id("ip", "10.0.0.0/8")));
        same(1, zk.setACL(path, narrowed, 0).getAversion(), "the version after a change");
        same(narrowed, zk.getACL(path, null), "the list after a change");
        fails(KeeperException.BadVersionException.class, () -> zk.setACL(path, narrowed, 0));
        fails(KeeperException.NoAuthException.class, () -> zk.setData(path, bytes("2"), -1));
        same("1", text(zk.getData(path, false, null)), "data stays readable");
        fails(KeeperException.InvalidACLException.class,
                () -> zk.setACL(path, acl(new ACL(Perms.ALL, new Id("ip", "no address"))), -1));
        fails(KeeperException.InvalidACLException.class,
                () -> zk.setACL(path, acl(new ACL(Perms.ALL, new Id("unheard", "of"))), -1));
        List<ACL> local = acl(new ACL(Perms.ALL, new Id("ip", "127.0.0.1")));
        zk.setACL(path, local, -1);
        zk.setData(path, bytes("2"), -1);
        fails(KeeperException.AuthFailedException.class, () -> {
            ZooKeeper refused = world.raw();
            refused.addAuthInfo("unheard", bytes("of"));
            return refused.getData(path, false, null);
        });
    }

    /** Apache's client asks a list whether it contains null, which those of {@code List.of} refuse. */
    private static List<ACL> acl(ACL... entries) {
        return Arrays.asList(entries);
    }
}
