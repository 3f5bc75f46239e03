package gamekeeper.compat;

import static gamekeeper.compat.Check.DEADLINE_MS;
import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.require;

import java.net.ConnectException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/**
 * What one scenario has at hand: a fresh folder on the server, clients that are closed afterwards, and ends
 * to sessions.
 *
 * <p>On an ensemble one client may hear of another's writes later. A new client here knows what was written before it
 * came; where that is not enough, a scenario calls {@link #sync}.
 */
final class World implements AutoCloseable {
    static final int SESSION_TIMEOUT_MS = 10_000;

    private final String connect;
    private final String root;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "scenario");
        thread.setDaemon(true);
        return thread;
    });

    /** Makes {@code folder} with a suffix of its own, so that a scenario can run again on a server that has history. */
    World(String connect, String folder) throws Exception {
        this.connect = connect;
        ZooKeeper zk = raw();
        this.root = zk.create(folder + "-", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
    }

    /** A path below this scenario's folder. */
    String path(String below) {
        return root + "/" + below;
    }

    String root() {
        return root;
    }

    /** A started and connected Curator client. */
    CuratorFramework client() throws Exception {
        return start(builder());
    }

    CuratorFrameworkFactory.Builder builder() {
        return CuratorFrameworkFactory.builder()
                .connectString(connect)
                .sessionTimeoutMs(SESSION_TIMEOUT_MS)
                .connectionTimeoutMs(5_000)
                .waitForShutdownTimeoutMs(0)
                .retryPolicy(new RetryForever(50));
    }

    CuratorFramework start(CuratorFrameworkFactory.Builder builder) throws Exception {
        CuratorFramework client = builder.build();
        client.start();
        open.push(client);
        require(client.blockUntilConnected((int) DEADLINE_MS, TimeUnit.MILLISECONDS), "a client connects");
        sync(client);
        return client;
    }

    /** From here on the client knows what others have written. */
    static void sync(CuratorFramework client) throws Exception {
        sync(client.getZookeeperClient().getZooKeeper());
    }

    static void sync(ZooKeeper zk) throws Exception {
        BlockingQueue<Code> codes = new LinkedBlockingQueue<>();
        await("a sync is answered", () -> {
            zk.sync("/", (code, path, context) -> codes.add(Code.get(code)), null);
            return codes.poll(DEADLINE_MS, TimeUnit.MILLISECONDS) == Code.OK;
        });
    }

    /** A connected client of Apache's own library. */
    ZooKeeper raw() throws Exception {
        return raw(event -> { });
    }

    ZooKeeper raw(Watcher watcher) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(connect, SESSION_TIMEOUT_MS, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
            watcher.process(event);
        });
        open.push(zk);
        require(connected.await(DEADLINE_MS, TimeUnit.MILLISECONDS), "a client connects");
        sync(zk);
        return zk;
    }

    /** Keeps a recipe to be closed when the scenario ends, newest first. */
    <T extends AutoCloseable> T closing(T resource) {
        open.push(resource);
        return resource;
    }

    <T> Future<T> async(Callable<T> task) {
        return threads.submit(task);
    }

    static <T> T within(Future<T> future) throws Exception {
        return future.get(DEADLINE_MS, TimeUnit.MILLISECONDS);
    }

    /**
     * Ends a client's session behind its back: a second handle attaches to it and closes it. The first may win its
     * session back before that close arrives, so this is repeated until the client has noticed.
     */
    void killSession(CuratorFramework client) throws Exception {
        CountDownLatch lost = new CountDownLatch(1);
        client.getConnectionStateListenable().addListener((unused, state) -> {
            if (state == ConnectionState.LOST) {
                lost.countDown();
            }
        });
        killUntil(client.getZookeeperClient().getZooKeeper(), lost);
    }

    /** The same for a client of Apache's library, which must have given {@code expired} from its watcher. */
    void killUntil(ZooKeeper zk, CountDownLatch expired) throws Exception {
        long id = zk.getSessionId();
        byte[] password = zk.getSessionPasswd();
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        do {
            require(System.nanoTime() < deadline, "a session whose second handle closed it expires");
            CountDownLatch settled = new CountDownLatch(1);
            Watcher watcher = (WatchedEvent event) -> settled.countDown();
            ZooKeeper killer = new ZooKeeper(connect, SESSION_TIMEOUT_MS, watcher, id, password);
            settled.await(5, TimeUnit.SECONDS);
            killer.close();
        } while (!expired.await(3, TimeUnit.SECONDS));
    }

    /** The answers to a four-letter word of those servers that are there. */
    List<String> ask(String word) throws Exception {
        List<String> answers = new ArrayList<>();
        for (String server : connect.split(",")) {
            try {
                answers.add(ask(server, word));
            } catch (ConnectException goneMeanwhile) {
                // It has no clients either.
            }
        }
        return answers;
    }

    private static String ask(String server, String word) throws Exception {
        int colon = server.lastIndexOf(':');
        try (Socket socket = new Socket(server.substring(0, colon), Integer.parseInt(server.substring(colon + 1)))) {
            socket.setSoTimeout((int) DEADLINE_MS);
            socket.getOutputStream().write(word.getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().flush();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
        List<Exception> refused = new ArrayList<>();
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (IllegalStateException alreadyClosed) {
                // A scenario may close what it tests before its end.
            } catch (Exception failure) {
                refused.add(failure);
            }
        }
        require(refused.isEmpty(), "everything closes: " + refused);
    }
}
