package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.require;
import static gamekeeper.compat.Check.same;
import static gamekeeper.compat.World.within;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;

/** Barriers: nobody passes before all may. */
final class Barriers {
    private static final int MEMBERS = 4;

    private Barriers() {}

    static void single(World world) throws Exception {
        String path = world.path("barrier");
        DistributedBarrier owner = new DistributedBarrier(world.client(), path);
        owner.setBarrier();
        AtomicInteger passed = new AtomicInteger();
        List<Future<Boolean>> waiting = new ArrayList<>();
        for (int i = 0; i < MEMBERS; i++) {
            DistributedBarrier barrier = new DistributedBarrier(world.client(), path);
            require(!barrier.waitOnBarrier(1, TimeUnit.MILLISECONDS), "the barrier is up");
            waiting.add(world.async(() -> {
                boolean open = barrier.waitOnBarrier(Check.DEADLINE_MS, TimeUnit.MILLISECONDS);
                passed.incrementAndGet();
                return open;
            }));
        }
        same(0, passed.get(), "members past a barrier that is up");
        owner.removeBarrier();
        for (Future<Boolean> one : waiting) {
            require(within(one), "a member passes");
        }
    }

    static void doubled(World world) throws Exception {
        String path = world.path("double");
        CuratorFramework onlooker = world.client();
        AtomicInteger entered = new AtomicInteger();
        AtomicInteger left = new AtomicInteger();
        List<Future<Void>> members = new ArrayList<>();
        for (int i = 0; i < MEMBERS; i++) {
            if (i == MEMBERS - 1) {
                await("all but one stand before the barrier", () -> {
                    var stat = onlooker.checkExists().forPath(path);
                    return stat != null && stat.getNumChildren() == MEMBERS - 1;
                });
                same(0, entered.get(), "members inside before all have come");
            }
            DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(world.client(), path, MEMBERS);
            boolean last = i == MEMBERS - 1;
            members.add(world.async(() -> {
                require(barrier.enter(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a member enters");
                entered.incrementAndGet();
                if (last) {
                    await("all are inside", () -> entered.get() == MEMBERS);
                    same(0, left.get(), "members that left before all wanted to");
                }
                require(barrier.leave(Check.DEADLINE_MS, TimeUnit.MILLISECONDS), "a member leaves");
                left.incrementAndGet();
                return null;
            }));
        }
        for (Future<Void> member : members) {
            within(member);
        }
        same(MEMBERS, left.get(), "members that left");
    }
}
