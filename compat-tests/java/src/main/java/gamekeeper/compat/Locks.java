package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.World.within;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.utils.ZookeeperFactory;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Exclusive and shared locks. A release wakes the one who is next, and no herd. */
final class Locks {
    private static final int WAITERS = 12;

    private Locks() {}

    static void exclusiveNoHerd(World world) throws Exception {
        String path = world.path("lock");
        CuratorFramework watching = world.start(untracked(world));
        AtomicInteger wakes = new AtomicInteger();
        Semaphore mayRelease = new Semaphore(0);
        BlockingQueue<Integer> holders = new LinkedBlockingQueue<>();
        AtomicInteger inside = new AtomicInteger();
        List<Future<Void>> waiters = new ArrayList<>();
        for (int i = 0; i < WAITERS; i++) {
            int number = i;
            InterProcessMutex lock = new InterProcessMutex(counting(world, wakes), path);
            waiters.add(world.async(() -> {
                lock.acquire();
                same(1, inside.incrementAndGet(), "holders of an exclusive lock");
                holders.add(number);
                mayRelease.acquire();
                inside.decrementAndGet();
                lock.release();
                return null;
            }));
            int queued = i + 1;
            await("waiter " + i + " queues", () -> children(watching, path) == queued);
        }
        // The holder watches nothing. Each waiter watches one node that nobody else watches.
        await("one watch for each waiter", () -> watches(world).equals(new Watches(WAITERS - 1, WAITERS - 1)));

        for (int holder = 0; holder < WAITERS; holder++) {
            same(holder, holders.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the next holder");
            same(holder, wakes.get(), "waiters woken until holder " + holder + " came in");
            same(null, holders.peek(), "another holder");
            mayRelease.release();
        }
        for (Future<Void> waiter : waiters) {
            within(waiter);
        }
        same(WAITERS - 1, wakes.get(), "waiters woken by all releases");
        World.sync(watching);
        same(0, children(watching, path), "nodes left");
    }

    static void sessionDeathReleases(World world) throws Exception {
        String path = world.path("lock");
        CuratorFramework owner = world.client();
        CuratorFramework next = world.client();
        InterProcessMutex held = new InterProcessMutex(owner, path);
        held.acquire();
        InterProcessMutex wanted = new InterProcessMutex(next, path);
        require(!wanted.acquire(1, TimeUnit.MILLISECONDS), "the lock is taken");
        Future<Void> waiter = world.async(() -> {
            wanted.acquire();
            return null;
        });
        await("the waiter queues", () -> children(next, path) == 2);
        world.killSession(owner);
        within(waiter);
        same(1, children(next, path), "nodes of the lock");
    }

    static void sharedNoHerd(World world) throws Exception {
        String path = world.path("lock");
        CuratorFramework watching = world.start(untracked(world));
        AtomicInteger wakes = new AtomicInteger();
        BlockingQueue<String> inside = new LinkedBlockingQueue<>();
        Semaphore writerOneDone = new Semaphore(0);
        Semaphore readersDone = new Semaphore(0);
        Semaphore writersDone = new Semaphore(0);
        List<Future<Void>> all = new ArrayList<>();

        // A writer, three readers behind it, and three writers behind those.
        all.add(queue(world, watching, path, wakes, "writer 1", inside, writerOneDone, 1));
        for (int i = 1; i <= 3; i++) {
            all.add(queue(world, watching, path, wakes, "reader " + i, inside, readersDone, 1 + i));
        }
        for (int i = 2; i <= 4; i++) {
            all.add(queue(world, watching, path, wakes, "writer " + i, inside, writersDone, 3 + i));
        }
        same("writer 1", inside.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the first holder");
        await("all others wait", () -> watches(world).total() == 6);
        same(null, inside.peek(), "a second holder");

        writerOneDone.release();
        List<String> readers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            readers.add(inside.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS));
        }
        readers.sort(null);
        same(List.of("reader 1", "reader 2", "reader 3"), readers, "the readers come in together");
        same(3, wakes.get(), "a writer's release wakes those that may come in");

        readersDone.release(3);
        for (int i = 2; i <= 4; i++) {
            same("writer " + i, inside.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the next writer");
            same(null, inside.peek(), "another holder");
            writersDone.release();
        }
        for (Future<Void> one : all) {
            within(one);
        }
        // The last reader's node is what the first waiting writer watched; each writer watched the one before it.
        same(3 + 3, wakes.get(), "waiters woken by all releases");
    }

    static void semaphore(World world) throws Exception {
        String path = world.path("semaphore");
        CuratorFramework a = world.client();
        CuratorFramework b = world.client();
        InterProcessSemaphoreV2 first = new InterProcessSemaphoreV2(a, path, 2);
        InterProcessSemaphoreV2 second = new InterProcessSemaphoreV2(b, path, 2);
        Lease one = first.acquire();
        Lease two = second.acquire();
        same(null, first.acquire(1, TimeUnit.MILLISECONDS), "a third lease");
        Future<Lease> third = world.async(first::acquire);
        second.returnLease(two);
        first.returnLease(within(third));
        first.returnLease(one);
        await("all leases are back", () -> first.getParticipantNodes().isEmpty());
    }

    private static Future<Void> queue(World world, CuratorFramework watching, String path, AtomicInteger wakes,
            String name, BlockingQueue<String> inside, Semaphore done, int queued) throws Exception {
        InterProcessReadWriteLock both = new InterProcessReadWriteLock(counting(world, wakes), path);
        InterProcessLock lock = name.startsWith("reader") ? both.readLock() : both.writeLock();
        Future<Void> holder = world.async(() -> {
            lock.acquire();
            inside.add(name);
            done.acquire();
            lock.release();
            return null;
        });
        await(name + " queues", () -> children(watching, path) == queued);
        return holder;
    }

    private static int children(CuratorFramework client, String path) throws Exception {
        Stat stat = client.checkExists().forPath(path);
        return stat == null ? 0 : stat.getNumChildren();
    }

    /** How many watches the servers hold, and on how many paths each. */
    private record Watches(int paths, int total) {}

    private static Watches watches(World world) throws Exception {
        int paths = 0;
        int total = 0;
        for (String answer : world.ask("wchs")) {
            Matcher matcher = Pattern.compile("\\d+ connections watching (\\d+) paths\\s+Total watches:(\\d+)\\s*")
                    .matcher(answer);
            require(matcher.matches(), "a summary of watches, not " + answer);
            paths += Integer.parseInt(matcher.group(1));
            total += Integer.parseInt(matcher.group(2));
        }
        return new Watches(paths, total);
    }

    /** A client without the watch on the ensemble's configuration that Curator would add. */
    private static CuratorFrameworkFactory.Builder untracked(World world) {
        return world.builder().ensembleTracker(false);
    }

    /** A client that counts how often a watch set by reading a node's data has fired. */
    private static CuratorFramework counting(World world, AtomicInteger wakes) throws Exception {
        ZookeeperFactory factory = (connect, timeout, watcher, readOnly) ->
                new ZooKeeper(connect, timeout, watcher, readOnly) {
                    @Override
                    public byte[] getData(String path, Watcher own, Stat stat)
                            throws KeeperException, InterruptedException {
                        if (own == null) {
                            return super.getData(path, (Watcher) null, stat);
                        }
                        return super.getData(path, event -> {
                            if (event.getType() != EventType.None) {
                                wakes.incrementAndGet();
                            }
                            own.process(event);
                        }, stat);
                    }
                };
        return world.start(untracked(world).zookeeperFactory(factory));
    }
}
