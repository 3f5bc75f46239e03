package gamekeeper.compat;

import static gamekeeper.compat.Check.await;
import static gamekeeper.compat.Check.same;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;

/** Service discovery with load balancing: calls go round the instances, and a dead one gets none. */
final class Discovery {
    private static final String SERVICE = "worker";

    private Discovery() {}

    static void roundRobin(World world) throws Exception {
        String base = world.path("services");
        List<CuratorFramework> owners = new ArrayList<>();
        for (int port = 1; port <= 3; port++) {
            CuratorFramework owner = world.client();
            owners.add(owner);
            discovery(world, owner, base).registerService(instance(port));
        }

        ServiceDiscovery<Void> reader = discovery(world, world.client(), base);
        ServiceProvider<Void> provider = world.closing(reader.serviceProviderBuilder()
                .serviceName(SERVICE)
                .providerStrategy(new RoundRobinStrategy<>())
                .build());
        provider.start();
        await("three instances", () -> provider.getAllInstances().size() == 3);
        same(Map.of(1, 10, 2, 10, 3, 10), calls(provider, 30), "calls to each of three instances");

        // Not the discovery but the client goes, as when a process ends: only the ephemeral node tells.
        owners.get(1).close();
        await("two instances", () -> provider.getAllInstances().size() == 2);
        same(Map.of(1, 15, 3, 15), calls(provider, 30), "calls to each of two instances");

        // The owner of a killed session lives on and registers again.
        world.killSession(owners.get(2));
        await("the third instance is back", () -> calls(provider, 30).equals(Map.of(1, 15, 3, 15)));
        same(List.of(SERVICE), List.copyOf(reader.queryForNames()), "names of services");
    }

    private static ServiceDiscovery<Void> discovery(World world, CuratorFramework client, String base)
            throws Exception {
        ServiceDiscovery<Void> discovery = ServiceDiscoveryBuilder.builder(Void.class)
                .client(client)
                .basePath(base)
                .build();
        discovery.start();
        return discovery;
    }

    private static ServiceInstance<Void> instance(int port) throws Exception {
        return ServiceInstance.<Void>builder()
                .name(SERVICE)
                .address("localhost")
                .port(port)
                .build();
    }

    private static Map<Integer, Integer> calls(ServiceProvider<Void> provider, int count) throws Exception {
        Map<Integer, Integer> byPort = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            ServiceInstance<Void> chosen = provider.getInstance();
            if (chosen != null) {
                byPort.merge(chosen.getPort(), 1, Integer::sum);
            }
        }
        return byPort;
    }
}
