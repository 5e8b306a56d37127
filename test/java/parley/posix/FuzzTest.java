package parley.posix;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.testing.Race.Rounds;
import parley.testing.Seeds;

/** Arguments at random: an exception that says what is wrong, never a crash, never a lost byte. */
@Timeout(180)
class FuzzTest {
    private static final int ROUNDS = Rounds.of(20_000, 1_000_000);

    private Random random; // of the seed under way

    private int anyInt() {
        return switch (random.nextInt(6)) {
            case 0 -> random.nextInt();
            case 1 -> Integer.MAX_VALUE - random.nextInt(3);
            case 2 -> Integer.MIN_VALUE + random.nextInt(3);
            case 3 -> -random.nextInt(70);
            default -> random.nextInt(70);
        };
    }

    private byte[] anyBytes(byte[] usual) {
        return switch (random.nextInt(20)) {
            case 0 -> null;
            case 1 -> new byte[0];
            case 2 -> new byte[random.nextInt(200_000)];
            default -> usual;
        };
    }

    @Test
    void RAW_3_random_arguments_never_crash_the_jvm() throws Exception {
        Seeds.with(this::call);
    }

    private void call(Random source) throws IOException {
        random = source;
        List<Descriptor> victims = new ArrayList<>();
        victims.addAll(List.of(Support.streams()));
        victims.addAll(List.of(Sockets.socketpair("unix", "dgram", 0)));
        victims.addAll(List.of(Descriptor.pipe()));
        victims.add(Sockets.socket("inet", "stream", 0));
        Descriptor closed = Sockets.socket("inet", "stream", 0);
        closed.close();
        victims.add(closed);
        byte[] usual = new byte[64];
        int failures = 0;
        for (int i = 0; i < ROUNDS; i++) {
            Descriptor victim = victims.get(random.nextInt(victims.size()));
            try {
                call(victim, anyBytes(usual));
            } catch (IOException | IllegalArgumentException | UnsupportedOperationException e) {
                failures++;
                assertTrue(e.getMessage() != null && e.getMessage().length() > 8, e::toString);
            } catch (RuntimeException | Error e) {
                throw new AssertionError(e.toString(), e);
            }
        }
        assertTrue(failures > ROUNDS / 10);
        victims.forEach(Descriptor::close);
    }

    private void call(Descriptor victim, byte[] bytes) throws IOException {
        switch (random.nextInt(16)) {
            case 0 -> victim.read(bytes, anyInt(), anyInt());
            case 1 -> victim.write(bytes, anyInt(), anyInt());
            case 2 -> victim.recv(bytes, anyInt(), anyInt(), anyInt());
            case 3 -> victim.send(bytes, anyInt(), anyInt(), anyInt());
            case 4 -> Datagrams.receive(victim, bytes, anyInt(), anyInt(), anyInt());
            case 5 -> Datagrams.send(victim, bytes, anyInt(), anyInt(), address(), anyInt());
            case 6 -> Datagrams.receive(victim, parts(bytes), anyInt(), 0);
            case 7 -> Sockets.option(victim, anyInt(), anyInt(), anyInt());
            case 8 -> option().set(victim, value());
            case 9 -> option().get(victim);
            case 10 -> Sockets.bind(victim, address());
            case 11 -> Sockets.accept(victim, 0);
            case 12 -> Sockets.localAddress(victim);
            case 13 -> Sockets.peerAddress(victim);
            case 14 -> Poll.check(new Poll.Entry[] {new Poll.Entry(victim, anyInt(), null)},
                    random.nextInt(4) - 1);
            default -> Descriptor.duplicate(1 << 20 | random.nextInt() & 0x7fffffff,
                    new Descriptor.ResetMemory()).close();
        }
    }

    private List<Datagrams.Part> parts(byte[] bytes) {
        List<Datagrams.Part> parts = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            parts.add(new Datagrams.Part(bytes, random.nextInt(70) - 2, random.nextInt(70) - 2));
        }
        return parts;
    }

    /** Never an address that something on the machine could answer at. */
    private SockAddr address() {
        String[] families = {"inet", "inet6", "unix", "unspec", "packet", "99"};
        byte[] data = new byte[random.nextInt(130)];
        return SockAddr.of(families[random.nextInt(families.length)], data);
    }

    private DescriptorOption option() {
        DescriptorOption[] all = DescriptorOption.values();
        return all[random.nextInt(all.length)];
    }

    private Object value() {
        Object[] values = {null, true, anyInt(), random.nextLong(), random.nextDouble(), "x",
            Duration.ofNanos(random.nextLong())};
        return values[random.nextInt(values.length)];
    }
}
