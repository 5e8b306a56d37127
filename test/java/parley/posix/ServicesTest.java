package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Resolver, interfaces, protocols and networks. */
@Timeout(180)
class ServicesTest {
    private static Resolver.Question numeric(String node, String service) {
        return new Resolver.Question(
                node, service, null, "stream", 0, Set.of("numerichost", "numericserv"));
    }

    @Test
    void numeric_addresses_are_found_without_asking() throws IOException {
        List<Resolver.Found> found = Resolver.addresses(numeric("127.0.0.1", "80"));
        assertEquals(1, found.size());
        assertEquals("127.0.0.1:80", found.get(0).address().toString());
        assertEquals("inet", found.get(0).family());
        assertEquals("stream", found.get(0).type());
        assertEquals(6, found.get(0).protocol());
        assertEquals("[::1]:0", Resolver.addresses(numeric("::1", null)).get(0).address()
                .toString());
    }

    @Test
    void a_name_that_is_none_has_a_symbolic_error() {
        ResolverException e = assertThrows(ResolverException.class,
                () -> Resolver.addresses(numeric("no-such-host.invalid", null)));
        assertEquals("EAI_NONAME", e.name());
        assertTrue(e.getMessage().startsWith("getaddrinfo(no-such-host.invalid, null): "),
                e.getMessage());
    }

    @Test
    void nodes_with_a_zero_character_and_unknown_flags_are_refused() {
        assertThrows(IllegalArgumentException.class,
                () -> Resolver.addresses(numeric("a\0b", null)));
        assertThrows(IllegalArgumentException.class, () -> Resolver.addresses(
                new Resolver.Question("x", null, null, null, 0, Set.of("nonsense"))));
    }

    @Test
    void addresses_have_names() throws IOException {
        SockAddr address = SockAddr.of(InetAddress.getLoopbackAddress(), 4711);
        Resolver.Named named =
                Resolver.name(address, Set.of("numerichost", "numericserv"));
        assertEquals("127.0.0.1", named.host());
        assertEquals("4711", named.service());
        assertThrows(IllegalArgumentException.class,
                () -> Resolver.name(address, Set.of("passive")));
    }

    @Test
    void the_loopback_interface_is_listed() throws IOException {
        Interfaces.Entry loopback = Interfaces.all().stream()
                .filter(entry -> entry.address() != null
                        && "127.0.0.1".equals(entry.address().host()))
                .findFirst().orElseThrow();
        assertEquals("lo", loopback.name());
        assertTrue(loopback.flags().containsAll(Set.of("up", "running", "loopback")));
        assertEquals("255.0.0.0", loopback.netmask().host());
        assertNull(loopback.destination());
        assertTrue(Interfaces.nameIndex().containsValue("lo"));
        assertTrue(Interfaces.knownFlags().contains("broadcast"));
    }

    @Test
    void protocols_are_found_by_name_and_number() {
        assertEquals(6, Protocols.protocol("tcp").number());
        assertEquals("udp", Protocols.protocol(17).name());
        assertEquals(List.of("TCP"), Protocols.protocol("tcp").aliases());
        assertNull(Protocols.protocol("no-such-protocol"));
        assertTrue(Protocols.protocols().size() > 10);
    }

    @Test
    void networks_are_found_by_name_and_number() {
        List<Protocols.Network> all = Protocols.networks();
        assertNotNull(all);
        for (Protocols.Network network : all) {
            assertEquals(network.number(), Protocols.network(network.name()).number());
        }
        assertNull(Protocols.network("no-such-network"));
    }
}
