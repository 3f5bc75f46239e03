package gamekeeper.compat;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs scenarios against a server or an ensemble: {@code Main connectString scenario... | all}.
 *
 * <p>Prints {@code ok name} for each that passes. The first one that fails prints its stack trace, and the exit code
 * is 1. A scenario that needs its server restarted or gone says so on standard output and waits for a line on standard input
 * (see {@link Reattach}).
 */
public final class Main {
    interface Scenario {
        void run(World world) throws Exception;
    }

    private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

    static {
        SCENARIOS.put("configuration_node_cache", Configuration::nodeCache);
        SCENARIOS.put("configuration_curator_cache", Configuration::curatorCache);
        SCENARIOS.put("naming_sequential", Naming::sequential);
        SCENARIOS.put("naming_protected", Naming::withProtection);
        SCENARIOS.put("discovery_round_robin", Discovery::roundRobin);
        SCENARIOS.put("membership_group_member", Membership::groupMember);
        SCENARIOS.put("membership_session_death", Membership::sessionDeath);
        SCENARIOS.put("election_latch", Election::latch);
        SCENARIOS.put("election_selector", Election::selector);
        SCENARIOS.put("lock_exclusive_no_herd", Locks::exclusiveNoHerd);
        SCENARIOS.put("lock_freed_by_session_death", Locks::sessionDeathReleases);
        SCENARIOS.put("lock_shared_no_herd", Locks::sharedNoHerd);
        SCENARIOS.put("semaphore", Locks::semaphore);
        SCENARIOS.put("queue_simple", Queues::simple);
        SCENARIOS.put("queue_distributed", Queues::distributed);
        SCENARIOS.put("barrier", Barriers::single);
        SCENARIOS.put("barrier_double", Barriers::doubled);
        SCENARIOS.put("counter", Queues::counter);
        SCENARIOS.put("transaction_commits", Transactions::commits);
        SCENARIOS.put("transaction_fails_whole", Transactions::failsWhole);
        SCENARIOS.put("transaction_reads", Transactions::reads);
        SCENARIOS.put("watch_one_shot", Watches::oneShot);
        SCENARIOS.put("watch_persistent", Watches::persistent);
        SCENARIOS.put("watch_recursive", Watches::recursive);
        SCENARIOS.put("watch_tree_cache", Watches::treeCache);
        SCENARIOS.put("watch_remove", Watches::remove);
        SCENARIOS.put("node_ttl", Nodes::ttl);
        SCENARIOS.put("node_container", Nodes::container);
        SCENARIOS.put("node_stat_and_errors", Nodes::statAndErrors);
        SCENARIOS.put("node_data_sizes", Nodes::dataSizes);
        SCENARIOS.put("acl_digest", Acls::digest);
        SCENARIOS.put("acl_creator", Acls::creator);
        SCENARIOS.put("acl_world_and_versions", Acls::worldAndVersions);
        SCENARIOS.put("session_expires_for_its_owner", Membership::expiredHandleIsDead);
        SCENARIOS.put("load_pipeline", Load::pipeline);
        SCENARIOS.put("load_many_children", Load::manyChildren);
        SCENARIOS.put("load_large_transaction", Load::largeTransaction);
        SCENARIOS.put("load_many_ephemerals", Load::manyEphemerals);
        SCENARIOS.put("reattach", Reattach::afterRestart);
        SCENARIOS.put("reattach_many_watches", Reattach::manyWatches);
        SCENARIOS.put("reattach_to_other_members", Following::otherMembers);
    }

    public static void main(String[] args) {
        PrintStream out = System.out;
        String connect = args[0];
        List<String> names = new ArrayList<>(List.of(args).subList(1, args.length));
        if (names.equals(List.of("all"))) {
            names = new ArrayList<>(SCENARIOS.keySet());
            names.removeIf(name -> name.startsWith("reattach"));
        }
        for (String name : names) {
            Scenario scenario = SCENARIOS.get(name);
            if (scenario == null) {
                throw new IllegalArgumentException("no scenario named " + name);
            }
            try (World world = new World(connect, "/" + name)) {
                scenario.run(world);
            } catch (Throwable failure) {
                System.err.println("failed " + name);
                failure.printStackTrace();
                System.exit(1);
            }
            out.println("ok " + name);
            out.flush();
        }
        // Recipes leave daemon-less threads behind for a while; the work is done.
        System.exit(0);
    }
}
