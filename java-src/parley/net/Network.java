package parley.net;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;

/** Addresses that begin with the same bits. */
record Network(byte[] address, int bits) {
    boolean contains(SocketAddress peer) {
        if (!(peer instanceof InetSocketAddress inet)) {
            return true; // the permissions of its file decide which users may connect
        }
        byte[] other = inet.getAddress().getAddress();
        boolean same = other.length == address.length;
        for (int i = 0; same && i < bits; i++) {
            int mask = 0x80 >> (i & 7);
            same = (other[i >> 3] & mask) == (address[i >> 3] & mask);
        }
        return same;
    }

    /** Reads an address as a number, or a network: {@code 10.0.0.0/8}. */
    static Network parse(String text) {
        String[] parts = String.valueOf(text).split("/", 2);
        try {
            if (parts[0].matches(ProxyHeader.FOUR + "|" + ProxyHeader.SIX)) {
                byte[] address = ProxyHeader.ofDigits(parts[0]).getAddress();
                int most = address.length * Byte.SIZE;
                int bits = parts.length == 1 ? most : Integer.parseInt(parts[1]);
                if (bits >= 0 && bits <= most) {
                    return new Network(address, bits);
                }
            }
        } catch (UnknownHostException | NumberFormatException e) {
            throw noNetwork(text);
        }
        throw noNetwork(text);
    }

    private static IllegalArgumentException noNetwork(String text) {
        return new IllegalArgumentException(Errors.name("serve") + ": the trusted proxy is \""
                + text + "\", expected an address as a number or a network, such as \"10.0.0.0/8\"");
    }
}
