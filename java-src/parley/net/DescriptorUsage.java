package parley.net;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.Pipe;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import parley.net.wait.Log;
import parley.posix.Posix;
import parley.posix.StackSafeLock;

/**
 * Counts the open descriptors of this process, with their limit, for messages when no other can be
 * opened. Linux has the limit in a file, which is opened while that is possible and kept: a read
 * from its start returns the current limit. Other systems report nothing.
 */
final class DescriptorUsage {
    private static final Path OWN = Path.of("/proc/self/fd");
    private static final Path LIMITS = Path.of("/proc/self/limits");
    private static final Pattern LIMIT = Pattern.compile("Max open files +(\\d+)");
    private static final int LONGEST = 8192;

    private static final StackSafeLock LOCK = new StackSafeLock();
    private static final RandomAccessFile FILE = open(); // its position is guarded by LOCK

    private static volatile boolean prepared;

    private DescriptorUsage() {
    }

    /**
     * Loads, before the first stream or server is made, what cannot be loaded once descriptors have
     * run out, and may then never be: the JDK's dispatcher of writes, the C library, and what
     * telling of the exhaustion takes. Does nothing when it has been done.
     *
     * @throws IOException if too few descriptors are left; the next call tries again
     */
    static void prepare() throws IOException {
        if (prepared) {
            return;
        }
        Posix.requireDescriptors();
        Pipe pipe = Pipe.open();
        pipe.source().close();
        pipe.sink().close();
        Posix.available();
        Log.prepare();
        ErrorCode.isExhaustion(Errors.again("accept", "an example", new IOException("an example")));
        count();
        prepared = true;
    }

    private static RandomAccessFile open() {
        try {
            return Files.isReadable(LIMITS) ? new RandomAccessFile(LIMITS.toString(), "r") : null;
        } catch (IOException e) {
            return null; // out of descriptors already, or not allowed to look
        }
    }

    /**
     * {@return the numbers as messages show them, such as {@code "; 1024 of 1024 descriptors
     * are in use"}; only the limit where the system does not count (Linux before 6.2); empty when
     * it reports nothing}
     */
    static String count() {
        try {
            String limit = limit();
            if (limit == null) {
                return "";
            }
            long used = Files.size(OWN); // a call that takes no descriptor
            return used > 0 ? "; " + used + " of " + limit + " descriptors are in use"
                    : "; the limit is " + limit + " descriptors";
        } catch (IOException e) {
            return ""; // the message is complete without it
        }
    }

    private static String limit() throws IOException {
        if (FILE == null) {
            return null;
        }
        byte[] text = new byte[LONGEST];
        int length = 0;
        LOCK.lock();
        try {
            FILE.seek(0);
            for (int n = FILE.read(text); n > 0; n = FILE.read(text, length, LONGEST - length)) {
                length += n;
            }
        } finally {
            LOCK.unlock();
        }
        Matcher found = LIMIT.matcher(new String(text, 0, length, StandardCharsets.US_ASCII));
        return found.find() ? found.group(1) : null;
    }
}
