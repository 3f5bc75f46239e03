package gamekeeper.suite;

/**
 * A test wants something of a server that only a server in the test's own JVM has. A linkage error, as is what
 * the JVM throws for a method that our classes lack, so that both are told from a failure by one rule.
 */
public final class Internals extends LinkageError {
    private static final long serialVersionUID = 1;

    private static volatile LinkageError last;

    public Internals(String what) {
        super(what);
        last = this;
    }

    /** Notes those that end a thread of the test's own, which then waits in vain. */
    static void watchThreads() {
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> {
            if (thrown instanceof LinkageError error) {
                last = error;
            }
            thrown.printStackTrace();
        });
    }

    static void forget() {
        last = null;
    }

    /** The last one since {@link #forget}, in whatever thread, or null. */
    static LinkageError last() {
        return last;
    }

    /** Refuses subclasses: what a test overrides would never be called. */
    public static void refuseSubclass(Class<?> expected, Object instance) {
        if (instance.getClass() != expected) {
            throw new Internals("a subclass of " + expected.getName());
        }
    }
}
