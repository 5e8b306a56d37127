package parley.posix;

/**
 * The internet checksum (RFC 1071) of IP, ICMP, TCP and UDP in an Ethernet frame, computed and
 * written where it belongs.
 *
 * <pre>{@code
 * Checksums.ip(frame, 0, frame.length);   // writes the checksum of the IPv4 header
 * Checksums.icmp(frame, 0, frame.length); // that of the ICMP message in the packet
 * }</pre>
 *
 * <p>A frame begins with 14 bytes of Ethernet header, which are skipped; then comes an IPv4 packet.
 * {@code start} is the index of its first byte in the array, {@code end} the one behind its last.
 * The result is the checksum as the number that stands in the frame, most significant byte first.
 */
public final class Checksums {
    private static final int IP = 14;
    private static final int IP_HEADER = 20;

    private Checksums() {}

    /** The bounds of the protocol's part of a frame. */
    private record Payload(int start, int end) {
        int size() {
            return end - start;
        }
    }

    /** Computes the checksum of the IP header. */
    public static int ip(byte[] frame, int start, int end) {
        int size = headerSize("ipcsum", frame, start, end);
        int at = start + IP;
        return store(frame, at + 10, at, at + size, 0);
    }

    /** Computes the checksum of an ICMP message. */
    public static int icmp(byte[] frame, int start, int end) {
        Payload payload = payload("icmpcsum", frame, start, end, 4);
        return store(frame, payload.start() + 2, payload.start(), payload.end(), 0);
    }

    /** Computes the checksum of a TCP segment. */
    public static int tcp(byte[] frame, int start, int end) {
        Payload payload = payload("tcpcsum", frame, start, end, 18);
        long pseudo = pseudoHeader(frame, start, payload);
        return store(frame, payload.start() + 16, payload.start(), payload.end(), pseudo);
    }

    /** Computes the checksum of a UDP datagram; one that comes to 0 is sent as 0xffff (RFC 768). */
    public static int udp(byte[] frame, int start, int end) {
        Payload payload = payload("udpcsum", frame, start, end, 8);
        long pseudo = pseudoHeader(frame, start, payload);
        int sum = store(frame, payload.start() + 6, payload.start(), payload.end(), pseudo);
        return sum == 0 ? put(frame, payload.start() + 6, 0xffff) : sum;
    }

    private static int headerSize(String what, byte[] frame, int start, int end) {
        Posix.checkBounds(what, frame, start, end - start);
        if (end - start < IP + IP_HEADER) {
            throw new IllegalArgumentException(what + ": the frame has " + (end - start)
                    + " bytes, expected at least " + (IP + IP_HEADER)
                    + ", an Ethernet and an IP header");
        }
        int size = (frame[start + IP] & 0xf) * 4;
        if (size < IP_HEADER || size > end - start - IP) {
            throw new IllegalArgumentException(what + ": the IP header claims a length of " + size
                    + " bytes, expected " + IP_HEADER + " to " + (end - start - IP));
        }
        return size;
    }

    private static Payload payload(String what, byte[] frame, int start, int end, int least) {
        int header = headerSize(what, frame, start, end);
        int total = word(frame, start + IP + 2);
        if (total < header + least || total > end - start - IP) {
            throw new IllegalArgumentException(what + ": the IP packet claims a length of " + total
                    + " bytes, expected " + (header + least) + " to " + (end - start - IP));
        }
        return new Payload(start + IP + header, start + IP + total);
    }

    /** Source, destination, protocol and length: what TCP and UDP sum up besides their own. */
    private static long pseudoHeader(byte[] frame, int start, Payload payload) {
        int ip = start + IP;
        return sum(frame, ip + 12, ip + IP_HEADER) + (frame[ip + 9] & 0xff) + payload.size();
    }

    private static int store(byte[] frame, int at, int from, int to, long initial) {
        put(frame, at, 0);
        long sum = initial + sum(frame, from, to);
        while (sum > 0xffff) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return put(frame, at, (int) ~sum & 0xffff);
    }

    private static long sum(byte[] frame, int from, int to) {
        long sum = 0;
        for (int i = from; i < to - 1; i += 2) {
            sum += word(frame, i);
        }
        // an odd last byte counts as if a zero followed
        return (to - from) % 2 == 0 ? sum : sum + ((frame[to - 1] & 0xff) << 8);
    }

    private static int word(byte[] frame, int at) {
        return (frame[at] & 0xff) << 8 | frame[at + 1] & 0xff;
    }

    private static int put(byte[] frame, int at, int value) {
        frame[at] = (byte) (value >> 8);
        frame[at + 1] = (byte) value;
        return value;
    }
}
