package gamekeeper.compat;

import static gamekeeper.compat.Check.bytes;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.Check.text;
import static gamekeeper.compat.World.within;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/** A queue gives back what was put in, in that order, each once; a shared counter loses no addition. */
final class Queues {
    private static final int ITEMS = 50;

    private Queues() {}

    @SuppressWarnings("deprecation")
    static void simple(World world) throws Exception {
        String path = world.path("queue");
        SimpleDistributedQueue in = new SimpleDistributedQueue(world.client(), path);
        CuratorFramework taker = world.client();
        SimpleDistributedQueue out = new SimpleDistributedQueue(taker, path);
        Future<byte[]> early = world.async(() -> out.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS));
        in.offer(bytes("first"));
        same("first", text(within(early)), "an item for one who waits");
        for (int i = 0; i < ITEMS; i++) {
            in.offer(bytes(Integer.toString(i)));
        }
        World.sync(taker);
        same("0", text(out.peek()), "the head of the queue");
        for (int i = 0; i < ITEMS; i++) {
            same(Integer.toString(i), text(out.take()), "the next item");
        }
        same(null, out.poll(), "an item of an empty queue");
    }

    @SuppressWarnings("deprecation")
    static void distributed(World world) throws Exception {
        String path = world.path("queue");
        BlockingQueue<String> received = new LinkedBlockingQueue<>();
        DistributedQueue<String> in =
                world.closing(QueueBuilder.builder(world.client(), null, text, path).buildQueue());
        in.start();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < ITEMS; i++) {
            expected.add("item " + i);
            in.put("item " + i);
        }
        in.flushPuts(20, TimeUnit.SECONDS);
        DistributedQueue<String> out =
                world.closing(QueueBuilder.builder(world.client(), into(received), text, path)
                        .lockPath(world.path("locks"))
                        .executor(Runnable::run)
                        .buildQueue());
        // The consumer's thread is the executor above: items are handed over in the order they are taken.
        world.async(() -> {
            out.start();
            return null;
        });
        List<String> found = new ArrayList<>();
        for (int i = 0; i < ITEMS; i++) {
            found.add(received.poll(Check.DEADLINE_MS, TimeUnit.MILLISECONDS));
        }
        same(expected, found, "items");
    }

    static void counter(World world) throws Exception {
        String path = world.path("counter");
        List<Future<Void>> adders = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            CuratorFramework client = world.client();
            adders.add(world.async(() -> {
                DistributedAtomicLong counter = new DistributedAtomicLong(client, path, new RetryNTimes(500, 1));
                for (int added = 0; added < 20; ) {
                    AtomicValue<Long> value = counter.increment();
                    added += value.succeeded() ? 1 : 0;
                }
                return null;
            }));
        }
        for (Future<Void> adder : adders) {
            within(adder);
        }
        DistributedAtomicLong counter = new DistributedAtomicLong(world.client(), path, new RetryNTimes(1, 1));
        same(60L, counter.get().postValue(), "the sum");
    }

    private static final QueueSerializer<String> text = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return Check.bytes(item);
        }

        @Override
        public String deserialize(byte[] bytes) {
            return Check.text(bytes);
        }
    };

    private static QueueConsumer<String> into(BlockingQueue<String> received) {
        return new QueueConsumer<>() {
            @Override
            public void consumeMessage(String message) {
                received.add(message);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
                // The items that arrive are what counts.
            }
        };
    }
}
