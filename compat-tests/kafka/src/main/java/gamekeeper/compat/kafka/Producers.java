package gamekeeper.compat.kafka;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Idempotent producers that number their records and deal them out to the partitions in turn. What is acknowledged goes
 * into a journal. They try again for longer than any fault lasts; one that gives a record up ends the program.
 */
final class Producers {
    private static final int COUNT = 2;
    /** Several requests of a producer are under way at a time, so that they could overtake each other. */
    private static final int IN_FLIGHT = 30;
    private static final int DELIVERY_MS = 300_000;
    /** The load is light: what is looked for are faults, not the limits of a machine. */
    private static final int PACE_MS = 8;

    private final String bootstrap;
    private final Journal acknowledged;
    private final Workers workers = new Workers();

    Producers(String bootstrap, Path journal) throws Exception {
        this.bootstrap = bootstrap;
        acknowledged = new Journal(journal);
    }

    void start(String topic) {
        workers.start(COUNT, "p", name -> produce(topic, name));
    }

    long acknowledged() throws Exception {
        return acknowledged.count();
    }

    /** Returns when all that was sent is acknowledged and in the journal. */
    void stop() throws Exception {
        workers.stop();
        acknowledged.count();
    }

    private void produce(String topic, String name) {
        Semaphore free = new Semaphore(IN_FLIGHT);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(configuration())) {
            for (long number = 0; !workers.areStopping(); number++) {
                free.acquire();
                String value = name + " " + number;
                int partitions = producer.partitionsFor(topic).size();
                int partition = (int) (number % partitions);
                producer.send(new ProducerRecord<>(topic, partition, null, value), (at, wrong) -> {
                    if (wrong != null) {
                        throw fatal(value, wrong);
                    }
                    acknowledged.add(at.partition(), at.offset(), value);
                    free.release();
                });
                Thread.sleep(PACE_MS);
            }
            producer.flush();
        } catch (InterruptedException wrong) {
            throw new IllegalStateException(wrong);
        }
    }

    /** The client library only logs what its callbacks throw. */
    private static RuntimeException fatal(String value, Exception wrong) {
        System.err.println("given up: " + value);
        wrong.printStackTrace();
        Runtime.getRuntime().halt(1);
        return new IllegalStateException(wrong);
    }

    private Map<String, Object> configuration() {
        return Map.of(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
                ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
                ProducerConfig.ACKS_CONFIG, "all",
                ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true,
                ProducerConfig.LINGER_MS_CONFIG, 5,
                ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, 5_000,
                ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, DELIVERY_MS,
                ProducerConfig.MAX_BLOCK_MS_CONFIG, DELIVERY_MS,
                ProducerConfig.METADATA_MAX_AGE_CONFIG, 2_000);
    }
}
