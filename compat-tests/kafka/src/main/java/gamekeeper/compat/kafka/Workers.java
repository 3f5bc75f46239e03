package gamekeeper.compat.kafka;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Threads that do the same until they are told to stop. */
final class Workers {
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean stopping;

    /** @param work what each does, given its name, until {@link #areStopping} */
    void start(int count, String prefix, Consumer<String> work) {
        for (int number = 0; number < count; number++) {
            String name = prefix + number;
            Thread thread = new Thread(() -> work.accept(name), name);
            thread.start();
            threads.add(thread);
        }
    }

    boolean areStopping() {
        return stopping;
    }

    /** Returns when all have ended. */
    void stop() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
