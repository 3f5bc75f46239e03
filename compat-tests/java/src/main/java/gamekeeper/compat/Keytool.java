package gamekeeper.compat;

import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;

/**
 * The JDK's own keytool, for one command after the other: a test runs dozens, and most of what a JVM takes for one
 * is its start.
 *
 * <p>A line of standard input is a command, its words separated by tabs. What it prints is followed by a line with
 * {@link #END}; one that fails prints why and ends the program, as it ends keytool. Needs the package of
 * {@link #CLASS} to be exported.
 */
public final class Keytool {
    private static final String CLASS = "sun.security.tools.keytool.Main";
    private static final String END = ".";

    private Keytool() {}

    public static void main(String[] args) throws Exception {
        Method keytool = Class.forName(CLASS).getMethod("main", String[].class);
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        // What it would ask for is not in the next command.
        System.setIn(InputStream.nullInputStream());
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            keytool.invoke(null, (Object) line.split("\t", -1));
            System.out.println(END);
        }
    }
}
