package parley.net;

import java.time.Duration;
import parley.net.tls.TlsOptions;

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

    /** {@return the type of the elements; {@link ElementType#CHARACTER} by default} */
    public ElementType elementType() {
        return elementType;
    }

    /** {@return how characters become bytes; {@link ExternalFormat#DEFAULT} by default} */
    public ExternalFormat externalFormat() {
        return externalFormat;
    }

    /** {@return whether a read may take more from the system than requested; true by default} */
    public boolean inputBuffered() {
        return inputBuffered;
    }

    /**
     * {@return whether writes are collected until a flush; true by default. Otherwise each write
     * reaches the socket before it returns}
     */
    public boolean outputBuffered() {
        return outputBuffered;
    }

    /**
     * {@return the bound of connecting or accepting; null, the default, for none. Zero begins, and
     * returns at once}
     */
    public Duration timeout() {
        return timeout;
    }

    /**
     * {@return the bound of each read; null, the default, for none. With zero a read takes only
     * what has arrived}
     */
    public Duration readTimeout() {
        return readTimeout;
    }

    /** {@return the bound of each write; null, the default, for none} */
    public Duration writeTimeout() {
        return writeTimeout;
    }

    /**
     * {@return how long close may take to send buffered output; 10 seconds by default, null for
     * ever}
     */
    public Duration closeTimeout() {
        return closeTimeout;
    }

    /**
     * {@return how many characters (bytes, in ASCII and UTF-8) a line may have; 16 Mi by default}
     */
    public int lineLimit() {
        return lineLimit;
    }

    /**
     * {@return the options of TLS; null, the default, for no TLS. A connect does the handshake
     * within its timeout. After an accept, the first operation on the stream or check of it does}
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

    /**
     * Collects options. Each method returns this builder, and throws {@link
     * IllegalArgumentException} for a value that it does not describe.
     */
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

        /** Sets {@link StreamOptions#elementType()}: not null. */
        public Builder elementType(ElementType type) {
            elementType = Errors.need("element type", "the type", type, "an ElementType");
            return this;
        }

        /** Sets {@link StreamOptions#externalFormat()}: not null. */
        public Builder externalFormat(ExternalFormat format) {
            externalFormat = Errors.need("external format", "the format", format,
                    "an ExternalFormat");
            return this;
        }

        /**
         * Sets buffering both ways.
         *
         * @param both as {@link StreamOptions#inputBuffered()} and the same for output
         */
        public Builder buffered(boolean both) {
            return inputBuffered(both).outputBuffered(both);
        }

        /**
         * Sets {@link StreamOptions#inputBuffered()}: whether reads may take more than they are
         * asked for.
         */
        public Builder inputBuffered(boolean buffered) {
            inputBuffered = buffered;
            return this;
        }

        /** Sets {@link StreamOptions#outputBuffered()}: whether writes are collected. */
        public Builder outputBuffered(boolean buffered) {
            outputBuffered = buffered;
            return this;
        }

        /** Sets {@link StreamOptions#timeout()}: null, zero or positive. */
        public Builder timeout(Duration timeout) {
            this.timeout = Errors.timeout("timeout", timeout);
            return this;
        }

        /** Sets {@link StreamOptions#readTimeout()}: null, zero or positive. */
        public Builder readTimeout(Duration timeout) {
            readTimeout = Errors.timeout("read timeout", timeout);
            return this;
        }

        /** Sets {@link StreamOptions#writeTimeout()}: null, zero or positive. */
        public Builder writeTimeout(Duration timeout) {
            writeTimeout = Errors.timeout("write timeout", timeout);
            return this;
        }

        /** Sets {@link StreamOptions#closeTimeout()}: null, zero or positive. */
        public Builder closeTimeout(Duration timeout) {
            closeTimeout = Errors.timeout("close timeout", timeout);
            return this;
        }

        /** Sets {@link StreamOptions#lineLimit()}: a positive number of characters. */
        public Builder lineLimit(int limit) {
            lineLimit = checkLineLimit("line limit", limit);
            return this;
        }

        /** Sets {@link StreamOptions#tls()}: null for no TLS. */
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
