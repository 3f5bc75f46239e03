package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Cluster membership: who is in, who left, and what the death of a session takes with it. */
final class Membership {
    private Membership() {}

    static void groupMember(World world) throws Exception {
        String path = world.path("group");
        List<GroupMember> members = new ArrayList<>();
        List<CuratorFramework> clients = new ArrayList<>();
        for (String id : List.of("a", "b", "c")) {
            CuratorFramework client = world.client();
            GroupMember member = world.closing(new GroupMember(client, path, id, bytes("data of " + id)));
            member.start();
            clients.add(client);
            members.add(member);
        }
        for (GroupMember member : members) {
            await("all see three", () -> ids(member).equals(Set.of("a", "b", "c")));
        }
        same("data of b", Check.text(members.get(0).getCurrentMembers().get("b")), "a member's data");

        members.get(1).close();
        await("b left", () -> ids(members.get(0)).equals(Set.of("a", "c")));

        ZooKeeper before = clients.get(2).getZookeeperClient().getZooKeeper();
        long old = before.getSessionId();
        world.killSession(clients.get(2));
        CuratorFramework onlooker = clients.get(0);
        await("c is back under a new session", () -> {
            var stat = onlooker.checkExists().forPath(path + "/c");
            return stat != null && stat.getEphemeralOwner() != old;
        });
        await("a sees c", () -> ids(members.get(0)).equals(Set.of("a", "c")));
    }

    static void sessionDeath(World world) throws Exception {
        CountDownLatch expired = new CountDownLatch(1);
        ZooKeeper member = world.raw(event -> {
            if (event.getState() == KeeperState.Expired) {
                expired.countDown();
            }
        });
        String path = world.path("member");
        member.create(path, bytes("here"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);

        ZooKeeper onlooker = world.raw();
        CountDownLatch gone = new CountDownLatch(1);
        var stat = onlooker.exists(path, event -> {
            if (event.getType() == EventType.NodeDeleted) {
                gone.countDown();
            }
        });
        same(member.getSessionId(), stat.getEphemeralOwner(), "the owner of the node");

        world.killUntil(member, expired);
        require(gone.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the watch on the dead member fires");
        same(null, onlooker.exists(path, false), "the dead member's node");
    }

    static void expiredHandleIsDead(World world) throws Exception {
        CountDownLatch expired = new CountDownLatch(1);
        ZooKeeper zk = world.raw(event -> {
            if (event.getState() == KeeperState.Expired) {
                expired.countDown();
            }
        });
        world.killUntil(zk, expired);
        fails(KeeperException.SessionExpiredException.class, () -> zk.exists("/", false));
        require(!zk.getState().isAlive(), "the state of an expired handle is final");
    }

    private static Set<String> ids(GroupMember member) {
        return new TreeSet<>(member.getCurrentMembers().keySet());
    }
}
