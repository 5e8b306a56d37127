package parley.net;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolException;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * Reads the header that a proxy sends before the client's bytes, to announce the client's address
 * (PROXY protocol, version 1 and 2). It never waits, and takes no byte beyond the header, whatever
 * follows it. A header that is wrong in any respect ends the connection, as the protocol demands.
 */
final class ProxyHeader {
    static final int LONGEST = 4096; // bytes after the first 16 of version 2

    private static final int LONGEST_LINE = 107;
    private static final byte[] SIGNATURE = {
        '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
    private static final byte[] WORD = {'P', 'R', 'O', 'X', 'Y', ' '};
    private static final int FIXED = 16;
    private static final int CHECKSUM = 3; // PP2_TYPE_CRC32C
    private static final int TLV_HEADER = 3;
    private static final int UNIX_PATH = 108;

    private static final String OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    static final String FOUR = "((?:" + OCTET + "\\.){3}" + OCTET + ")";
    static final String SIX = "([0-9A-Fa-f]*:[0-9A-Fa-f:.]*)";
    private static final String PORT = "(\\d|[1-9]\\d{1,4})";
    private static final Pattern TCP4 = line("TCP4", FOUR);
    private static final Pattern TCP6 = line("TCP6", SIX);

    private ByteBuffer bytes = ByteBuffer.allocate(FIXED).limit(WORD.length);
    private SocketAddress source; // null when the connection is the sender's own
    private final Map<Integer, byte[]> extras = new TreeMap<>();

    private static Pattern line(String family, String address) {
        return Pattern.compile(
                "PROXY " + family + " " + address + " " + address + " " + PORT + " " + PORT);
    }

    /** The client's address; null when the sender speaks for itself or does not know it. */
    SocketAddress source() {
        return source;
    }

    /** The further fields of version 2 (TLVs), by type. */
    Map<Integer, byte[]> extras() {
        return extras;
    }

    /**
     * Takes what has come of the header.
     *
     * @return false when more is needed
     * @throws ProtocolException if it is none
     * @throws EOFException if the connection ends before it does
     */
    boolean read(Transport transport) throws IOException {
        for (;;) {
            while (bytes.hasRemaining()) {
                int n = transport.read(bytes);
                if (n < 0) {
                    throw new EOFException("the connection ended before its PROXY header did");
                } else if (n == 0) {
                    return false;
                }
                checkBeginning();
            }
            if (isComplete()) {
                return true;
            }
        }
    }

    /** Refuses what cannot become a header, without waiting for the rest of it. */
    private void checkBeginning() throws ProtocolException {
        byte[] expected = bytes.get(0) == WORD[0] ? WORD : SIGNATURE;
        int n = Math.min(bytes.position(), expected.length);
        int at = Arrays.mismatch(bytes.array(), 0, n, expected, 0, n);
        if (at >= 0) {
            throw new ProtocolException("it does not begin with a PROXY header");
        }
    }

    /** Looks at a full buffer; enlarges it when the header goes on. */
    private boolean isComplete() throws ProtocolException {
        int n = bytes.position();
        if (bytes.get(0) == WORD[0]) {
            return isCompleteLine(n);
        } else if (n < FIXED) {
            bytes.limit(FIXED);
            return false;
        }
        int length = bytes.getChar(FIXED - 2);
        if (length > LONGEST) {
            throw new ProtocolException("its PROXY header has " + length
                    + " bytes, more than the " + LONGEST + " that are accepted");
        } else if (n < FIXED + length) {
            enlarge(FIXED + length, FIXED + length);
            return false;
        }
        readBinary(length);
        return true;
    }

    private void enlarge(int capacity, int limit) {
        ByteBuffer larger = ByteBuffer.wrap(Arrays.copyOf(bytes.array(), capacity));
        bytes = larger.position(bytes.position()).limit(limit);
    }

    // ---- version 1 ---------------------------------------------------------------------------

    private boolean isCompleteLine(int n) throws ProtocolException {
        if (bytes.get(n - 1) == '\n') {
            readLine(new String(bytes.array(), 0, n, StandardCharsets.ISO_8859_1));
            return true;
        } else if (n == LONGEST_LINE) {
            throw new ProtocolException("its PROXY header has no end within " + n + " bytes");
        } else if (bytes.capacity() < LONGEST_LINE) {
            enlarge(LONGEST_LINE, n + 1);
        } else {
            bytes.limit(n + 1); // what follows the line is the client's, and must not be taken
        }
        return false;
    }

    private void readLine(String text) throws ProtocolException {
        String line = text.substring(0, text.length() - 1);
        if (line.endsWith("\r")) {
            line = line.substring(0, line.length() - 1);
            if (line.equals("PROXY UNKNOWN") || line.startsWith("PROXY UNKNOWN ")) {
                return;
            }
            for (Pattern family : new Pattern[] {TCP4, TCP6}) {
                Matcher found = family.matcher(line);
                if (found.matches()) {
                    source = address(found.group(1), found.group(3));
                    address(found.group(2), found.group(4)); // must be one, too
                    return;
                }
            }
        }
        throw new ProtocolException("its PROXY header is no line of the protocol");
    }

    /** An address of digits, never looked up. */
    private static SocketAddress address(String host, String port) throws ProtocolException {
        try {
            int number = Integer.parseInt(port);
            if (number <= Character.MAX_VALUE) {
                return new InetSocketAddress(ofDigits(host), number);
            }
        } catch (UnknownHostException e) {
            throw malformed();
        }
        throw malformed();
    }

    /** Returns the address of a text that FOUR or SIX matches, which is never looked up. */
    static InetAddress ofDigits(String host) throws UnknownHostException {
        return InetAddress.getByName(host.indexOf(':') < 0 ? host : "[" + host + "]");
    }

    private static ProtocolException malformed() {
        return new ProtocolException("its PROXY header has an address that is none");
    }

    // ---- version 2 ---------------------------------------------------------------------------

    private void readBinary(int length) throws ProtocolException {
        int command = bytes.get(SIGNATURE.length) & 0xff;
        int family = bytes.get(SIGNATURE.length + 1) & 0xff;
        if (command >> 4 != 2 || (command & 0xf) > 1) {
            throw new ProtocolException("its PROXY header has the version and command 0x"
                    + Integer.toHexString(command) + ", expected 0x20 or 0x21");
        }
        bytes.position(FIXED).limit(FIXED + length);
        if ((command & 0xf) == 0) {
            return; // LOCAL: whatever follows is to be ignored
        }
        readAddresses(family);
        readExtras();
    }

    private void readAddresses(int family) throws ProtocolException {
        switch (family) {
            case 0x00 -> bytes.position(bytes.limit()); // UNSPEC: ignored, whatever it is
            case 0x11, 0x12 -> readInternet(4, family == 0x11);
            case 0x21, 0x22 -> readInternet(16, family == 0x21);
            case 0x31, 0x32 -> readUnix(family == 0x31);
            default -> throw new ProtocolException("its PROXY header has the unknown family 0x"
                    + Integer.toHexString(family));
        }
    }

    private void readInternet(int size, boolean stream) throws ProtocolException {
        byte[] from = take(size);
        byte[] to = take(size);
        byte[] ports = take(4);
        if (stream) { // the peer of a datagram is not that of this connection
            ByteBuffer both = ByteBuffer.wrap(ports);
            source = address(from, both.getChar());
            address(to, both.getChar()); // must be one, too
        }
    }

    private static SocketAddress address(byte[] address, int port) throws ProtocolException {
        try {
            return new InetSocketAddress(InetAddress.getByAddress(address), port);
        } catch (UnknownHostException e) {
            throw malformed();
        }
    }

    private void readUnix(boolean stream) throws ProtocolException {
        SocketAddress from = unix(take(UNIX_PATH));
        take(UNIX_PATH); // where the client has connected to
        if (stream) {
            source = from;
        }
    }

    /** A path that ends with a zero, or an abstract name, which begins with one. */
    private static SocketAddress unix(byte[] path) {
        int end = path[0] == 0 ? path.length : 0;
        while (path[0] == 0 ? end > 0 && path[end - 1] == 0 : end < path.length && path[end] != 0) {
            end += path[0] == 0 ? -1 : 1;
        }
        return Addresses.ofUnix(new String(path, 0, end, StandardCharsets.UTF_8));
    }

    private byte[] take(int size) throws ProtocolException {
        if (bytes.remaining() < size) {
            throw new ProtocolException("its PROXY header is too short for its fields");
        }
        byte[] taken = new byte[size];
        bytes.get(taken);
        return taken;
    }

    private void readExtras() throws ProtocolException {
        while (bytes.hasRemaining()) {
            byte[] head = take(TLV_HEADER);
            int at = bytes.position();
            byte[] value = take(ByteBuffer.wrap(head).getChar(1));
            if (head[0] == CHECKSUM) {
                checkSum(at, value);
            }
            extras.put(head[0] & 0xff, value);
        }
    }

    /** CRC-32C of the whole header, in which the sum itself counts as zeros. */
    private void checkSum(int at, byte[] value) throws ProtocolException {
        byte[] whole = Arrays.copyOf(bytes.array(), bytes.limit());
        boolean right = value.length == Integer.BYTES;
        if (right) {
            Arrays.fill(whole, at, at + value.length, (byte) 0);
            CRC32C sum = new CRC32C();
            sum.update(whole);
            right = sum.getValue() == Integer.toUnsignedLong(ByteBuffer.wrap(value).getInt());
        }
        if (!right) {
            throw new ProtocolException("its PROXY header has a wrong checksum");
        }
    }
}
