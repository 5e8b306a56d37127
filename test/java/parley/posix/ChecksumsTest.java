package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ChecksumsTest {
    private static byte[] frame(String ip) {
        return HexFormat.of().parseHex("000000000000" + "000000000000" + "0800" + ip);
    }

    @Test
    void the_header_of_a_well_known_example_sums_up() {
        byte[] frame = frame("45000073000040004011" + "dead" + "c0a80001c0a800c7"
                + "00".repeat(0x73 - 20));
        assertEquals(0xb861, Checksums.ip(frame, 0, frame.length));
        assertEquals((byte) 0xb8, frame[24]);
        assertEquals((byte) 0x61, frame[25]);
    }

    @Test
    void icmp_tcp_and_udp_sum_up_to_zero_together_with_their_checksum() {
        Random random = new Random(1);
        for (int size = 20; size < 80; size++) {
            byte[] payload = new byte[size];
            random.nextBytes(payload);
            byte[] head = frame("4500" + HexFormat.of().toHexDigits((short) (20 + size))
                    + "0000400040060000" + "0a000001" + "0a000002");
            byte[] frame = Arrays.copyOf(head, head.length + size + 3);
            System.arraycopy(payload, 0, frame, head.length, size);
            int all = head.length + size;
            Checksums.icmp(frame, 0, frame.length);
            assertEquals(0xffff, fold(sum(frame, head.length, all)));
            Checksums.tcp(frame, 0, frame.length);
            assertEquals(0xffff, fold(sum(frame, head.length, all) + pseudo(frame, 6, size)));
            frame[23] = 17;
            Checksums.udp(frame, 0, frame.length);
            assertEquals(0xffff, fold(sum(frame, head.length, all) + pseudo(frame, 17, size)));
        }
    }

    private static long sum(byte[] bytes, int from, int to) {
        long sum = 0;
        for (int i = from; i < to; i++) {
            sum += (bytes[i] & 0xffL) << ((i - from) % 2 == 0 ? 8 : 0);
        }
        return sum;
    }

    private static long pseudo(byte[] frame, int protocol, int size) {
        return sum(frame, 26, 34) + protocol + size;
    }

    private static long fold(long sum) {
        long folded = sum;
        while (folded > 0xffff) {
            folded = (folded & 0xffff) + (folded >> 16);
        }
        return folded;
    }

    @Test
    void frames_that_lie_about_their_length_are_refused() {
        Random random = new Random(2);
        for (int i = 0; i < 20_000; i++) {
            byte[] frame = new byte[random.nextInt(120)];
            random.nextBytes(frame);
            int start = random.nextInt(140) - 10;
            int end = random.nextInt(140) - 10;
            try {
                Checksums.ip(frame, start, end);
                Checksums.tcp(frame, start, end);
                Checksums.udp(frame, start, end);
                Checksums.icmp(frame, start, end);
            } catch (IllegalArgumentException e) {
                assertEquals(true, e.getMessage().contains("csum: "), e.getMessage());
            }
        }
        assertThrows(IllegalArgumentException.class, () -> Checksums.ip(new byte[33], 0, 33));
        assertThrows(IllegalArgumentException.class, () -> Checksums.ip(null, 0, 0));
    }
}
