package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.Inet6Address;
import java.net.InetAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import parley.posix.SockAddr;
import parley.testing.Seeds;

/** How addresses are written: the same by streams and by raw sockets. */
@Timeout(180)
class AddressesTest {
    @ParameterizedTest
    @CsvSource({"::, ::", "::1, ::1", "1::, 1::", "2001:db8:0:0:1:0:0:1, 2001:db8::1:0:0:1",
        "2001:db8:0:1:1:1:1:1, 2001:db8:0:1:1:1:1:1", "2001:DB8:0:0:0:0:2:1, 2001:db8::2:1",
        "1:0:0:2:0:0:0:3, 1:0:0:2::3", "127.0.0.1, 127.0.0.1"})
    void the_short_form_is_that_of_the_standard(String given, String expected) throws Exception {
        assertEquals(expected, Addresses.literal(InetAddress.getByName(given)));
    }

    @Test
    void a_zone_is_kept() throws Exception {
        byte[] local = InetAddress.getByName("fe80::1").getAddress();
        assertEquals("fe80::1%7", Addresses.literal(Inet6Address.getByAddress(null, local, 7)));
    }

    @Test
    void any_address_is_read_back_as_itself_and_written_the_same_by_raw_sockets() throws Exception {
        Seeds.with(random -> {
            for (int i = 0; i < 5000; i++) {
                byte[] bytes = Seeds.bytes(random, 16);
                for (int zeros = random.nextInt(16); zeros > 0; zeros--) {
                    bytes[random.nextInt(16)] = 0;
                }
                InetAddress address = Inet6Address.getByAddress(null, bytes, -1);
                String text = Addresses.literal(address);
                assertEquals(address, InetAddress.getByName(text));
                assertEquals(text, SockAddr.of(address, 1).host());
                assertTrue(text.indexOf("::") == text.lastIndexOf("::"), text);
                assertFalse((":" + text + ":").contains(":0:0:") && !text.contains("::"), text);
            }
        });
    }
}
