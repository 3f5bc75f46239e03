package gamekeeper.compat.kafka;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * What uses the brokers: Client bootstrap-servers directory.
 *
 * <p>It obeys lines on standard input, one after the other, and answers each with one line. What was acknowledged to
 * producers, consumed by the group and read in the end it writes into files of the directory. Anything that fails ends
 * it with an exit code other than 0.
 */
public final class Client {
    private final Operator operator;
    private final Producers producers;
    private final Group group;
    private final Reading reading;

    private Client(String bootstrap, Path directory) throws Exception {
        operator = new Operator(bootstrap);
        producers = new Producers(bootstrap, directory.resolve("acknowledged"));
        group = new Group(bootstrap, directory.resolve("consumed"));
        reading = new Reading(bootstrap, directory.resolve("read"));
    }

    public static void main(String[] arguments) throws Exception {
        // A producer's or a consumer's end by itself is the end of all.
        Thread.setDefaultUncaughtExceptionHandler((thread, wrong) -> {
            wrong.printStackTrace();
            Runtime.getRuntime().halt(1);
        });
        Client client = new Client(arguments[0], Path.of(arguments[1]));
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(client.obey(line.split(" ")));
        }
        client.close();
    }

    private String obey(String[] words) throws Exception {
        return switch (words[0]) {
            case "produce" -> {
                producers.start(words[1]);
                yield "producing";
            }
            case "consume" -> {
                group.start(words[1]);
                yield "consuming";
            }
            case "count" -> producers.acknowledged() + " " + group.consumed();
            case "settle" -> {
                producers.stop();
                yield "settled";
            }
            case "leave" -> {
                group.stop();
                yield "left";
            }
            case "read" -> "read " + reading.all(words[1]);
            default -> operator.obey(words);
        };
    }

    private void close() throws Exception {
        producers.stop();
        group.stop();
        operator.close();
    }
}
