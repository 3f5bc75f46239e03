package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.fails;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;

import java.util.ArrayList;
import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Several operations as one: all of them or none. */
final class Transactions {
    private Transactions() {}

    static void commits(World world) throws Exception {
        CuratorFramework client = world.client();
        String path = world.path("a");
        client.create().forPath(world.path("old"), bytes("old"));
        List<CuratorTransactionResult> results = client.transaction()
                .forOperations(
                        client.transactionOp().create().forPath(path, bytes("1")),
                        client.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath(path + "/s-"),
                        client.transactionOp().setData().withVersion(0).forPath(path, bytes("2")),
                        client.transactionOp().check().withVersion(1).forPath(path),
                        client.transactionOp().delete().forPath(world.path("old")));
        same(5, results.size(), "results");
        same(path, results.get(0).getResultPath(), "the created path");
        same(path + "/s-0000000000", results.get(1).getResultPath(), "the sequential path");
        same(1, results.get(2).getResultStat().getVersion(), "the version after the change");
        Stat stat = new Stat();
        same("2", text(client.getData().storingStatIn(stat).forPath(path)), "data");
        Stat child = client.checkExists().forPath(path + "/s-0000000000");
        same(stat.getCzxid(), child.getCzxid(), "one transaction id for the whole");
        same(stat.getCzxid(), stat.getMzxid(), "the same for the change");
        same(null, client.checkExists().forPath(world.path("old")), "the deleted node");
    }

    static void failsWhole(World world) throws Exception {
        CuratorFramework client = world.client();
        client.create().forPath(world.path("there"), bytes("1"));
        var failure = fails(KeeperException.NodeExistsException.class, () -> client.transaction()
                .forOperations(
                        client.transactionOp().setData().forPath(world.path("there"), bytes("2")),
                        client.transactionOp().create().forPath(world.path("new")),
                        client.transactionOp().create().forPath(world.path("there")),
                        client.transactionOp().delete().forPath(world.path("there"))));
        List<Integer> codes = new ArrayList<>();
        for (OpResult result : failure.getResults()) {
            codes.add(((OpResult.ErrorResult) result).getErr());
        }
        int after = Code.RUNTIMEINCONSISTENCY.intValue();
        same(List.of(0, 0, Code.NODEEXISTS.intValue(), after), codes, "result of each operation");
        Stat stat = new Stat();
        same("1", text(client.getData().storingStatIn(stat).forPath(world.path("there"))), "data as before");
        same(0, stat.getVersion(), "version as before");
        same(null, client.checkExists().forPath(world.path("new")), "the node of a failed transaction");

        ZooKeeper zk = world.raw();
        fails(KeeperException.BadVersionException.class,
                () -> zk.multi(List.of(Op.check(world.path("there"), 7))));
        fails(KeeperException.NoNodeException.class, () -> zk.multi(List.of(Op.delete(world.path("no"), -1))));
        same(List.of(), zk.multi(List.of()), "results of an empty transaction");
    }

    static void reads(World world) throws Exception {
        ZooKeeper zk = world.raw();
        String path = world.path("node");
        zk.create(path, bytes("data"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create(path + "/child", bytes("x"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<OpResult> results =
                zk.multi(List.of(Op.getData(path), Op.getChildren(path), Op.getData(world.path("no"))));
        same("data", text(((OpResult.GetDataResult) results.get(0)).getData()), "data");
        same(1, ((OpResult.GetDataResult) results.get(0)).getStat().getNumChildren(), "number of children");
        same(List.of("child"), ((OpResult.GetChildrenResult) results.get(1)).getChildren(), "children");
        same(Code.NONODE.intValue(), ((OpResult.ErrorResult) results.get(2)).getErr(), "one read's own error");
    }
}
