package gamekeeper.compat;

import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** What must hold, now or within a deadline. Needs no library, so that programs with any of them can use it. */
final class Check {
    static final long DEADLINE_MS = 20_000;

    interface Condition {
        boolean holds() throws Exception;
    }

    private Check() {}

    static void await(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        while (!condition.holds()) {
            require(System.nanoTime() < deadline, what);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("does not hold: " + what);
        }
    }

    static void same(Object expected, Object found, String what) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    /** Runs what must fail and gives back the exception of the expected class. */
    static <E extends Exception> E fails(Class<E> kind, Callable<?> action) {
        try {
            Object value = action.call();
            throw new AssertionError("expected " + kind.getSimpleName() + ", found " + value);
        } catch (Exception found) {
            if (!kind.isInstance(found)) {
                throw new AssertionError("expected " + kind.getSimpleName(), found);
            }
            return kind.cast(found);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] data) {
        return data == null ? null : new String(data, StandardCharsets.UTF_8);
    }
}
