package gamekeeper.compat.kafka;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/** A file of records, one a line: partition, offset, producer, number. */
final class Journal implements AutoCloseable {
    private final BufferedWriter file;
    private final AtomicLong count = new AtomicLong();

    Journal(Path path) throws IOException {
        file = Files.newBufferedWriter(path);
    }

    /** @param value the producer and its number, as the record has them */
    synchronized void add(int partition, long offset, String value) {
        try {
            file.write(partition + " " + offset + " " + value + "\n");
        } catch (IOException wrong) {
            throw new UncheckedIOException(wrong);
        }
        count.incrementAndGet();
    }

    /** How many there are; who reads the file now finds them all. */
    synchronized long count() throws IOException {
        file.flush();
        return count.get();
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }
}
