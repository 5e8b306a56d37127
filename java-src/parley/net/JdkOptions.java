package parley.net;

import java.io.IOException;
import java.net.SocketOption;
import java.nio.channels.NetworkChannel;
import parley.posix.DescriptorOption;

/**
 * Socket options through the JDK, for platforms without the C library and programs without JNA. The
 * channel lists the options that it has, so this class needs no table of kinds and platforms.
 */
final class JdkOptions {
    private static final int NO_LINGER = -1; // the JDK's value for "off"

    private JdkOptions() {
    }

    /** Returns the JDK's option of the channel, null when the JDK has none. */
    static SocketOption<?> find(Object channel, DescriptorOption option) {
        if (channel instanceof NetworkChannel network) {
            for (SocketOption<?> each : network.supportedOptions()) {
                if (each.name().equals(name(option))) {
                    return each;
                }
            }
        }
        return null;
    }

    private static String name(DescriptorOption option) {
        return switch (option) {
            case TCP_KEEPINTVL -> "TCP_KEEPINTERVAL";
            case TCP_KEEPCNT -> "TCP_KEEPCOUNT";
            default -> option.name();
        };
    }

    /** Returns the value, as {@link DescriptorOption} describes it. */
    static Object read(Object channel, DescriptorOption option, SocketOption<?> found)
            throws IOException {
        Object value = ((NetworkChannel) channel).getOption(found);
        boolean off = option.kind() == DescriptorOption.Kind.LINGER && (Integer) value < 0;
        return off ? null : value;
    }

    /** Sets a value that {@link DescriptorOption#check} has accepted. */
    static void write(Object channel, DescriptorOption option, SocketOption<?> found, Object value)
            throws IOException {
        Object converted = switch (option.kind()) {
            case FLAG -> Boolean.TRUE.equals(value);
            case LINGER -> value == null ? NO_LINGER : ((Number) value).intValue();
            default -> ((Number) value).intValue();
        };
        write((NetworkChannel) channel, found, converted);
    }

    private static <T> void write(NetworkChannel channel, SocketOption<T> option, Object value)
            throws IOException {
        channel.setOption(option, option.type().cast(value));
    }
}
