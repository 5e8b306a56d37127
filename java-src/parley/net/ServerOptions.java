package parley.net;

import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Where and how a server listens (the arguments of CLISP's {@code SOCKET:SOCKET-SERVER}).
 * Immutable; {@link #builder()} to begin with.
 *
 * <pre>{@code
 * ServerOptions.builder().host("127.0.0.1").port(7007).backlog(64).build();
 * ServerOptions.builder().path(Path.of("/run/app.sock")).build(); // a Unix-domain socket
 * }</pre>
 */
public final class ServerOptions {
    private final int port;
    private final String host;
    private final int backlog;
    private final Path path;
    private final Set<PosixFilePermission> mode;
    private final boolean loopback;
    private final boolean reusePort;

    private ServerOptions(Builder b) {
        port = b.port;
        host = b.host;
        backlog = b.backlog;
        path = b.path;
        mode = b.mode;
        loopback = b.loopback;
        reusePort = b.reusePort;
    }

    /** {@return a builder that holds the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return the port, 0 to 65535; 0, the default, lets the system choose} */
    public int port() {
        return port;
    }

    /**
     * {@return the interface to listen on, as a name or an address; null, the default, stands for
     * all interfaces of IPv4}
     */
    public String host() {
        return host;
    }

    /**
     * {@return how many connections may wait to be accepted; 128 by default. The system has a limit
     * of its own}
     */
    public int backlog() {
        return backlog;
    }

    /** {@return the file of a Unix-domain server; null, the default, for TCP} */
    public Path path() {
        return path;
    }

    /** {@return the permissions of the file of a Unix-domain server; its owner only by default} */
    public Set<PosixFilePermission> mode() {
        return mode;
    }

    /**
     * {@return whether the server listens on both loopback addresses, 127.0.0.1 and ::1, on one
     * port; false by default}
     */
    public boolean loopback() {
        return loopback;
    }

    /**
     * {@return whether other sockets may listen on the same port (SO_REUSEPORT), so that the system
     * distributes connections among them; false by default}
     */
    public boolean reusePort() {
        return reusePort;
    }

    /**
     * Collects options. Each method returns this builder, and throws {@link
     * IllegalArgumentException} for a value that it does not describe.
     */
    public static final class Builder {
        /** As large as the system allows (somaxconn): what servers for many clients want. */
        public static final int LARGEST_BACKLOG = 65535;

        private int port;
        private String host;
        private int backlog = 128;
        private Path path;
        private Set<PosixFilePermission> mode = PosixFilePermissions.fromString("rw-------");
        private boolean loopback;
        private boolean reusePort;

        private Builder() {
        }

        /** Sets {@link ServerOptions#port()}: 0 to 65535. */
        public Builder port(int port) {
            this.port = Addresses.checkPort("socket-server", port);
            return this;
        }

        /** Sets {@link ServerOptions#host()}: null, a name or an address. */
        public Builder host(String host) {
            this.host = host;
            this.loopback = false;
            return this;
        }

        /**
         * Sets {@link ServerOptions#loopback()}, in place of a host. Where there is no IPv6, the
         * server listens on 127.0.0.1 alone.
         */
        public Builder loopback() {
            this.host = "127.0.0.1";
            this.loopback = true;
            return this;
        }

        /**
         * Sets {@link ServerOptions#reusePort()}: whether others may listen on the same port; all
         * of them must set it.
         */
        public Builder reusePort(boolean reuse) {
            this.reusePort = reuse;
            return this;
        }

        /**
         * Sets {@link ServerOptions#backlog()}; 128 by default.
         *
         * @param backlog a positive number
         */
        public Builder backlog(int backlog) {
            if (backlog < 1) {
                throw new IllegalArgumentException(Errors.name("socket-server") + ": the backlog is " + backlog
                        + ", expected a positive number of connections");
            }
            this.backlog = backlog;
            return this;
        }

        /** Sets {@link ServerOptions#path()}: null or where to make the file. */
        public Builder path(Path path) {
            this.path = path;
            return this;
        }

        /**
         * Sets {@link ServerOptions#mode()}.
         *
         * @param mode as {@code ls} shows it, for example {@code "rw-rw----"}
         * @throws IllegalArgumentException if it is not of that form
         */
        public Builder mode(String mode) {
            try {
                this.mode = Set.copyOf(PosixFilePermissions.fromString(String.valueOf(mode)));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(Errors.name("socket-server") + ": the mode is \"" + mode
                        + "\", expected nine letters as ls shows them, such as \"rw-------\"");
            }
            return this;
        }

        /** {@return the options collected so far} */
        public ServerOptions build() {
            return new ServerOptions(this);
        }
    }
}
