package gamekeeper.compat.solr;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.apache.solr.client.solrj.SolrClient;
import org.apache.solr.client.solrj.SolrQuery;
import org.apache.solr.client.solrj.SolrServerException;
import org.apache.solr.client.solrj.impl.CloudSolrClient;
import org.apache.solr.client.solrj.impl.Http2SolrClient;
import org.apache.solr.client.solrj.impl.ZkClientClusterStateProvider;
import org.apache.solr.client.solrj.request.CollectionAdminRequest;
import org.apache.solr.common.SolrDocument;
import org.apache.solr.common.SolrException;
import org.apache.solr.common.SolrInputDocument;
import org.apache.solr.common.cloud.DocCollection;
import org.apache.solr.common.cloud.Replica;
import org.apache.solr.common.cloud.Slice;
import org.apache.solr.common.cloud.ZkMaintenanceUtils;
import org.apache.solr.common.cloud.ZkStateReader;

/**
 * Uses a SolrCloud of two nodes, whose addresses it has from ZooKeeper: Numbers connect-string.
 *
 * <p>Obeys lines on standard input, each answered by one:
 *
 * <ul>
 *   <li>"create": a collection of one shard, on both nodes.
 *   <li>"leader": the port of the node that leads the shard.
 *   <li>"another PORT": waits until it is led by the node of another port, which is printed.
 *   <li>"whole": waits until both replicas are active on nodes that live.
 *   <li>"further": waits until a hundred more documents are acknowledged; they are added all the time, one after the
 *       other, each until it is.
 *   <li>"check": ends that and prints whether each replica has each of them: "complete", or what is missing.
 * </ul>
 */
public final class Numbers {
    private static final String COLLECTION = "numbers";
    private static final int FURTHER = 100;
    private static final int MORE_THAN_ALL = 10_000_000;

    private final CloudSolrClient solr;
    private final ZkStateReader state;
    private final Thread adding = new Thread(this::add, "adding");
    private boolean adds = true;
    private int acknowledged;

    private Numbers(CloudSolrClient solr) {
        this.solr = solr;
        solr.connect();
        this.state = ZkClientClusterStateProvider.from(solr).getZkStateReader();
    }

    public static void main(String[] arguments) throws Exception {
        List<String> servers = List.of(arguments[0].split(","));
        try (CloudSolrClient solr = new CloudSolrClient.Builder(servers, Optional.empty()).build()) {
            Numbers numbers = new Numbers(solr);
            var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                System.out.println(numbers.answer(line.split(" ")));
            }
        }
        System.exit(0);
    }

    private String answer(String[] words) throws Exception {
        return switch (words[0]) {
            case "create" -> create();
            case "leader" -> leader(leads -> true);
            case "another" -> leader(leads -> !port(leads).equals(words[1]));
            case "whole" -> whole();
            case "further" -> further();
            case "check" -> check();
            default -> throw new IllegalArgumentException(words[0]);
        };
    }

    private String create() throws Exception {
        Path files = Files.createTempDirectory("configuration");
        for (String file : List.of("solrconfig.xml", "schema.xml")) {
            try (InputStream content = Numbers.class.getResourceAsStream("/configuration/" + file)) {
                Files.copy(content, files.resolve(file));
            }
        }
        ZkMaintenanceUtils.uploadToZK(state.getZkClient(), files, "/configs/" + COLLECTION, null);
        CollectionAdminRequest.createCollection(COLLECTION, COLLECTION, 1, 2).process(solr);
        adding.setDaemon(true);
        adding.start();
        return "created";
    }

    private String leader(Predicate<Replica> wanted) throws Exception {
        String[] found = new String[1];
        state.waitForState(COLLECTION, 60, TimeUnit.SECONDS, (live, collection) -> {
            Replica leads = collection == null ? null : shard(collection).getLeader();
            if (leads == null || !leads.isActive(live) || !wanted.test(leads)) {
                return false;
            }
            found[0] = port(leads);
            return true;
        });
        return found[0];
    }

    private String whole() throws Exception {
        state.waitForState(COLLECTION, 90, TimeUnit.SECONDS, (live, collection) -> {
            List<Replica> replicas = collection == null ? List.of() : collection.getReplicas();
            return replicas.size() == 2
                    && shard(collection).getLeader() != null
                    && replicas.stream().allMatch(replica -> replica.isActive(live));
        });
        return "whole";
    }

    private static Slice shard(DocCollection collection) {
        return collection.getSlices().iterator().next();
    }

    private static String port(Replica replica) {
        String node = replica.getNodeName();
        return node.substring(node.indexOf(':') + 1, node.indexOf('_'));
    }

    private void add() {
        for (int number = 0; isAdding(); number++) {
            SolrInputDocument document = new SolrInputDocument();
            document.addField("id", Integer.toString(number));
            while (!isAdded(document)) {
                if (!isAdding()) {
                    return;
                }
            }
            count();
        }
    }

    private boolean isAdded(SolrInputDocument document) {
        try {
            return solr.add(COLLECTION, document).getStatus() == 0;
        } catch (SolrServerException | SolrException | IOException lost) {
            System.err.println(document + ": " + lost);
            return false;
        }
    }

    private synchronized boolean isAdding() {
        return adds;
    }

    private synchronized void count() {
        acknowledged++;
        notifyAll();
    }

    private synchronized String further() throws InterruptedException {
        int wanted = acknowledged + FURTHER;
        while (acknowledged < wanted) {
            wait();
        }
        return "further";
    }

    private String check() throws Exception {
        synchronized (this) {
            adds = false;
        }
        adding.join();
        solr.commit(COLLECTION);
        StringBuilder missing = new StringBuilder();
        for (Replica replica : state.getCollection(COLLECTION).getReplicas()) {
            Set<String> there = ids(replica);
            for (int number = 0; number < acknowledged; number++) {
                if (!there.contains(Integer.toString(number))) {
                    missing.append(port(replica)).append(" lacks ").append(number).append("; ");
                }
            }
        }
        return missing.isEmpty() ? "complete" : missing.toString();
    }

    private static Set<String> ids(Replica replica) throws Exception {
        SolrQuery all = new SolrQuery("*:*");
        all.setRows(MORE_THAN_ALL);
        // Of this replica alone.
        all.set("distrib", false);
        Set<String> there = new HashSet<>();
        try (SolrClient one = new Http2SolrClient.Builder(replica.getCoreUrl()).build()) {
            for (SolrDocument document : one.query(all).getResults()) {
                there.add((String) document.getFieldValue("id"));
            }
        }
        return there;
    }
}
