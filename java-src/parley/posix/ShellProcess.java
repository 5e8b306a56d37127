package parley.posix;

import java.io.File;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/**
 * A shell command whose standard input, output or both are real pipes of this process, so that they
 * can be polled.
 *
 * <pre>{@code
 * try (ShellProcess date = ShellProcess.start("date", true, false)) {
 *     BlockingIo.read(date.input(), bytes, 0, bytes.length, Long.MAX_VALUE);
 * }
 * }</pre>
 *
 * <p>The command is run by the JDK, which closes every other descriptor in the child, reaps it and
 * keeps its exit status. What is not a pipe, standard error always, is this process's own.
 *
 * <p>Thread-safe.
 */
public final class ShellProcess implements AutoCloseable {
    private static final String SHELL = "/bin/sh";
    private static final int ROOM = 1 << 16;

    private static volatile Object room; // written so that the room is really allocated

    private final Process process; // thread-safe
    private final Descriptor input; // immutable; null when its output is not ours
    private final Descriptor output; // immutable; null when its input is not ours

    private ShellProcess(Process process, Descriptor input, Descriptor output) {
        this.process = process;
        this.input = input;
        this.output = output;
    }

    /**
     * Starts {@code /bin/sh -c command} in the JVM's directory and environment.
     *
     * @param reads whether to read what the command writes to its standard output
     * @param writes whether to write what the command reads from its standard input
     * @throws IOException when the command cannot be started
     */
    public static ShellProcess start(String command, boolean reads, boolean writes)
            throws IOException {
        Posix.require("shell process");
        StackSafeLock.reserveStackToStart();
        Descriptor[] from = reads ? Descriptor.pipe() : null;
        Descriptor[] to = null;
        Process process = null;
        ShellProcess shell = null;
        try {
            to = writes ? Descriptor.pipe() : null;
            process = start(command, reads ? from[1] : null, writes ? to[0] : null);
            shell = new ShellProcess(process, reads ? from[0] : null, writes ? to[1] : null);
            return shell;
        } finally {
            if (from != null) {
                close(from, 1, shell != null ? 1 : 0);
            }
            if (to != null) {
                close(to, 0, shell != null ? 0 : 1);
            }
            if (process != null && shell == null) {
                process.destroyForcibly();
            }
        }
    }

    private static void close(Descriptor[] pipe, int theirs, int other) {
        pipe[theirs].close();
        pipe[other].close();
    }

    /** Starts the command with the child's ends of the pipes, which it gets in blocking mode. */
    private static Process start(String command, Descriptor itsOutput, Descriptor itsInput)
            throws IOException {
        ProcessBuilder builder = new ProcessBuilder(SHELL, "-c", command).inheritIO();
        if (itsOutput != null) {
            builder.redirectOutput(file(itsOutput));
        }
        if (itsInput != null) {
            builder.redirectInput(file(itsInput));
        }
        reserveHeap();
        return builder.start();
    }

    /**
     * Makes sure that the JDK has room for its own objects. It opens the redirected files before
     * it registers how they are closed, and starts the process before it makes the thread that
     * reaps it. An OutOfMemoryError in between would leave a descriptor, or a process that nothing
     * refers to and that stays as a zombie.
     */
    private static void reserveHeap() {
        room = new byte[ROOM];
        room = null;
    }

    /** A name under which the JDK can open the pipe: Linux opens it anew, macOS duplicates it. */
    private static File file(Descriptor end) throws IOException {
        end.nonblocking(false);
        return new File("/dev/fd/" + end.number());
    }

    /** {@return what the command writes, or null when that was not asked for} */
    public Descriptor input() {
        return input;
    }

    /** {@return what the command reads, or null when that was not asked for} */
    public Descriptor output() {
        return output;
    }

    /** {@return the number of the shell's process} */
    public long pid() {
        return process.pid();
    }

    /** {@return true while the shell runs} */
    public boolean isAlive() {
        return process.isAlive();
    }

    /**
     * {@return the exit status, 128 and the signal's number for a command that a signal ended, or
     * null while it runs}
     */
    public Integer exitStatus() {
        return process.isAlive() ? null : process.exitValue();
    }

    /**
     * Waits for the command to end.
     *
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever
     * @return the exit status, null when the wait timed out
     * @throws InterruptedException when the thread is interrupted
     */
    public Integer waitFor(long timeoutNanos) throws InterruptedException {
        return process.waitFor(timeoutNanos, TimeUnit.NANOSECONDS) ? process.exitValue() : null;
    }

    /**
     * Ends the shell by a signal, if it still runs.
     *
     * @param forcibly SIGKILL, which it cannot refuse, instead of SIGTERM
     */
    public void kill(boolean forcibly) {
        if (forcibly) {
            process.destroyForcibly();
        } else {
            process.destroy();
        }
    }

    /**
     * Closes the pipes. The command goes on until it has read the end of its input, or writes to
     * the closed pipe. When it ends it is reaped.
     */
    @Override
    public void close() {
        if (input != null) {
            input.close();
        }
        if (output != null) {
            output.close();
        }
    }

    @Override
    public String toString() {
        return "#<shell process " + pid() + (isAlive() ? ">" : " status " + exitStatus() + ">");
    }
}
