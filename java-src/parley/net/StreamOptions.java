package parley.net;

import java.time.Duration;
import parley.net.tls.TlsOptions;
import parley.net.wait.Deadline;

/**
 * Options of a stream (the keyword arguments of CLISP's {@code SOCKET:SOCKET-CONNECT} and
 * {@code SOCKET:SOCKET-ACCEPT}). Immutable; {@link #DEFAULT} or {@link #builder()} to begin with.
 *
 * <pre>{@code
 * StreamOptions options = StreamOptions.builder()
 *         .timeout(Duration.ofSeconds(5)) // of the connect
 *         .lineLimit(8192)                // of readLine, in characters
 *         .build();
 * SocketStream.connect("example.org", 80, options);
 * }</pre>
 */
public final class StreamOptions {
    /** Characters in UTF-8, buffered both ways, no timeout. */
    public static final StreamOptions DEFAULT = builder().build();

    private final ElementType elementType;
    private final ExternalFormat externalFormat;
    private final boolean inputBuffered;
    private final boolean outputBuffered;
    private final Duration timeout;
    private final Duration readTimeout;
    private final Duration writeTimeout;
    private final Duration closeTimeout;
    private final int lineLimit;
    private final TlsOptions tls;

    private StreamOptions(Builder b) {
        elementType = b.elementType;
        externalFormat = b.externalFormat;
        inputBuffered = b.inputBuffered;
        outputBuffered = b.outputBuffered;
        timeout = b.timeout;
        readTimeout = b.readTimeout;
        writeTimeout = b.writeTimeout;
        closeTimeout = b.closeTimeout;
        lineLimit = b.lineLimit;
        tls = b.tls;
    }

    /** {@return a builder that holds the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Sets the type of the elements; {@link ElementType#CHARACTER} by default.
     *
     * @return never null
     */
    public ElementType elementType() {
        return elementType;
    }

    /**
     * Sets how characters become bytes; {@link ExternalFormat#DEFAULT} by default.
     *
     * @return never null
     */
    public ExternalFormat externalFormat() {
        return externalFormat;
    }

    /**
     * {@return whether a read may take more from the system than it was asked for; true by default;
     * false to read no more than requested}
     */
    public boolean inputBuffered() {
        return inputBuffered;
    }

    /**
     * {@return whether writes are collected until a flush; true by default; false when each write
     * reaches the socket before it returns}
     */
    public boolean outputBuffered() {
        return outputBuffered;
    }

    /**
     * Limits connecting or accepting; null, no limit, by default.
     *
     * @return null for ever, zero to begin and return at once, or a bound
     */
    public Duration timeout() {
        return timeout;
    }

    /**
     * {@return the bound of each read; null, for ever, by default; zero to take
     * only what has arrived, or a bound}
     */
    public Duration readTimeout() {
        return readTimeout;
    }

    /**
     * {@return the bound of each write; null, for ever, by default; or a bound}
     */
    public Duration writeTimeout() {
        return writeTimeout;
    }

    /**
     * Limits how long close waits to send buffered output; 10 seconds by default.
     *
     * @return null for ever, or a bound
     */
    public Duration closeTimeout() {
        return closeTimeout;
    }

    /**
     * Limits the characters (bytes, in ASCII and UTF-8) of a line that {@code read-line} reads;
     * 16 Mi by default.
     *
     * @return a positive number
     */
    public int lineLimit() {
        return lineLimit;
    }

    /**
     * How TLS is done; null, no TLS, by default. A connect does the handshake, within its timeout;
     * after an accept the first operation on the stream or check of it does it.
     *
     * @return null for none
     */
    public TlsOptions tls() {
        return tls;
    }

    Duration readTimeoutOr(Duration inherited) {
        return readTimeout != null ? readTimeout : inherited;
    }

    Duration writeTimeoutOr(Duration inherited) {
        return writeTimeout != null ? writeTimeout : inherited;
    }

    static int checkLineLimit(String operation, int limit) {
        if (limit < 1) {
            throw new IllegalArgumentException(Errors.name(operation) + ": the limit is " + limit
                    + ", expected a positive number of characters");
        }
        return limit;
    }

    /** Collects options. */
    public static final class Builder {
        private ElementType elementType = ElementType.CHARACTER;
        private ExternalFormat externalFormat = ExternalFormat.DEFAULT;
        private boolean inputBuffered = true;
        private boolean outputBuffered = true;
        private Duration timeout;
        private Duration readTimeout;
        private Duration writeTimeout;
        private Duration closeTimeout = Duration.ofSeconds(10);
        private int lineLimit = 16 << 20;
        private TlsOptions tls;

        private Builder() {
        }

        /**
         * Sets {@link StreamOptions#elementType()}.
         *
         * @param type not null
         * @return this
         */
        public Builder elementType(ElementType type) {
            elementType = Errors.need("element type", "the type", type, "an ElementType");
            return this;
        }

        /**
         * Sets {@link StreamOptions#externalFormat()}.
         *
         * @param format not null
         * @return this
         */
        public Builder externalFormat(ExternalFormat format) {
            externalFormat = Errors.need("external format", "the format", format,
                    "an ExternalFormat");
            return this;
        }

        /**
         * Sets buffering both ways.
         *
         * @param both as {@link StreamOptions#inputBuffered()} and the same for output
         * @return this
         */
        public Builder buffered(boolean both) {
            return inputBuffered(both).outputBuffered(both);
        }

        /**
         * Sets {@link StreamOptions#inputBuffered()}.
         *
         * @param buffered whether reads may take more than they are asked for
         * @return this
         */
        public Builder inputBuffered(boolean buffered) {
            inputBuffered = buffered;
            return this;
        }

        /**
         * Sets {@link StreamOptions#outputBuffered()}.
         *
         * @param buffered whether writes are collected
         * @return this
         */
        public Builder outputBuffered(boolean buffered) {
            outputBuffered = buffered;
            return this;
        }

        /**
         * Sets {@link StreamOptions#timeout()}.
         *
         * @param timeout null, zero or positive
         * @return this
         * @throws IllegalArgumentException if it is negative
         */
        public Builder timeout(Duration timeout) {
            this.timeout = Errors.timeout("timeout", timeout);
            return this;
        }

        /**
         * Sets {@link StreamOptions#readTimeout()}.
         *
         * @param timeout null, zero or positive
         * @return this
         * @throws IllegalArgumentException if it is negative
         */
        public Builder readTimeout(Duration timeout) {
            readTimeout = Errors.timeout("read timeout", timeout);
            return this;
        }

        /**
         * Sets {@link StreamOptions#writeTimeout()}.
         *
         * @param timeout null, zero or positive
         * @return this
         * @throws IllegalArgumentException if it is negative
         */
        public Builder writeTimeout(Duration timeout) {
            writeTimeout = Errors.timeout("write timeout", timeout);
            return this;
        }

        /**
         * Sets {@link StreamOptions#closeTimeout()}.
         *
         * @param timeout null, zero or positive
         * @return this
         * @throws IllegalArgumentException if it is negative
         */
        public Builder closeTimeout(Duration timeout) {
            closeTimeout = Errors.timeout("close timeout", timeout);
            return this;
        }

        /**
         * Sets {@link StreamOptions#lineLimit()}.
         *
         * @param limit a positive number of characters
         * @return this
         * @throws IllegalArgumentException if it is not positive
         */
        public Builder lineLimit(int limit) {
            lineLimit = checkLineLimit("line limit", limit);
            return this;
        }

        /**
         * Sets {@link StreamOptions#tls()}.
         *
         * @param options null for no TLS
         * @return this
         */
        public Builder tls(TlsOptions options) {
            tls = options;
            return this;
        }

        /** {@return the options collected so far} */
        public StreamOptions build() {
            return new StreamOptions(this);
        }
    }
}
