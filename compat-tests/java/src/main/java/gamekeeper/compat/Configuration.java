package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;

/** Publish and subscribe: a subscriber sees the newest configuration, and never an older one after a newer one. */
final class Configuration {
    private static final int UPDATES = 40;

    private Configuration() {}

    @SuppressWarnings("deprecation")
    static void nodeCache(World world) throws Exception {
        CuratorFramework publisher = world.client();
        String path = world.path("config");
        publisher.create().forPath(path, bytes("0"));
        CuratorFramework subscriber = world.client();

        BlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
        NodeCache cache = world.closing(new NodeCache(subscriber, path));
        cache.getListenable().addListener(() -> seen.add(number(cache.getCurrentData())));
        cache.start(true);
        same("0", text(cache.getCurrentData().getData()), "the configuration before the first update");

        publishOneByOne(publisher, path, seen);
        publishInOneGo(publisher, path, seen);
    }

    static void curatorCache(World world) throws Exception {
        CuratorFramework publisher = world.client();
        String path = world.path("config");
        publisher.create().forPath(path, bytes("0"));
        CuratorFramework subscriber = world.client();

        BlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
        CuratorCache cache =
                world.closing(CuratorCache.build(subscriber, path, CuratorCache.Options.SINGLE_NODE_CACHE));
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreatesAndChanges((before, now) -> seen.add(number(now)))
                .build());
        cache.start();
        same(0, seen.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the configuration before the first update");

        publishOneByOne(publisher, path, seen);
        publishInOneGo(publisher, path, seen);
    }

    /** With a publisher that waits, each version arrives. */
    private static void publishOneByOne(CuratorFramework publisher, String path, BlockingQueue<Integer> seen)
            throws Exception {
        for (int update = 1; update <= UPDATES; update++) {
            publisher.setData().forPath(path, bytes(Integer.toString(update)));
            Integer found;
            do {
                found = seen.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS);
                require(found != null && found <= update, "update " + update + " arrives, not " + found);
            } while (found < update);
        }
    }

    /** Without waiting some may be skipped, but the order holds and the last one arrives. */
    private static void publishInOneGo(CuratorFramework publisher, String path, BlockingQueue<Integer> seen)
            throws Exception {
        for (int update = UPDATES + 1; update <= 2 * UPDATES; update++) {
            publisher.setData().inBackground().forPath(path, bytes(Integer.toString(update)));
        }
        int newest = 0;
        while (newest < 2 * UPDATES) {
            Integer found = seen.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS);
            require(found != null, "the last update arrives after " + newest);
            require(found >= newest, "no update older than " + newest + " arrives, as " + found + " did");
            newest = found;
        }
    }

    private static int number(ChildData node) {
        return Integer.parseInt(text(node.getData()));
    }
}
