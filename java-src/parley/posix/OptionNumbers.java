package parley.posix;

import jnr.constants.Constant;
import jnr.constants.platform.IP;
import jnr.constants.platform.SocketOption;
import jnr.constants.platform.TCP;

/**
 * Level and number of each {@link DescriptorOption} on this platform. Apart from the options
 * themselves, since those must be known where jnr-constants is not there.
 */
final class OptionNumbers {
    /** In place of the number of an option that the platform does not have. */
    static final int MISSING = -1;
    /** The level of version 6 of IP; those of protocols have the protocol's number everywhere. */
    static final int IPV6 = 41;

    private static final int TCP_LEVEL = 6;
    private static final int IP_LEVEL = 0;

    private OptionNumbers() {}

    static int level(DescriptorOption option) {
        return switch (option) {
            case TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_QUICKACK,
                    TCP_USER_TIMEOUT -> TCP_LEVEL;
            case IP_TOS, IP_TTL -> IP_LEVEL;
            case IPV6_V6ONLY -> IPV6;
            default -> Constants.SOL_SOCKET;
        };
    }

    static int number(DescriptorOption option) {
        return switch (option) {
            // macOS counts SO_LINGER in clock ticks and has SO_LINGER_SEC for seconds
            case SO_LINGER -> number(SocketOption.SO_LINGER, 0x1080);
            case TCP_NODELAY -> TCP.TCP_NODELAY.intValue();
            case TCP_KEEPIDLE -> number(TCP.TCP_KEEPIDLE, 0x10); // TCP_KEEPALIVE on macOS
            case TCP_KEEPINTVL -> number(TCP.TCP_KEEPINTVL, 0x101);
            case TCP_KEEPCNT -> number(TCP.TCP_KEEPCNT, 0x102);
            case TCP_QUICKACK -> number(TCP.TCP_QUICKACK, MISSING);
            case TCP_USER_TIMEOUT -> number(TCP.TCP_USER_TIMEOUT, MISSING);
            case IP_TOS -> IP.IP_TOS.intValue();
            case IP_TTL -> IP.IP_TTL.intValue();
            case IPV6_V6ONLY -> Constants.LINUX ? 26 : 27;
            default -> ofSocket(SocketOption.valueOf(option.name()));
        };
    }

    /** The number of the same thing for IP version 6, where there are two. */
    static int sixth(DescriptorOption option) {
        return switch (option) {
            case IP_TOS -> Constants.LINUX ? 67 : 36; // IPV6_TCLASS
            case IP_TTL -> Constants.LINUX ? 16 : 4; // IPV6_UNICAST_HOPS
            default -> MISSING;
        };
    }

    private static int ofSocket(SocketOption option) {
        return option.defined() ? option.intValue() : MISSING;
    }

    /** The number on Linux, which jnr-constants knows, or the one of macOS, which it does not. */
    private static int number(Constant linux, int macos) {
        return Constants.LINUX ? linux.intValue() : macos;
    }
}
