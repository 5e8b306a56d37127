package parley.net;

import java.io.IOException;

import parley.net.text.Decoder;

/**
 * The one buffer on the input side of a stream: bytes that came and were not read yet. Holds memory
 * only while it holds bytes, and remembers the last few that were read, so that a character can be
 * unread. Guarded by the reader's lock.
 */
final class InputBuffer implements Decoder.Room {
    private static final byte[] NO_BYTES = {};
    private static final int REMEMBERED = 16;
    private static final int TLS_HELLO = 0x1603; // type of the record, first byte of the version

    byte[] bytes = NO_BYTES;
    int position; // of the next byte to read
    int limit; // behind the last byte

    private Segment segment; // that bytes belong to, or null
    private long base; // stream offset of bytes[0]
    private byte[] remembered; // the bytes before position, kept when the segment was given back
    private int rememberedLength;
    private int opening; // the first two bytes of the stream, as far as they came through here
    private int held = -1; // index of a place to come back to, or -1

    int remaining() {
        return limit - position;
    }

    /** Lends room for characters, while bytes are here. */
    @Override
    public char[] chars() {
        return segment.chars();
    }

    /** The number of bytes of the stream that were read. */
    long offset() {
        return base + position;
    }

    /**
     * Reads once from the transport, at most so many bytes; 0 stands for as many as fit.
     *
     * @return as {@link Transport#read}
     */
    int fill(Transport transport, int most) throws IOException {
        makeRoom(most > 0 && most <= Segment.SMALL);
        int end = most == 0 ? bytes.length : Math.min(bytes.length, limit + most);
        int n = transport.read(segment.slice(limit, end));
        if (n > 0) {
            for (long at = base + limit; at < 2 && at < base + limit + n; at++) {
                opening = opening << Byte.SIZE | bytes[(int) (at - base)] & 0xff;
            }
            limit += n;
        }
        return n;
    }

    /** Returns whether the stream begins as a connection of a TLS client does. */
    boolean beginsWithTls() {
        return opening == TLS_HELLO;
    }

    /** Counts bytes that were read past this buffer, while it was empty. */
    void passed(int count) {
        base += count;
    }

    /** Moves buffered bytes into an array, as many as fit; returns their number. */
    int take(byte[] into, int from, int to) {
        int n = Math.min(to - from, remaining());
        System.arraycopy(bytes, position, into, from, n);
        position += n;
        return n;
    }

    private void makeRoom(boolean little) {
        if (segment == null) {
            use(little ? Segment.takeSmall() : Segment.take());
            return;
        }
        int room = bytes.length - limit;
        if (room < bytes.length / 4) {
            int wanted = held < 0 ? position : held;
            int from = wanted - Math.min(wanted, REMEMBERED);
            if (limit - from <= bytes.length / 2) {
                move(segment, from);
            } else if (room == 0) {
                move(bytes.length < Segment.SIZE ? Segment.take()
                        : new Segment(bytes.length * 2), from);
            }
        }
    }

    private void use(Segment fresh) {
        if (rememberedLength > 0) {
            System.arraycopy(remembered, 0, fresh.bytes, 0, rememberedLength);
        }
        segment = fresh;
        bytes = fresh.bytes;
        base += position - rememberedLength;
        position = rememberedLength;
        limit = rememberedLength;
        rememberedLength = 0;
        if (held >= 0) {
            held = position;
        }
    }

    private void move(Segment to, int from) {
        Segment former = segment;
        System.arraycopy(bytes, from, to.bytes, 0, limit - from);
        segment = to;
        bytes = to.bytes;
        base += from;
        limit -= from;
        position -= from;
        if (held >= 0) {
            held -= from;
        }
        if (to != former) {
            former.release(); // last: an Error before leaves one owner, not two
        }
    }

    /** Keeps what is read from now on, for {@link #rewind}, until {@link #letGo}. */
    void hold() {
        held = position;
    }

    /** Makes everything that was read since {@link #hold} unread again. */
    void rewind() {
        position = held;
    }

    void letGo() {
        held = -1;
    }

    /** Returns how many bytes were read since {@link #hold}. */
    int holding() {
        return position - held;
    }

    /** Releases the memory when it holds nothing but what may be unread. */
    void releaseIfEmpty(int unreadable) {
        if (segment != null && position == limit && held < 0) {
            remember(Math.min(Math.min(unreadable, position), REMEMBERED));
            Segment former = segment;
            segment = null;
            bytes = NO_BYTES;
            base += position;
            position = 0;
            limit = 0;
            former.release();
        }
    }

    private void remember(int count) {
        if (count > 0) {
            if (remembered == null) {
                remembered = new byte[REMEMBERED];
            }
            System.arraycopy(bytes, position - count, remembered, 0, count);
        }
        rememberedLength = count;
    }

    /** Makes the last bytes that were read unread again; false when they are no longer known. */
    boolean unread(int count) {
        if (segment == null && count > 0 && count <= rememberedLength) {
            use(Segment.take());
        }
        if (count > position) {
            return false;
        }
        position -= count;
        return true;
    }

    /** Puts bytes that were read back in front, wherever they came from. */
    void putBack(byte[] source, int from, int count) {
        if (count == 0) {
            return;
        }
        if (segment == null) {
            use(Segment.take());
        }
        int rest = remaining();
        Segment target = new Segment(Math.max(Segment.SIZE, count + rest) + 1);
        System.arraycopy(source, from, target.bytes, 0, count);
        System.arraycopy(bytes, position, target.bytes, count, rest);
        Segment former = segment;
        base += position - count;
        segment = target;
        bytes = target.bytes;
        position = 0;
        limit = count + rest;
        former.release();
    }

    void clear() {
        position = limit;
        held = -1;
        rememberedLength = 0;
        releaseIfEmpty(0);
    }
}
