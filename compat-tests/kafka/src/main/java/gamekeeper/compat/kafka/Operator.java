package gamekeeper.compat.kafka;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.UserScramCredentialsDescription;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** Who makes topics and settings. */
final class Operator {
    private static final String QUOTA = "producer_byte_rate";

    private final Admin admin;

    Operator(String bootstrap) {
        admin = Admin.create(Map.of(
                AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, 10_000,
                AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 90_000));
    }

    String obey(String[] words) throws Exception {
        return switch (words[0]) {
            case "create" -> create(words[1], Integer.parseInt(words[2]), Short.parseShort(words[3]));
            case "partitions" -> addPartitions(words[1], Integer.parseInt(words[2]));
            case "spread" -> spread(words[1], Stream.of(words[2].split(",")).map(Integer::valueOf).toList());
            case "delete" -> delete(words[1]);
            case "topics" -> sorted(admin.listTopics().names().get());
            case "set-topic" -> set(topic(words[1]), words[2], words[3]);
            case "topic" -> value(topic(words[1]), words[2]);
            case "set-all-brokers" -> set(broker(""), words[1], words[2]);
            case "broker" -> value(broker(words[1]), words[2]);
            case "set-quota" -> setQuota(words[1], Double.parseDouble(words[2]));
            case "quota" -> quota(words[1]);
            case "acls" -> acls();
            case "scram" -> mechanisms(words[1]);
            default -> throw new IllegalArgumentException(String.join(" ", words));
        };
    }

    void close() {
        admin.close();
    }

    private String create(String topic, int partitions, short replicas) throws Exception {
        NewTopic made = new NewTopic(topic, partitions, replicas).configs(Map.of("min.insync.replicas", "2"));
        admin.createTopics(List.of(made)).all().get();
        return "created";
    }

    private String addPartitions(String topic, int count) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
        return "added";
    }

    /** Moves all partitions of a topic onto these brokers; what they lack is fetched after the answer. */
    private String spread(String topic, List<Integer> brokers) throws Exception {
        var wanted = Optional.of(new NewPartitionReassignment(brokers));
        var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
        admin.alterPartitionReassignments(partitions.stream().collect(Collectors.toMap(
                        partition -> new TopicPartition(topic, partition.partition()), partition -> wanted)))
                .all().get();
        return "spread";
    }

    private String delete(String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        return "deleted";
    }

    private String set(ConfigResource of, String key, String value) throws Exception {
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(of, List.of(change))).all().get();
        return "set";
    }

    private String value(ConfigResource of, String key) throws Exception {
        return admin.describeConfigs(List.of(of)).all().get().get(of).get(key).value();
    }

    private String setQuota(String user, double rate) throws Exception {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, user));
        ClientQuotaAlteration.Op change = new ClientQuotaAlteration.Op(QUOTA, rate);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(change)))).all().get();
        return "set";
    }

    private String quota(String user) throws Exception {
        var component = ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, user);
        var found = admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(component))).entities().get();
        return found.values().stream()
                .map(quotas -> String.valueOf(quotas.get(QUOTA)))
                .collect(Collectors.joining(" "));
    }

    private String acls() throws Exception {
        Collection<AclBinding> found = admin.describeAcls(AclBindingFilter.ANY).values().get();
        return sorted(found.stream()
                .map(acl -> String.join(":",
                        acl.pattern().name(), acl.entry().principal(), acl.entry().operation().toString()))
                .toList());
    }

    private String mechanisms(String user) throws Exception {
        UserScramCredentialsDescription found =
                admin.describeUserScramCredentials(List.of(user)).description(user).get();
        return sorted(found.credentialInfos().stream()
                .map(info -> info.mechanism().mechanismName() + ":" + info.iterations())
                .toList());
    }

    private static ConfigResource topic(String name) {
        return new ConfigResource(ConfigResource.Type.TOPIC, name);
    }

    /** The empty name stands for the default of all brokers. */
    private static ConfigResource broker(String id) {
        return new ConfigResource(ConfigResource.Type.BROKER, id);
    }

    private static String sorted(Collection<String> words) {
        return String.join(" ", new TreeSet<>(words));
    }
}
