package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The set, with epoll and with poll. */
@Timeout(180)
class DescriptorSetTest {
    private static List<Object> ready(DescriptorSet set) throws Exception {
        List<Object> found = new ArrayList<>();
        int count = set.check(entry -> found.add(entry.attachment() + " " + entry.ready()));
        assertEquals(count, found.size());
        return found;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theReadyOnesAreToldAsLongAsTheyAreReady(boolean withPoll) throws Exception {
        Descriptor[] pair = Support.streams();
        try (DescriptorSet set = new DescriptorSet(withPoll)) {
            DescriptorSet.Entry entry = set.add(pair[0], Poll.IN, "a");
            assertEquals(List.of(), ready(set));
            pair[1].write(new byte[1], 0, 1);
            assertEquals(List.of("a 1"), ready(set));
            assertEquals(List.of("a 1"), ready(set));
            entry.events(Poll.IN | Poll.OUT);
            assertEquals(List.of("a 5"), ready(set));
            entry.events(0);
            assertEquals(List.of(), ready(set));
            pair[1].close();
            assertEquals(List.of(), ready(set), "no hang-up either");
            entry.events(Poll.IN);
            assertEquals(1, ready(set).size());
            entry.remove();
            entry.remove();
            assertEquals(List.of(), ready(set));
        }
        Support.closeAll(pair);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aFileIsAlwaysReady(boolean withPoll, @TempDir Path directory) throws Exception {
        Path file = Files.writeString(directory.resolve("f"), "x");
        Descriptor descriptor = Descriptor.own(FileNumbers.open(file));
        try (DescriptorSet set = new DescriptorSet(withPoll)) {
            DescriptorSet.Entry entry = set.add(descriptor, Poll.IN, "f");
            assertEquals(List.of("f 1"), ready(set));
            entry.events(0);
            assertEquals(List.of(), ready(set));
        }
        descriptor.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aWatchIsToldOfReadinessAndOfClosing(boolean withPoll) throws Exception {
        Descriptor[] pair = Support.streams();
        try (DescriptorSet set = new DescriptorSet(withPoll)) {
            set.add(pair[0], Poll.IN, "a");
            Semaphore told = new Semaphore(0);
            Runnable end = set.watch(told::release);
            pair[1].write(new byte[1], 0, 1);
            assertTrue(told.tryAcquire(5, TimeUnit.SECONDS));
            end.run();
            pair[0].read(new byte[1], 0, 1);
            end = set.watch(told::release);
            pair[0].close();
            assertTrue(told.tryAcquire(5, TimeUnit.SECONDS));
            end.run();
            assertEquals(List.of(), ready(set));
            Descriptor closed = pair[0];
            assertThrows(ClosedDescriptorException.class, () -> set.add(closed, Poll.IN, "b"));
        }
        Support.closeAll(pair);
    }

    @Test
    void aWaitIsEndedByDataWakeCloseAndInterrupt() throws Exception {
        Descriptor[] pair = Support.streams();
        try (DescriptorSet set = new DescriptorSet()) {
            set.add(pair[0], Poll.IN, "a");
            List<Runnable> ends = List.of(set::wake, () -> write(pair[1]), pair[0]::close);
            for (Runnable end : ends) {
                Thread waiting = Support.start("test-waiting", () -> await(set));
                Support.untilIn(waiting, "epoll_wait");
                end.run();
                Support.join(waiting);
                if (pair[0].isOpen()) {
                    pair[0].read(new byte[1], 0, 1);
                }
            }
            Thread waiting = Support.start("test-waiting", () -> await(set));
            Support.untilIn(waiting, "epoll_wait");
            waiting.interrupt();
            Support.join(waiting);
        }
        Support.closeAll(pair);
    }

    @Test
    void aWakeBeforeTheWaitIsNotLostToACheck() throws Exception {
        Descriptor[] pair = Support.streams();
        try (DescriptorSet set = new DescriptorSet()) {
            set.add(pair[0], Poll.IN, "a");
            set.wake();
            assertEquals(List.of(), ready(set));
            await(set);
            long start = System.nanoTime();
            set.await(Support.SECOND / 20, entry -> { });
            assertTrue(System.nanoTime() - start >= Support.SECOND / 20, "taken by the first wait");
        }
        Support.closeAll(pair);
    }

    private static void await(DescriptorSet set) {
        try {
            set.await(Long.MAX_VALUE, entry -> { });
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void write(Descriptor descriptor) {
        try {
            descriptor.write(new byte[1], 0, 1);
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void closingGivesItsDescriptorsBack(boolean withPoll) throws Exception {
        Support.eventually("the watcher of another test is gone",
                () -> !Support.threadExists("parley-descriptors"));
        Descriptor[] pair = Support.streams();
        int before = Support.openNumbers();
        for (int i = 0; i < 10; i++) {
            DescriptorSet set = new DescriptorSet(withPoll);
            set.add(pair[0], Poll.IN, "a");
            set.close();
            set.close();
        }
        assertEquals(before, Support.openNumbers());
        Support.closeAll(pair);
    }
}
