package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.DatagramChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.spi.AbstractSelectableChannel;
import java.nio.channels.spi.SelectorProvider;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import parley.testing.Family;
import parley.testing.Leaks;

@Timeout(180)
class ChannelDescriptorTest {
    private final List<SelectableChannel> opened = new ArrayList<>();

    @AfterEach
    void closeAll() throws IOException {
        for (SelectableChannel channel : opened) {
            channel.close();
        }
    }

    private <T extends SelectableChannel> T keep(T channel, boolean blocking) throws IOException {
        channel.configureBlocking(blocking);
        opened.add(channel);
        return channel;
    }

    /** Client and accepted ends, alternating. */
    private List<SocketChannel> connections(SocketAddress at, int count, boolean blocking)
            throws IOException {
        boolean unix = at instanceof UnixDomainSocketAddress;
        ServerSocketChannel server = keep(unix
                ? ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                : ServerSocketChannel.open(), true);
        server.bind(at, count);
        List<SocketChannel> ends = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ends.add(keep(SocketChannel.open(server.getLocalAddress()), blocking));
            ends.add(keep(server.accept(), blocking));
        }
        return ends;
    }

    private static SocketAddress loopback() {
        return new InetSocketAddress("127.0.0.1", 0);
    }

    /** Writes through the number and reads at the other end: no better proof. */
    private static void assertNumbersAreRight(List<SocketChannel> ends) throws IOException {
        Set<Integer> seen = new HashSet<>();
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < ends.size(); i++) {
            order.add(i);
        }
        Collections.shuffle(order, new Random(1));
        for (int i : order) {
            ChannelDescriptor found = ChannelDescriptor.find(ends.get(i));
            assertTrue(seen.add(found.number()));
            try (Descriptor copy = found.duplicate()) {
                copy.write(new byte[] {(byte) i}, 0, 1);
            }
            ByteBuffer one = ByteBuffer.allocate(2);
            SocketChannel other = ends.get(i ^ 1);
            other.configureBlocking(true);
            assertEquals(1, other.read(one));
            assertEquals((byte) i, one.get(0));
            other.configureBlocking(ends.get(i).isBlocking());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void connections_of_the_same_server_are_told_apart(boolean blocking) throws IOException {
        assertNumbersAreRight(connections(loopback(), 100, blocking));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void connections_over_ipv6_are_told_apart(boolean blocking) throws IOException {
        assumeTrue(Family.TCP6.available());
        assertNumbersAreRight(connections(new InetSocketAddress("::1", 0), 20, blocking));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void unix_domain_look_alikes_are_told_apart(boolean blocking, @TempDir Path directory)
            throws IOException {
        SocketAddress at = UnixDomainSocketAddress.of(directory.resolve("s"));
        List<SocketChannel> ends = connections(at, 100, blocking);
        assertNumbersAreRight(ends);
        for (SocketChannel end : ends) {
            assertEquals(-1, end.getOption(StandardSocketOptions.SO_LINGER), "mark taken back");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void servers_on_one_port_are_told_apart(boolean blocking) throws IOException {
        List<ServerSocketChannel> servers = new ArrayList<>();
        SocketAddress at = loopback();
        for (int i = 0; i < 5; i++) {
            ServerSocketChannel server = keep(ServerSocketChannel.open(), blocking);
            server.setOption(StandardSocketOptions.SO_REUSEPORT, true);
            servers.add(server.bind(at));
            at = server.getLocalAddress();
        }
        assertMarked(servers);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void unix_domain_servers_have_numbers(boolean blocking, @TempDir Path directory)
            throws IOException {
        List<ServerSocketChannel> servers = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            ServerSocketChannel server =
                    keep(ServerSocketChannel.open(StandardProtocolFamily.UNIX), blocking);
            servers.add(server.bind(UnixDomainSocketAddress.of(directory.resolve("s" + i))));
        }
        assertMarked(servers);
    }

    private static void assertMarked(List<ServerSocketChannel> servers) throws IOException {
        for (ServerSocketChannel server : servers) {
            int before = server.getOption(StandardSocketOptions.SO_RCVBUF);
            ChannelDescriptor found = ChannelDescriptor.find(server);
            assertEquals(before, server.getOption(StandardSocketOptions.SO_RCVBUF));
            server.setOption(StandardSocketOptions.SO_RCVBUF, 12_345);
            try (Descriptor copy = found.duplicate()) {
                assertTrue((boolean) DescriptorOption.SO_ACCEPTCONN.get(copy));
                assertEquals(2 * server.getOption(StandardSocketOptions.SO_RCVBUF),
                        DescriptorOption.SO_RCVBUF.get(copy));
            }
            server.setOption(StandardSocketOptions.SO_RCVBUF, before);
        }
    }

    @Test
    void a_server_on_all_addresses_is_found() throws IOException {
        for (boolean blocking : new boolean[] {true, false}) {
            ServerSocketChannel server = keep(ServerSocketChannel.open(), blocking);
            server.bind(new InetSocketAddress(0));
            int number = ChannelDescriptor.find(server).number();
            assertTrue(Handles.identity(number).startsWith("socket:"));
        }
    }

    @Test
    void datagram_channels_and_pipes_are_found() throws IOException {
        for (boolean blocking : new boolean[] {true, false}) {
            DatagramChannel datagrams = keep(DatagramChannel.open(), blocking);
            datagrams.bind(loopback());
            try (Descriptor copy = ChannelDescriptor.find(datagrams).duplicate()) {
                assertEquals(Constants.SOCK_DGRAM, copy.socketType());
            }
        }
        Pipe pipe = Pipe.open();
        Pipe.SourceChannel source = keep(pipe.source(), false);
        Pipe.SinkChannel sink = keep(pipe.sink(), false);
        try (Descriptor in = ChannelDescriptor.find(sink).duplicate();
                Descriptor out = ChannelDescriptor.find(source).duplicate()) {
            assertEquals(1, in.write(new byte[] {3}, 0, 1));
            assertEquals(1, out.read(new byte[4], 0, 4));
        }
        source.configureBlocking(true);
        assertTrue(ChannelDescriptor.find(source).number() > 2);
    }

    @Test
    void a_channel_that_the_jdk_has_not_made_has_none() {
        SelectableChannel other = new AbstractSelectableChannel(SelectorProvider.provider()) {
            @Override
            protected void implCloseSelectableChannel() {
                // nothing is open
            }

            @Override
            protected void implConfigureBlocking(boolean block) {
                // it never blocks
            }

            @Override
            public int validOps() {
                return 0;
            }
        };
        assertThrows(UnsupportedOperationException.class, () -> ChannelDescriptor.find(other));
    }

    @Test
    void a_number_is_not_given_after_the_channel_closed() throws IOException {
        List<SocketChannel> ends = connections(loopback(), 2, false);
        ChannelDescriptor found = ChannelDescriptor.find(ends.get(0));
        assertTrue(found.number() > 2);
        ends.get(0).close();
        assertThrows(ClosedChannelException.class, found::number);
        assertThrows(ClosedChannelException.class, found::duplicate);
        SocketChannel closed = ends.get(0);
        assertThrows(ClosedChannelException.class, () -> ChannelDescriptor.find(closed));
    }

    @Test
    void finding_leaves_no_descriptor_behind_and_the_channel_usable() throws IOException {
        List<SocketChannel> ends = connections(loopback(), 1, false);
        ChannelDescriptor.find(ends.get(0));
        Leaks before = Leaks.snapshot(); // without what the JVM opens for itself at any time
        for (int i = 0; i < 50; i++) {
            ChannelDescriptor.find(ends.get(0));
        }
        before.assertBack();
        assertFalse(ends.get(0).isRegistered());
    }

    @Test
    void finders_in_several_threads_do_not_confuse_each_other() throws Exception {
        List<SocketChannel> ends = connections(loopback(), 20, false);
        List<Integer> numbers = new ArrayList<>();
        for (SocketChannel end : ends) {
            numbers.add(ChannelDescriptor.find(end).number());
        }
        List<Thread> threads = new ArrayList<>();
        Set<String> wrong = Collections.synchronizedSet(new HashSet<>());
        for (int t = 0; t < 4; t++) {
            int shift = t * 7;
            threads.add(Support.start("test-finder", () -> {
                try {
                    for (int i = 0; i < 200; i++) {
                        int index = (i + shift) % ends.size();
                        int number = ChannelDescriptor.find(ends.get(index)).number();
                        if (number != numbers.get(index)) {
                            wrong.add(number + " for " + numbers.get(index));
                        }
                        java.nio.channels.Selector.open().close();
                    }
                } catch (IOException | RuntimeException e) {
                    wrong.add(e.toString());
                }
            }));
        }
        for (Thread thread : threads) {
            Support.join(thread);
        }
        assertEquals(Set.of(), wrong);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void thousands_of_connections_are_found_quickly(boolean blocking) throws IOException {
        List<SocketChannel> ends = connections(loopback(), 1500, blocking);
        long start = System.nanoTime();
        Set<Integer> numbers = new HashSet<>();
        for (SocketChannel end : ends) {
            numbers.add(ChannelDescriptor.find(end).number());
        }
        long took = System.nanoTime() - start;
        assertEquals(ends.size(), numbers.size());
        // a search through all descriptors for each takes minutes
        assertTrue(took < 20 * Support.SECOND, took + " ns");
    }
}
