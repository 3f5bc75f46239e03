package gamekeeper.compat.kafka;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Consumers that share a topic's partitions, and go on where the group was when the partitions move between them. */
final class Group {
    private static final int COUNT = 2;
    private static final String NAME = "group";

    private final String bootstrap;
    private final Journal consumed;
    private final Workers workers = new Workers();

    Group(String bootstrap, Path journal) throws Exception {
        this.bootstrap = bootstrap;
        consumed = new Journal(journal);
    }

    void start(String topic) {
        workers.start(COUNT, "c", name -> consume(topic));
    }

    long consumed() throws Exception {
        return consumed.count();
    }

    void stop() throws Exception {
        workers.stop();
    }

    private void consume(String topic) {
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(configuration())) {
            consumer.subscribe(List.of(topic));
            while (!workers.areStopping()) {
                for (ConsumerRecord<String, String> found : consumer.poll(Duration.ofMillis(100))) {
                    consumed.add(found.partition(), found.offset(), found.value());
                }
            }
        }
    }

    private Map<String, Object> configuration() {
        return Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                ConsumerConfig.GROUP_ID_CONFIG, NAME,
                ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class,
                ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class,
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                ConsumerConfig.AUTO_COMMIT_INTERVAL_MS_CONFIG, 500,
                ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10_000,
                ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1_000,
                ConsumerConfig.METADATA_MAX_AGE_CONFIG, 2_000);
    }
}
