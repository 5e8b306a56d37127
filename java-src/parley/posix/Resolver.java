package parley.posix;

import com.sun.jna.Pointer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import jnr.constants.platform.AddressInfo;
import jnr.constants.platform.ErrnoAddressInfo;
import jnr.constants.platform.NameInfo;

/**
 * Names to addresses and back by the C library: getaddrinfo(3) and getnameinfo(3).
 *
 * <pre>{@code
 * SockAddr address = SockAddr.of(InetAddress.getLoopbackAddress(), 80);
 * Resolver.Named named = Resolver.name(address, Set.of("numerichost"));
 * System.out.println(named.host() + " " + named.service()); // 127.0.0.1 http
 * }</pre>
 *
 * <p>These may ask name servers and then take long, in native code that nothing can wake. They run
 * on the {@link ResolverThreads}, so that the caller can be interrupted.
 */
public final class Resolver {
    private static final int HINTS = 48;
    private static final int MAX_HOST = 1025;
    private static final int MAX_SERVICE = 256;
    /** The two pointers of {@code struct addrinfo} that the platforms have the other way round. */
    private static final int ADDRESS = Posix.LINUX ? 24 : 32;
    private static final int NAME = Posix.LINUX ? 32 : 24;
    private static final int NEXT = 40;

    private Resolver() {}

    /**
     * A result of {@link #addresses}.
     *
     * @param flags the flags of the question
     * @param family {@code inet}, {@code inet6} …
     * @param type {@code stream}, {@code dgram} …
     * @param protocol the protocol's number
     * @param address where to connect or bind
     * @param name the canonical name, in the first result if requested, else null
     */
    public record Found(int flags, String family, String type, int protocol, SockAddr address,
            String name) {}

    /**
     * A host and a service, as {@link #name} returns them.
     *
     * @param host the name of the host, or its address as text
     * @param service the name of the service, or its port as text
     */
    public record Named(String host, String service) {}

    /**
     * A question for addresses; null and 0 leave a part open.
     *
     * @param node a host name or an address
     * @param service the name of a service or a port
     * @param family for example {@code inet}
     * @param type for example {@code stream}
     * @param protocol the number of a protocol
     * @param flags names of flags, for example {@code passive}
     */
    public record Question(String node, String service, String family, String type, int protocol,
            Set<String> flags) {}

    /**
     * Finds the addresses of a host and a service.
     *
     * @param question flags are {@code passive canonname numerichost numericserv v4mapped all
     *     addrconfig}
     * @return the addresses, at least one
     * @throws ResolverException when there are none: EAI_NONAME, EAI_AGAIN …
     * @throws java.io.InterruptedIOException when the thread is interrupted; its flag stays set
     */
    public static List<Found> addresses(Question question) throws IOException {
        Posix.require("getaddrinfo");
        int flags = 0;
        for (String flag : question.flags()) {
            flags |= addressFlag(flag);
        }
        byte[] node = text("getaddrinfo", question.node());
        byte[] service = text("getaddrinfo", question.service());
        String family = question.family() == null ? "unspec" : question.family();
        int type = question.type() == null ? 0 : Protocols.SocketTypes.type(question.type());
        int[] hints = {flags, Protocols.SocketTypes.domain(family), type, question.protocol()};
        return inThread(() -> lookUp(node, service, hints, question));
    }

    private static List<Found> lookUp(
            byte[] node, byte[] service, int[] hints, Question question) throws IOException {
        int size = HINTS + 8 + length(node) + length(service);
        try (NativeBuffer memory = NativeBuffer.take(size).zero(HINTS + 8)) {
            for (int i = 0; i < hints.length; i++) {
                memory.bytes.putInt(4 * i, hints[i]);
            }
            int at = HINTS + 8;
            long nodeAt = node == null ? 0 : memory.address + at;
            at = node == null ? at : memory.putText(at, node);
            long serviceAt = service == null ? 0 : memory.address + at;
            if (service != null) {
                memory.putText(at, service);
            }
            int code = LibC.getaddrinfo(
                    nodeAt, serviceAt, memory.address, memory.address + HINTS);
            check(code, "getaddrinfo(" + question.node() + ", " + question.service() + ")");
            long list = memory.bytes.getLong(HINTS);
            try {
                return collect(list);
            } finally {
                LibC.freeaddrinfo(list);
            }
        }
    }

    private static List<Found> collect(long list) {
        List<Found> all = new ArrayList<>();
        for (long at = list; at != 0; at = new Pointer(at).getLong(NEXT)) {
            Pointer info = new Pointer(at);
            byte[] address = new Pointer(info.getLong(ADDRESS))
                    .getByteArray(0, Math.min(info.getInt(16), SockAddr.MAX_SIZE));
            all.add(new Found(info.getInt(0), Protocols.SocketTypes.domainName(info.getInt(4)),
                    Protocols.SocketTypes.name(info.getInt(8)), info.getInt(12),
                    SockAddr.ofKernel(address), NativeBuffer.text(info.getLong(NAME))));
        }
        return List.copyOf(all);
    }

    /**
     * Finds the names of an address.
     *
     * @param flags of {@code nofqdn numerichost namereqd numericserv dgram}
     * @return the names of the host and of the service
     * @throws ResolverException when there are none
     * @throws java.io.InterruptedIOException when the thread is interrupted; its flag stays set
     */
    public static Named name(SockAddr address, Set<String> flags) throws IOException {
        Posix.require("getnameinfo");
        int sum = 0;
        for (String flag : flags) {
            sum |= nameFlag(flag);
        }
        int all = sum;
        return inThread(() -> lookUpName(address, all));
    }

    private static Named lookUpName(SockAddr address, int flags) throws IOException {
        byte[] bytes = address.bytes();
        int hostAt = SockAddr.MAX_SIZE;
        int serviceAt = hostAt + MAX_HOST;
        try (NativeBuffer memory = NativeBuffer.take(serviceAt + MAX_SERVICE)) {
            memory.bytes.put(0, bytes);
            int code = LibC.getnameinfo(memory.address, bytes.length, memory.address + hostAt,
                    MAX_HOST, memory.address + serviceAt, MAX_SERVICE, flags);
            check(code, "getnameinfo(" + address + ")");
            return new Named(NativeBuffer.text(memory.address + hostAt),
                    NativeBuffer.text(memory.address + serviceAt));
        }
    }

    private static <T> T inThread(Callable<T> lookUp) throws IOException {
        try {
            return ResolverThreads.run(lookUp, Long.MAX_VALUE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw (IOException) Poll.interrupted().initCause(e);
        } catch (TimeoutException e) {
            throw new AssertionError("a look-up without a deadline timed out", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }

    private static void check(int code, String call) throws IOException {
        if (code == ErrnoAddressInfo.EAI_SYSTEM.intValue()) {
            throw new PosixException(LibC.errno(), call);
        }
        if (code != 0) {
            ErrnoAddressInfo found = ErrnoAddressInfo.valueOf(code);
            boolean known = found != ErrnoAddressInfo.__UNKNOWN_CONSTANT__;
            throw new ResolverException(code, known ? found.name() : "EAI " + code, call,
                    NativeBuffer.words(LibC.gai_strerror(code)));
        }
    }

    private static byte[] text(String what, String text) {
        return text == null ? null : NativeBuffer.encoded(what, text);
    }

    private static int length(byte[] text) {
        return text == null ? 0 : text.length + 1;
    }

    private static int addressFlag(String name) {
        return switch (name) {
            case "passive" -> AddressInfo.AI_PASSIVE.intValue();
            case "canonname" -> AddressInfo.AI_CANONNAME.intValue();
            case "numerichost" -> AddressInfo.AI_NUMERICHOST.intValue();
            case "numericserv" -> AddressInfo.AI_NUMERICSERV.intValue();
            case "v4mapped" -> AddressInfo.AI_V4MAPPED.intValue();
            case "all" -> AddressInfo.AI_ALL.intValue();
            case "addrconfig" -> AddressInfo.AI_ADDRCONFIG.intValue();
            default -> throw new IllegalArgumentException("getaddrinfo: unknown flag " + name
                    + ", known are passive canonname numerichost numericserv v4mapped all"
                    + " addrconfig");
        };
    }

    private static int nameFlag(String name) {
        return switch (name) {
            case "nofqdn" -> NameInfo.NI_NOFQDN.intValue();
            case "numerichost" -> NameInfo.NI_NUMERICHOST.intValue();
            case "namereqd" -> NameInfo.NI_NAMEREQD.intValue();
            case "numericserv" -> NameInfo.NI_NUMERICSERV.intValue();
            case "dgram" -> NameInfo.NI_DGRAM.intValue();
            default -> throw new IllegalArgumentException("getnameinfo: unknown flag " + name
                    + ", known are nofqdn numerichost namereqd numericserv dgram");
        };
    }

    /**
     * The threads that ask the system's resolver, which can be neither interrupted nor timed. They
     * are few: while a name server is silent, later look-ups wait for a thread within their own
     * deadlines.
     */
    public static final class ResolverThreads {
        /** The most look-ups that run at once. */
        static final int MOST = 16;

        private static final AtomicInteger COUNT = new AtomicInteger();
        /** Keeps nothing: a look-up goes to an idle thread, or its caller waits for one. */
        private static final SynchronousQueue<Runnable> HAND = new SynchronousQueue<>(true);
        private static final ThreadPoolExecutor POOL = new ThreadPoolExecutor(
                0, MOST, 500, TimeUnit.MILLISECONDS, HAND, ResolverThreads::thread);

        private ResolverThreads() {}

        private static Thread thread(Runnable body) {
            return OwnThreads.daemon("parley-resolver-" + COUNT.incrementAndGet(), body);
        }

        /**
         * Runs a look-up on one of the threads and waits for the result.
         *
         * @param <T> the type of the result
         * @param nanos how long to wait at most, for a thread and for the result
         * @return what the look-up returns
         * @throws TimeoutException when the time has passed; the look-up ends by itself
         * @throws InterruptedException when the thread is interrupted
         * @throws ExecutionException with what the look-up threw
         * @throws IOException when no thread can be started
         */
        public static <T> T run(Callable<T> lookUp, long nanos)
                throws IOException, TimeoutException, InterruptedException, ExecutionException {
            long end = System.nanoTime() + nanos;
            FutureTask<T> task = new FutureTask<>(lookUp);
            if (!start(task) && !HAND.offer(task, nanos, TimeUnit.NANOSECONDS)) {
                throw new TimeoutException();
            }
            try {
                return task.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            } finally {
                task.cancel(true);
            }
        }

        /** Returns false when all threads are busy; an idle one is preferred to a new one. */
        private static boolean start(FutureTask<?> task) throws IOException {
            try {
                POOL.execute(task);
                return true;
            } catch (RejectedExecutionException e) {
                return false;
            } catch (OutOfMemoryError e) { // the system has no thread left
                if (POOL.getPoolSize() == 0) {
                    throw new IOException("no thread for a look-up can be started: " + e.getMessage());
                }
                return false;
            }
        }
    }
}
