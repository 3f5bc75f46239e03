package gamekeeper.suite;

import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.MalformedObjectNameException;
import javax.management.ObjectName;
import org.apache.zookeeper.jmx.MBeanRegistry;

/**
 * The JMX names that a server in this JVM would have registered, taken from the running programs.
 *
 * <p>Tests look at names through the bean server of {@link MBeanRegistry}. The one they get here asks the programs
 * for their state first and brings its names up to date, so a name is there if the server says so.
 */
public final class Beans {
    private static final Map<Object, Supplier<Set<String>>> SOURCES = new ConcurrentHashMap<>();
    private static final Set<ObjectName> REGISTERED = new TreeSet<>();

    /** What stands behind a name. Its server's figures stay in the server. */
    public interface NameMBean {
        String getName();
    }

    private record Name(String getName) implements NameMBean {}

    private Beans() {}

    /** {@code names} gives the paths below the domain, such as <code>StandaloneServer_port2181/InMemoryDataTree</code>. */
    public static void add(Object owner, Supplier<Set<String>> names) {
        SOURCES.put(owner, names);
    }

    public static void remove(Object owner) {
        SOURCES.remove(owner);
    }

    /** Puts the bean server of this class in the place of the JVM's own. */
    static void install() {
        MBeanServer platform = ManagementFactory.getPlatformMBeanServer();
        MBeanServer current = (MBeanServer) Proxy.newProxyInstance(
                Beans.class.getClassLoader(), new Class<?>[] {MBeanServer.class}, (proxy, method, arguments) -> {
                    if (method.getName().startsWith("query")) {
                        refresh(platform);
                    }
                    try {
                        return method.invoke(platform, arguments);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                });
        MBeanRegistry.setInstance(new MBeanRegistry() {
            @Override
            public MBeanServer getPlatformMBeanServer() {
                return current;
            }
        });
    }

    private static synchronized void refresh(MBeanServer server) throws JMException {
        Set<ObjectName> wanted = new TreeSet<>();
        for (Supplier<Set<String>> source : SOURCES.values()) {
            for (String path : source.get()) {
                wanted.add(objectName(path));
            }
        }
        for (ObjectName gone : new TreeSet<>(REGISTERED)) {
            if (!wanted.contains(gone)) {
                server.unregisterMBean(gone);
                REGISTERED.remove(gone);
            }
        }
        for (ObjectName name : wanted) {
            if (REGISTERED.add(name)) {
                server.registerMBean(new Name(name.toString()), name);
            }
        }
    }

    /** As {@code MBeanRegistry.makeObjectName}: the parts of the path are name0, name1 and so on. */
    private static ObjectName objectName(String path) throws MalformedObjectNameException {
        StringBuilder name = new StringBuilder(MBeanRegistry.DOMAIN).append(':');
        int index = 0;
        for (String part : path.split("/")) {
            name.append(index == 0 ? "" : ",").append("name").append(index).append('=');
            name.append(part.replace(':', '.'));
            index++;
        }
        return new ObjectName(name.toString());
    }

    /** The names of a server's tree and of its clients' connections, below {@code parent}. */
    public static void addServing(Set<String> names, String parent, Program program) {
        names.add(parent);
        names.add(parent + "/InMemoryDataTree");
        for (String client : program.clients()) {
            names.add(parent + "/Connections/" + client);
        }
    }
}
