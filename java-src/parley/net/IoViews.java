package parley.net;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PushbackReader;
import java.io.Reader;
import java.io.Writer;
import java.util.Objects;

/**
 * The classes of {@code java.io} over a stream's own buffers: none keeps anything to itself, so
 * that they can be mixed with each other and with the stream's operations. As {@code java.io} wants
 * it, using a closed one is an {@link IOException}.
 */
final class IoViews {
    private IoViews() {
    }

    private interface Call<T> {
        T run() throws IOException;
    }

    private interface Action {
        void run() throws IOException;
    }

    private static <T> T open(SocketStream stream, Call<T> call) throws IOException {
        try {
            return call.run();
        } catch (IllegalStateException e) {
            throw closed(stream, e);
        }
    }

    private static void run(SocketStream stream, Action action) throws IOException {
        try {
            action.run();
        } catch (IllegalStateException e) {
            throw closed(stream, e);
        }
    }

    /** Misuse of a closed stream is an IOException here, as users of java.io expect. */
    private static IOException closed(SocketStream stream, IllegalStateException e) {
        if (stream.isOpen()) {
            throw e;
        }
        return Errors.closedView(e);
    }

    /** Characters in; reading pushes back into the stream itself. */
    static final class StreamReader extends PushbackReader {
        private final SocketStream stream;
        private final StreamInput in;

        StreamReader(SocketStream stream) {
            super(Reader.nullReader(), 1); // never used: every method is overridden
            this.stream = stream;
            this.in = stream.in();
        }

        @Override
        public int read() throws IOException {
            return open(stream, in::readChar);
        }

        @Override
        public int read(char[] into, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, into.length);
            int end = open(stream, () -> in.readChars(into, offset, offset + length,
                    WaitMode.INTERACTIVE));
            return end == offset && length > 0 ? -1 : end - offset;
        }

        @Override
        public void unread(int c) throws IOException {
            if (c >= 0) {
                run(stream, () -> in.pushBack(c));
            }
        }

        @Override
        public void unread(char[] chars, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, chars.length);
            for (int i = offset + length - 1; i >= offset; i--) {
                unread(chars[i]);
            }
        }

        @Override
        public void unread(char[] chars) throws IOException {
            unread(chars, 0, chars.length);
        }

        @Override
        public boolean ready() throws IOException {
            return open(stream, () -> !in.readCharWillHang());
        }

        @Override
        public long skip(long count) throws IOException {
            if (count < 0) {
                throw new IllegalArgumentException(Errors.name("skip") + ": the count is " + count + ", expected 0 or more");
            }
            long skipped = 0;
            while (skipped < count && read() >= 0) {
                skipped++;
            }
            return skipped;
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }

        @Override
        public String toString() {
            return "#<reader of " + stream + ">";
        }
    }

    /**
     * Characters and lines in, for callers that want a {@link BufferedReader}; it keeps no buffer.
     */
    static final class LineReader extends BufferedReader {
        private final SocketStream stream;
        private final StreamReader reader;

        LineReader(SocketStream stream) {
            super(Reader.nullReader(), 1); // never used: every method is overridden
            this.stream = stream;
            this.reader = new StreamReader(stream);
        }

        @Override
        public String readLine() throws IOException {
            return open(stream, stream.in()::readLine);
        }

        @Override
        public int read() throws IOException {
            return reader.read();
        }

        @Override
        public int read(char[] into, int offset, int length) throws IOException {
            return reader.read(into, offset, length);
        }

        @Override
        public boolean ready() throws IOException {
            return reader.ready();
        }

        @Override
        public long skip(long count) throws IOException {
            return reader.skip(count);
        }

        @Override
        public boolean markSupported() {
            return false;
        }

        @Override
        public void mark(int limit) throws IOException {
            throw new IOException(Errors.name("mark") + ": the reader of " + stream + " has no mark, expected"
                    + " a BufferedReader over it, which reads ahead");
        }

        @Override
        public void reset() throws IOException {
            throw new IOException(Errors.name("reset") + ": the reader of " + stream + " has no mark to return to");
        }

        @Override
        public void close() throws IOException {
            reader.close();
        }

        @Override
        public String toString() {
            return reader.toString();
        }
    }

    /** Characters out. */
    static final class StreamWriter extends Writer {
        private final SocketStream stream;

        StreamWriter(SocketStream stream) {
            this.stream = stream;
        }

        @Override
        public void write(int c) throws IOException {
            run(stream, () -> stream.out().writeChar(c & 0xffff));
        }

        @Override
        public void write(char[] chars, int offset, int length) throws IOException {
            write(new String(chars, offset, length));
        }

        @Override
        public void write(String text) throws IOException {
            run(stream, () -> stream.out().writeString(text));
        }

        @Override
        public void write(String text, int offset, int length) throws IOException {
            write(text.substring(offset, offset + length));
        }

        @Override
        public void flush() throws IOException {
            run(stream, stream.out()::flush);
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }

        @Override
        public String toString() {
            return "#<writer of " + stream + ">";
        }
    }

    /** Bytes in, whatever the element type. */
    static final class ByteInput extends InputStream {
        private final SocketStream stream;

        ByteInput(SocketStream stream) {
            this.stream = stream;
        }

        @Override
        public int read() throws IOException {
            return open(stream, stream.in()::viewByte);
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, into.length);
            int end = open(stream, () -> stream.in().viewBytes(into, offset, offset + length,
                    WaitMode.INTERACTIVE));
            return end == offset && length > 0 ? -1 : end - offset;
        }

        @Override
        public int available() throws IOException {
            return open(stream, stream.in()::available);
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }

        @Override
        public String toString() {
            return "#<byte input of " + stream + ">";
        }
    }

    /** Bytes out, whatever the element type. */
    static final class ByteOutput extends OutputStream {
        private final SocketStream stream;

        ByteOutput(SocketStream stream) {
            this.stream = stream;
        }

        @Override
        public void write(int value) throws IOException {
            run(stream, () -> stream.out().viewByte(value));
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, bytes.length);
            run(stream, () ->
                    stream.out().viewBytes(bytes, offset, offset + length, WaitMode.FULL));
        }

        @Override
        public void flush() throws IOException {
            run(stream, stream.out()::flush);
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }

        @Override
        public String toString() {
            return "#<byte output of " + stream + ">";
        }
    }
}
