package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import parley.testing.Child;
import parley.testing.Descriptors;
import parley.testing.FullStack;

/** Whatever makes a descriptor or a process leaves none behind when the stack or the heap is full. */
class MakersFaultsTest {
    private static final int SUCCESSES = 5; // in a row: from then on there is room
    private static final int MANY = 500;
    private static final List<Datagrams.Part> PART =
            List.of(new Datagrams.Part(new byte[1], 0, 1));

    /** What makes descriptors, and puts them where no room is needed. */
    private enum Maker {
        SOCKET {
            @Override
            void make() throws IOException {
                made[count] = Sockets.socket("inet", "stream", 0);
            }
        },
        SOCKETPAIR {
            @Override
            void make() throws IOException {
                pairs[count] = Support.streams();
            }
        },
        ACCEPT {
            @Override
            void make() throws IOException {
                accepted[count] = Sockets.accept(server, 0);
            }
        },
        PIPE {
            @Override
            void make() throws IOException {
                pairs[count] = Descriptor.pipe();
            }
        },
        DUPLICATE {
            @Override
            void make() throws IOException {
                made[count] = server.duplicate();
            }
        },
        HANDLE {
            @Override
            void make() throws IOException {
                numbers[count] = new int[1];
                numbers[count][0] = Handles.register(Sockets.socket("inet", "stream", 0));
            }
        },
        HANDLES {
            @Override
            void make() throws IOException {
                numbers[count] = Handles.register(Support.streams());
            }
        },
        RECEIVED {
            @Override
            void make() throws IOException {
                Datagrams.Received received =
                        BlockingIo.receive(rights[1], PART, 64, 0, 0);
                controls[count] = received.control();
            }
        },
        DIRECTORY {
            @Override
            void make() throws IOException {
                made[count] = Handles.directory("/");
            }
        },
        PROCESS {
            @Override
            void make() throws IOException {
                shells[count] = ShellProcess.start("exec cat", true, true);
            }
        };

        final Descriptor[] made = new Descriptor[MANY];
        final Descriptor[][] pairs = new Descriptor[MANY][];
        final Sockets.Accepted[] accepted = new Sockets.Accepted[MANY];
        final ShellProcess[] shells = new ShellProcess[MANY];
        final int[][] numbers = new int[MANY][];
        final byte[][] controls = new byte[MANY][];
        final Descriptor[] rights; // descriptors are sent from the first to the second
        final Descriptor server;
        private final Descriptor[] clients = new Descriptor[100];
        int count;

        Maker() {
            try {
                server = Sockets.socket("inet", "stream", 0);
                Sockets.bind(server, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
                Sockets.listen(server, clients.length);
                rights = Support.streams();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        abstract void make() throws IOException;

        void attempt() throws IOException {
            make();
            count++;
        }

        /** Loads the classes, and lets clients wait for whoever accepts. */
        void prepare() throws IOException {
            SockAddr address = Sockets.localAddress(server);
            for (int i = 0; this == ACCEPT && i < clients.length; i++) {
                clients[i] = Sockets.socket("inet", "stream", 0);
                Sockets.connect(clients[i], address, Support.SECOND);
            }
            for (int i = 0; this == RECEIVED && i < clients.length; i++) {
                Datagrams.send(rights[0], PART, null, Support.rights(server.number(), 2), 0);
            }
            attempt();
            closeMade();
        }

        /** Closes what was made, and accepts and closes who still waits. */
        void closeMade() throws IOException {
            for (int i = 0; i < count; i++) {
                if (made[i] != null) {
                    made[i].close();
                } else if (pairs[i] != null) {
                    Support.closeAll(pairs[i]);
                } else if (accepted[i] != null) {
                    accepted[i].socket().close();
                } else if (shells[i] != null) {
                    shells[i].close();
                } else if (numbers[i] != null) {
                    closeHandles(numbers[i]);
                } else if (controls[i] != null && controls[i].length > 0) {
                    closeHandles(Support.rights(controls[i]));
                }
            }
            count = 0;
        }
    }

    private static void closeHandles(int... numbers) throws IOException {
        for (int number : numbers) {
            Handles.close(number);
        }
    }

    private static long open() {
        return Descriptors.targets().size();
    }

    private static long children() {
        return ProcessHandle.current().children().filter(MakersFaultsTest::runs).count();
    }

    /** Not so a zombie: on a full heap the JDK's thread that reaps it may end with an Error. */
    private static boolean runs(ProcessHandle process) {
        try {
            String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            return !stat.substring(stat.lastIndexOf(')')).startsWith(") Z");
        } catch (IOException e) {
            return false; // it has ended, and was reaped
        }
    }

    private static void nothingLeft(Maker maker, long descriptors, long processes)
            throws IOException {
        maker.closeMade();
        assertEquals(descriptors, open(), () -> maker + " leaves " + Descriptors.targets());
        Support.eventually(maker + " leaves processes", () -> children() <= processes);
    }

    @ParameterizedTest
    @EnumSource
    void a_full_stack_leaves_nothing_behind(Maker maker) throws Exception {
        long processes = children();
        maker.prepare();
        long descriptors = open();
        FullStack.probe(maker, maker::attempt, () -> null);
        nothingLeft(maker, descriptors, processes);
    }

    @Test
    void a_full_heap_leaves_nothing_behind() throws Exception {
        try (Child child = Child.java(List.of("-Xmx8m", "-XX:+UseSerialGC", "-XX:-UseTLAB"),
                FullHeap.class)) {
            child.answer("done");
        }
    }

    /** Makes things while the heap is full, with a little more room each time. */
    static final class FullHeap {
        private static Object[] ballast;

        private FullHeap() {}

        public static void main(String[] arguments) throws IOException {
            for (Maker maker : Maker.values()) {
                long processes = children();
                maker.prepare();
                long descriptors = open();
                int failures = probe(maker);
                nothingLeft(maker, descriptors, processes);
                System.out.println(maker + " failed " + failures + " times");
            }
            System.out.println("done");
        }

        private static int probe(Maker maker) {
            int failures = 0;
            fill();
            for (int successes = 0; successes < SUCCESSES && ballast != null;) {
                try {
                    maker.attempt();
                    successes++;
                } catch (OutOfMemoryError e) {
                    failures++;
                    successes = 0;
                } catch (IOException e) {
                    successes++;
                }
                for (int i = 0; ballast != null && i <= failures / 4; i++) {
                    ballast = (Object[]) ballast[0];
                }
            }
            ballast = null;
            return failures;
        }

        private static void fill() {
            for (int size = 1 << 20; size >= 4; size /= 8) {
                try {
                    for (;;) {
                        Object[] more = new Object[size];
                        more[0] = ballast;
                        ballast = more;
                    }
                } catch (OutOfMemoryError e) {
                    // now smaller ones
                }
            }
        }
    }
}
