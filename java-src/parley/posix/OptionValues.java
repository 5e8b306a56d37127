package parley.posix;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;

/** The values of socket options between Java and what the C library has in memory. */
final class OptionValues {
    private OptionValues() {}

    static Object decode(DescriptorOption.Kind kind, ByteBuffer raw) {
        int number = raw.getInt(0);
        return switch (kind) {
            case FLAG -> number != 0;
            case NUMBER -> number;
            case SECONDS -> Duration.ofSeconds(raw.getLong(0)).plusNanos(raw.getInt(8) * 1000L);
            case LINGER -> number == 0 ? null : raw.getInt(4);
            case TYPE -> SocketTypes.name(number);
            case ERROR -> number == 0 ? null : PosixException.name(number);
        };
    }

    static byte[] encode(DescriptorOption option, Object value) {
        return switch (option.kind()) {
            case FLAG -> ints(flag(option, value) ? 1 : 0);
            case NUMBER -> ints(number(option, value));
            case SECONDS -> time(option, value);
            case LINGER -> value == null ? ints(0, 0) : ints(1, number(option, value));
            case TYPE, ERROR -> throw new IllegalStateException(option + " is read-only");
        };
    }

    private static boolean flag(DescriptorOption option, Object value) {
        if (value == null || value instanceof Boolean) {
            return Boolean.TRUE.equals(value);
        }
        throw wrong(option, value, "true, false or null");
    }

    private static int number(DescriptorOption option, Object value) {
        if (value instanceof Number n && n.doubleValue() == Math.rint(n.doubleValue())
                && n.doubleValue() >= 0 && n.doubleValue() <= Integer.MAX_VALUE) {
            return n.intValue();
        }
        throw wrong(option, value, "a whole number from 0 to " + Integer.MAX_VALUE);
    }

    /** A struct timeval; what is less than a microsecond is one, since 0 stands for no limit. */
    private static byte[] time(DescriptorOption option, Object value) {
        if (value != null && !(value instanceof Duration d && !d.isNegative())) {
            throw wrong(option, value, "a duration that is not negative, or null");
        }
        Duration time = value == null ? Duration.ZERO : (Duration) value;
        Duration up = time.plusNanos(999);
        return ByteBuffer.allocate(16).order(ByteOrder.nativeOrder())
                .putLong(0, up.getSeconds()).putLong(8, up.getNano() / 1000).array();
    }

    private static byte[] ints(int... values) {
        ByteBuffer buffer = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
        for (int value : values) {
            buffer.putInt(value);
        }
        return buffer.array();
    }

    private static IllegalArgumentException wrong(
            DescriptorOption option, Object value, String expected) {
        String type = value == null ? "" : " of " + value.getClass().getName();
        return new IllegalArgumentException("socket option " + option.key() + ": the value " + value
                + type + " does not fit, expected " + expected);
    }
}
