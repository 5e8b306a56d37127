package parley.posix;

import com.sun.jna.Pointer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** C strings, and arrays of them. */
final class NativeText {
    /** The charset in which the JDK has texts and paths of the system. */
    static final Charset JDKS = jdks();

    private NativeText() {}

    private static Charset jdks() {
        String name = System.getProperty("sun.jnu.encoding", "");
        return Charset.isSupported(name) ? Charset.forName(name) : Charset.defaultCharset();
    }

    /** The text at an address; null for the null pointer. */
    static String at(long address) {
        return address == 0 ? null : new Pointer(address).getString(0, "UTF-8");
    }

    /** Returns a text of the C library for people, as the JDK decodes it; null for null. */
    static String words(long address) {
        if (address == 0) {
            return null;
        }
        Pointer start = new Pointer(address);
        return new String(start.getByteArray(0, (int) start.indexOf(0, (byte) 0)), JDKS);
    }

    /** The texts of an array of addresses that a null pointer ends. */
    static List<String> allAt(long address) {
        List<String> texts = new ArrayList<>();
        Pointer array = address == 0 ? null : new Pointer(address);
        for (long at = 0; array != null && array.getLong(at) != 0; at += 8) {
            texts.add(at(array.getLong(at)));
        }
        return List.copyOf(texts);
    }

    /** The bytes of a text, which must not have a zero character, for {@code putText}. */
    static byte[] bytes(String what, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(what + ": the text has a zero character in it, at "
                    + text.indexOf('\0'));
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
