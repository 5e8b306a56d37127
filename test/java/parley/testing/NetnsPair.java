package parley.testing;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Two machines in the machine, with a cable between them or a network that harms packets. */
public final class NetnsPair implements AutoCloseable {
    /** The address of the second one over the cable. */
    public static final String SECOND = "10.99.0.2";
    /** An address at the cable that nobody has. */
    public static final String NOBODY = "10.99.0.77";
    /** The address of the second one over the network of {@link #faulty}. */
    public static final String SECOND_FAULTY = "10.98.0.2";

    private static final String FIRST = "10.99.0.1";

    /** One of the machines. */
    public final Netns first;
    /** The other one. */
    public final Netns second;

    private NetnsPair(Netns first, Netns second) {
        this.first = first;
        this.second = second;
    }

    /** Two machines without a connection, or null where this process may not make them. */
    public static NetnsPair apart() throws IOException {
        Netns first = Netns.create("a");
        if (first == null) {
            return null;
        }
        Netns second = Netns.create("b");
        if (second == null) {
            first.close();
            return null;
        }
        return new NetnsPair(first, second);
    }

    /** Two machines with a cable, or null where this process may not make them. */
    public static NetnsPair connected() throws IOException {
        NetnsPair pair = apart();
        if (pair != null && !pair.connect()) {
            pair.close();
            return null;
        }
        return pair;
    }

    private boolean connect() throws IOException {
        return first.exec("ip", "link", "add", "va", "type", "veth",
                        "peer", "name", "vb", "netns", second.name())
                && first.exec("ip", "addr", "add", FIRST + "/24", "dev", "va")
                && second.exec("ip", "addr", "add", SECOND + "/24", "dev", "vb")
                && second.exec("ip", "link", "set", "vb", "up")
                && first.exec("ip", "link", "set", "va", "up");
    }

    /** Takes the first one's end of the cable {@code up} or {@code down}. */
    public void link(String state) throws IOException {
        if (!first.exec("ip", "link", "set", "va", state)) {
            throw new AssertionError("the link cannot be set " + state);
        }
    }

    /** Connects the two, until closed, by a network with {@code faults} (see usernetem.py). */
    public Child faulty(String... faults) throws Exception {
        List<String> command = new ArrayList<>(List.of("python3", script().toString(),
                first.name(), second.name()));
        command.addAll(List.of(faults));
        Child network = Child.command(command.toArray(String[]::new));
        network.answer("ready");
        return network;
    }

    private static Path script() throws URISyntaxException {
        URL script = NetnsPair.class.getResource("usernetem.py");
        return Path.of(script.toURI());
    }

    @Override
    public void close() throws IOException {
        try {
            first.close();
        } finally {
            second.close();
        }
    }
}
