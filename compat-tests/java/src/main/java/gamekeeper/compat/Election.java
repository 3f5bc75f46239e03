package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

/** Master election: one leader at a time, and another one when it closes or loses its session. */
final class Election {
    private Election() {}

    static void latch(World world) throws Exception {
        String path = world.path("latch");
        List<CuratorFramework> clients = new ArrayList<>();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            CuratorFramework client = world.client();
            LeaderLatch latch = world.closing(new LeaderLatch(client, path, "candidate " + i));
            latch.start();
            int candidates = i + 1;
            await("candidate " + i + " queues", () -> latches.size() < candidates
                    && latch.getParticipants().size() == candidates);
            clients.add(client);
            latches.add(latch);
        }
        await("the first candidate leads", () -> latches.get(0).hasLeadership());
        same("candidate 0", latches.get(2).getLeader().getId(), "the leader as the last candidate sees it");

        latches.get(0).close();
        await("the second leads after a close", () -> latches.get(1).hasLeadership());
        require(!latches.get(2).hasLeadership(), "the third waits");

        world.killSession(clients.get(1));
        await("the third leads after the second's session died", () -> latches.get(2).hasLeadership());
        await("the second has noticed", () -> !latches.get(1).hasLeadership());
        await("the second queues again", () -> latches.get(2).getParticipants().size() == 2);
        latches.get(2).close();
        await("the second leads again", () -> latches.get(1).hasLeadership());
    }

    static void selector(World world) throws Exception {
        String path = world.path("selector");
        BlockingQueue<Integer> terms = new LinkedBlockingQueue<>();
        AtomicInteger leadersNow = new AtomicInteger();
        AtomicInteger leadersMost = new AtomicInteger();
        CountDownLatch longTermBegan = new CountDownLatch(1);
        CountDownLatch longTermEnded = new CountDownLatch(1);
        CountDownLatch never = new CountDownLatch(1);
        List<CuratorFramework> clients = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            int number = i;
            CuratorFramework client = world.client();
            clients.add(client);
            LeaderSelector selector = new LeaderSelector(client, path, new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework unused) throws Exception {
                    leadersMost.accumulateAndGet(leadersNow.incrementAndGet(), Math::max);
                    terms.add(number);
                    try {
                        if (number == 2) {
                            longTermBegan.countDown();
                            never.await();
                        }
                    } finally {
                        leadersNow.decrementAndGet();
                        if (number == 2) {
                            longTermEnded.countDown();
                        }
                    }
                }
            });
            world.closing(selector::close);
            selector.start();
        }
        require(longTermBegan.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "the last candidate comes to lead");
        // Not later: a leader whose session died behind its back believes in itself until it hears of that.
        same(1, leadersMost.get(), "leaders at the same time");
        world.killSession(clients.get(2));
        require(longTermEnded.await(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a leader without session is stopped");
        await("each led once", () -> new TreeSet<>(terms).equals(new TreeSet<>(List.of(0, 1, 2))));
    }
}
