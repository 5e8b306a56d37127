import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import parley.net.DescriptorStreams;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.Parley;
import parley.net.ServerOptions;
import parley.net.SocketOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamOptions;
import parley.posix.DescriptorOption;

/** A program whose class path is Parley's jar and nothing else. */
public final class Alone {
    private interface Call {
        Object run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        print("version", Parley.version());
        ServerOptions options = ServerOptions.builder().host("127.0.0.1").build();
        try (SocketServer server = SocketServer.listen(options);
                SocketStream client = SocketStream.connect("127.0.0.1", server.port(), StreamOptions.DEFAULT);
                SocketStream peer = server.accept();
                StatusSet set = new StatusSet()) {
            client.out().writeLine("gr\u00fc\u00df dich");
            client.out().flush();
            set.add(peer, Direction.INPUT);
            print("actionable", set.check(Duration.ofSeconds(30)).actionable());
            print("line", peer.in().readLine().equals("gr\u00fc\u00df dich"));
            client.elementType(ElementType.UNSIGNED_BYTE_8);
            client.out().writeByte(200);
            client.out().flush();
            peer.elementType(ElementType.UNSIGNED_BYTE_8);
            print("byte", peer.in().readByte());
            jdkOptions(client, server);
            missing(client, server);
        }
        everyFunction(Path.of(arguments[0]));
    }

    private static void jdkOptions(SocketStream client, SocketServer server) throws IOException {
        for (DescriptorOption flag : new DescriptorOption[] {DescriptorOption.SO_KEEPALIVE,
            DescriptorOption.SO_REUSEADDR}) {
            SocketOptions.set(client, flag, true);
            print(flag.key(), SocketOptions.set(client, flag, null) + " " + SocketOptions.get(client, flag));
        }
        print("tcp-nodelay", SocketOptions.get(client, DescriptorOption.TCP_NODELAY));
        print("so-linger", SocketOptions.set(client, DescriptorOption.SO_LINGER, 3L) + " "
                + SocketOptions.set(client, DescriptorOption.SO_LINGER, null) + " "
                + SocketOptions.get(client, DescriptorOption.SO_LINGER));
        print("ip-tos", SocketOptions.set(client, DescriptorOption.IP_TOS, 16) + " "
                + SocketOptions.get(client, DescriptorOption.IP_TOS));
        print("so-rcvbuf", (Integer) SocketOptions.get(server, DescriptorOption.SO_RCVBUF) > 0);
        print("so-rcvtimeo", SocketOptions.set(client, DescriptorOption.SO_RCVTIMEO, Duration.ofMillis(1)) + " "
                + SocketOptions.get(client, DescriptorOption.SO_RCVTIMEO));
        print("times out", failure(() -> client.in().readByte()).getClass().getSimpleName());
        print("so-sndtimeo", SocketOptions.set(server, DescriptorOption.SO_SNDTIMEO, Duration.ofSeconds(2)) + " "
                + SocketOptions.get(server, DescriptorOption.SO_SNDTIMEO));
        print("wrong value", failure(() -> SocketOptions.set(client, DescriptorOption.SO_LINGER, "x")).getMessage());
    }

    private static void missing(SocketStream client, SocketServer server) {
        Call[] calls = {
            () -> SocketOptions.get(client, DescriptorOption.SO_RCVLOWAT),
            () -> SocketOptions.set(server, DescriptorOption.IPV6_V6ONLY, true),
            () -> SocketOptions.handles(client),
            () -> DescriptorStreams.of(1, Direction.OUTPUT, StreamOptions.DEFAULT),
            () -> DescriptorStreams.pipe("true", Direction.INPUT, StreamOptions.DEFAULT),
            DescriptorStreams::keyboard};
        for (Call call : calls) {
            print("missing", failure(call));
        }
    }

    /** Calls every public static method with nothing, and prints those that lack a class. */
    private static void everyFunction(Path jar) throws Exception {
        try (JarFile file = new JarFile(jar.toFile())) {
            Enumeration<JarEntry> entries = file.entries();
            while (entries.hasMoreElements()) {
                String name = entries.nextElement().getName();
                // Nested types of what is not public may lack the classes that they extend.
                if (name.matches("parley/(net|posix)/[A-Z]\\w*\\.class")) {
                    functionsOf(Class.forName(name.replace('/', '.').replace(".class", ""), false,
                            Alone.class.getClassLoader()));
                }
            }
        }
        print("end", "reached");
        System.exit(0);
    }

    private static void functionsOf(Class<?> type) throws Exception {
        if (!Modifier.isPublic(type.getModifiers())) {
            return;
        }
        for (Method method : type.getMethods()) {
            if (Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() == type) {
                Object[] nothing = new Object[method.getParameterCount()];
                for (int i = 0; i < nothing.length; i++) {
                    nothing[i] = Array.get(Array.newInstance(method.getParameterTypes()[i], 1), 0);
                }
                try {
                    method.invoke(null, nothing);
                } catch (InvocationTargetException e) {
                    if (e.getCause() instanceof LinkageError) {
                        print("linkage", method + ": " + e.getCause());
                    }
                }
            }
        }
    }

    private static Exception failure(Call call) {
        try {
            throw new AssertionError("no failure, but " + call.run());
        } catch (Exception e) {
            return e;
        }
    }

    private static void print(String name, Object value) {
        System.out.println(name + ": " + value);
    }
}
