package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(180)
class DescriptorOptionTest {
    private Descriptor tcp;

    @BeforeEach
    void open() throws IOException {
        tcp = Sockets.socket("inet", "stream", 0);
    }

    @AfterEach
    void close() {
        tcp.close();
    }

    @ParameterizedTest
    @CsvSource({
        "so-reuseaddr, 1, 2", "so-reuseport, 1, 15", "so-broadcast, 1, 6", "so-keepalive, 1, 9",
        "so-dontroute, 1, 5", "so-oobinline, 1, 10", "tcp-nodelay, 6, 1", "tcp-quickack, 6, 12"
    })
    void a_flag_is_set_in_the_kernel_and_the_value_before_returned(
            String key, int level, int number)
            throws IOException {
        DescriptorOption option = DescriptorOption.of(key);
        Object before = option.get(tcp);
        assertEquals(before, option.set(tcp, !(boolean) before));
        int raw = RawDescriptor.readInt(tcp.number(), level, number, "test");
        assertEquals(!(boolean) before, raw != 0);
        assertEquals(!(boolean) before, option.set(tcp, before));
        assertEquals(before, option.get(tcp));
    }

    @ParameterizedTest
    @CsvSource({
        "so-rcvlowat, 1, 18, 7", "tcp-keepidle, 6, 4, 77", "tcp-keepintvl, 6, 5, 11",
        "tcp-keepcnt, 6, 6, 3", "tcp-user-timeout, 6, 18, 4000", "ip-tos, 0, 1, 16",
        "ip-ttl, 0, 2, 33"
    })
    void a_number_is_set_in_the_kernel_and_the_value_before_returned(
            String key, int level, int number, int value) throws IOException {
        DescriptorOption option = DescriptorOption.of(key);
        Object before = option.get(tcp);
        assertEquals(before, option.set(tcp, (long) value));
        assertEquals(value, RawDescriptor.readInt(tcp.number(), level, number, "test"));
        assertEquals(value, option.get(tcp));
    }

    @Test
    void buffer_sizes_are_what_the_kernel_made_of_them() throws IOException {
        DescriptorOption.SO_RCVBUF.set(tcp, 20_000);
        DescriptorOption.SO_SNDBUF.set(tcp, 30_000);
        assertEquals(40_000, DescriptorOption.SO_RCVBUF.get(tcp));
        assertEquals(60_000, DescriptorOption.SO_SNDBUF.get(tcp));
    }

    @Test
    void linger_is_seconds_or_null() throws IOException {
        assertNull(DescriptorOption.SO_LINGER.set(tcp, 1));
        assertEquals(1, DescriptorOption.SO_LINGER.set(tcp, 0));
        assertEquals(0, DescriptorOption.SO_LINGER.set(tcp, null));
        assertNull(DescriptorOption.SO_LINGER.get(tcp));
    }

    @Test
    void times_are_durations_never_rounded_to_none() throws IOException {
        DescriptorOption option = DescriptorOption.SO_RCVTIMEO;
        assertEquals(Duration.ZERO, option.set(tcp, Duration.ofMillis(1500)));
        assertEquals(Duration.ofMillis(1500), option.set(tcp, Duration.ofNanos(1)));
        assertTrue(((Duration) option.get(tcp)).compareTo(Duration.ZERO) > 0);
        option.set(tcp, null);
        assertEquals(Duration.ZERO, option.get(tcp));
        assertEquals(Duration.ZERO, DescriptorOption.SO_SNDTIMEO.set(tcp, Duration.ofSeconds(2)));
        assertEquals(Duration.ofSeconds(2), DescriptorOption.SO_SNDTIMEO.get(tcp));
    }

    @Test
    void type_error_and_acceptconn_can_be_read_and_cannot_be_set() throws IOException {
        assertEquals("stream", DescriptorOption.SO_TYPE.get(tcp));
        assertNull(DescriptorOption.SO_ERROR.get(tcp));
        assertEquals(false, DescriptorOption.SO_ACCEPTCONN.get(tcp));
        Sockets.bind(tcp, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
        Sockets.listen(tcp, 1);
        assertEquals(true, DescriptorOption.SO_ACCEPTCONN.get(tcp));
        UnsupportedOperationException e = assertThrows(UnsupportedOperationException.class,
                () -> DescriptorOption.SO_TYPE.set(tcp, "dgram"));
        assertEquals("socket option so-type: can be read but not set on Linux", e.getMessage());
        assertThrows(UnsupportedOperationException.class,
                () -> DescriptorOption.SO_SNDLOWAT.set(tcp, 2));
        assertEquals(1, DescriptorOption.SO_SNDLOWAT.get(tcp));
    }

    @Test
    void debug_needs_privilege_or_is_set() throws IOException {
        assertEquals(false, DescriptorOption.SO_DEBUG.get(tcp));
        try {
            DescriptorOption.SO_DEBUG.set(tcp, true);
            assertEquals(true, DescriptorOption.SO_DEBUG.get(tcp));
        } catch (PosixException e) {
            assertEquals("EACCES", e.name());
        }
    }

    @Test
    void ipv6_has_its_own_options_and_those_of_ip() throws IOException {
        try (Descriptor six = Sockets.socket("inet6", "stream", 0)) {
            assertEquals(false, DescriptorOption.IPV6_V6ONLY.set(six, true));
            assertEquals(true, DescriptorOption.IPV6_V6ONLY.get(six));
            DescriptorOption.IP_TOS.set(six, 32);
            assertEquals(32, DescriptorOption.IP_TOS.get(six));
            assertEquals(32, RawDescriptor.readInt(six.number(), 41, 67, "IPV6_TCLASS"));
        }
        assertThrows(PosixException.class, () -> DescriptorOption.IPV6_V6ONLY.get(tcp));
    }

    @Test
    void unix_domain_sockets_refuse_options_of_tcp() throws IOException {
        Descriptor[] pair = Support.streams();
        PosixException e = assertThrows(PosixException.class,
                () -> DescriptorOption.TCP_NODELAY.set(pair[0], true));
        assertEquals("EOPNOTSUPP", e.name());
        assertTrue(e.getMessage().startsWith("getsockopt TCP_NODELAY("), e.getMessage());
        Support.closeAll(pair);
    }

    @ParameterizedTest
    @EnumSource
    void wrong_values_are_refused_before_any_call(DescriptorOption option) {
        switch (option.kind()) {
            case FLAG, NUMBER, SECONDS, LINGER -> {
                if (option == DescriptorOption.SO_ACCEPTCONN
                        || option == DescriptorOption.SO_SNDLOWAT) {
                    return;
                }
                IllegalArgumentException e = assertThrows(
                        IllegalArgumentException.class, () -> option.set(tcp, "nonsense"));
                assertTrue(e.getMessage().contains(option.key())
                        && e.getMessage().contains("expected"), e.getMessage());
            }
            default -> assertThrows(UnsupportedOperationException.class,
                    () -> option.set(tcp, "nonsense"));
        }
    }

    @Test
    void numbers_out_of_range_are_refused() {
        for (Object wrong : new Object[] {-1, 1.5, 1L << 40, Double.NaN}) {
            assertThrows(IllegalArgumentException.class,
                    () -> DescriptorOption.SO_RCVBUF.set(tcp, wrong));
            assertThrows(IllegalArgumentException.class,
                    () -> DescriptorOption.SO_LINGER.set(tcp, wrong));
        }
        assertThrows(IllegalArgumentException.class,
                () -> DescriptorOption.SO_RCVTIMEO.set(tcp, Duration.ofSeconds(-1)));
    }

    @Test
    void an_unknown_name_is_reported_with_the_known_ones() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> DescriptorOption.of("so-rcvlowatt"));
        assertTrue(e.getMessage().startsWith("socket option: unknown option so-rcvlowatt, known are"
                + " so-debug so-acceptconn "), e.getMessage());
    }

    @Test
    void a_closed_descriptor_is_refused() {
        tcp.close();
        assertThrows(ClosedDescriptorException.class, () -> DescriptorOption.SO_TYPE.get(tcp));
        assertThrows(ClosedDescriptorException.class,
                () -> DescriptorOption.SO_KEEPALIVE.set(tcp, true));
    }

    @Test
    void what_is_no_socket_is_refused() throws IOException {
        Descriptor[] pipe = Descriptor.pipe();
        PosixException e = assertThrows(
                PosixException.class, () -> DescriptorOption.SO_TYPE.get(pipe[0]));
        assertEquals("ENOTSOCK", e.name());
        Support.closeAll(pipe);
    }
}
