package parley.testing;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * Certificates for tests, made in memory: good ones, and such as no issuer would sign. The JDK reads
 * certificates but writes none, so this class writes DER itself; {@code openssl} checks it in a test.
 */
public final class CertificateAuthority {
    private static final AtomicLong SERIALS = new AtomicLong(System.nanoTime());
    /** A key of RSA takes half a second of processor time, so there is one of each length. */
    private static final Map<Integer, KeyPair> RSA = new ConcurrentHashMap<>();

    private static final Map<String, String> SIGNATURES = Map.of(
            "SHA256withECDSA", "1.2.840.10045.4.3.2", "SHA256withRSA", "1.2.840.113549.1.1.11",
            "SHA1withRSA", "1.2.840.113549.1.1.5", "Ed25519", "1.3.101.112");

    private CertificateAuthority() {
    }

    /** A key with its certificate, followed by those of its issuers, without the root. */
    public record Identity(PrivateKey key, List<X509Certificate> chain) {
        /** The certificates in PEM. */
        public String certificates() {
            return chain.stream().map(each -> pem("CERTIFICATE", encoded(each)))
                    .collect(Collectors.joining());
        }

        /** The key in PEM, as PKCS#8. */
        public String keyText() {
            return pem("PRIVATE KEY", key.getEncoded());
        }

        /** A new file with certificates and key. */
        public Path file() {
            return write(TemporaryPaths.fresh());
        }

        /** Writes certificates and key to a file. */
        public Path write(Path file) {
            try {
                return Files.writeString(file, certificates() + keyText());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private static byte[] encoded(X509Certificate certificate) {
            try {
                return certificate.getEncoded();
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** A root that can issue. */
    public static Identity root(String name) {
        return request(name).authority().selfSigned();
    }

    /** A good certificate of an issuer for host names and addresses. */
    public static Identity issue(Identity issuer, String... names) {
        return request(names[0]).names(names).by(issuer);
    }

    /** What is to be certified: a subject with an EC key, valid from yesterday to tomorrow. */
    public static Request request(String subject) {
        return new Request(subject);
    }

    /** Collects what a certificate is to say. */
    public static final class Request {
        private final String subject;
        private String keyKind = "EC";
        private int bits = 256;
        private String signature; // null: as the issuer's key is
        private Instant from = Instant.now().minus(Duration.ofDays(1));
        private Instant to = Instant.now().plus(Duration.ofDays(1));
        private List<String> names = List.of();
        private boolean authority;

        private Request(String subject) {
            this.subject = subject;
        }

        public Request names(String... all) {
            names = List.of(all);
            return this;
        }

        public Request key(String kind, int size) {
            keyKind = kind;
            bits = size;
            return this;
        }

        public Request signedWith(String algorithm) {
            signature = algorithm;
            return this;
        }

        public Request days(int first, int last) {
            from = Instant.now().plus(Duration.ofDays(first));
            to = Instant.now().plus(Duration.ofDays(last));
            return this;
        }

        public Request authority() {
            authority = true;
            return this;
        }

        public Identity selfSigned() {
            KeyPair pair = pair();
            return new Identity(pair.getPrivate(), List.of(certificate(pair, subject,
                    pair.getPrivate())));
        }

        public Identity by(Identity issuer) {
            KeyPair pair = pair();
            X509Certificate first = issuer.chain.get(0);
            String name = first.getSubjectX500Principal().getName().substring("CN=".length());
            List<X509Certificate> chain = new ArrayList<>();
            chain.add(certificate(pair, name, issuer.key));
            if (!first.getSubjectX500Principal().equals(first.getIssuerX500Principal())) {
                chain.addAll(issuer.chain);
            }
            return new Identity(pair.getPrivate(), chain);
        }

        private KeyPair pair() {
            return keyKind.equals("RSA") ? RSA.computeIfAbsent(bits, each -> newPair()) : newPair();
        }

        private KeyPair newPair() {
            try {
                KeyPairGenerator generator = KeyPairGenerator.getInstance(keyKind);
                if (!keyKind.startsWith("Ed")) {
                    generator.initialize(bits);
                }
                return generator.generateKeyPair();
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }

        private X509Certificate certificate(KeyPair pair, String issuer, PrivateKey signer) {
            String algorithm = signature != null ? signature : switch (signer.getAlgorithm()) {
                case "EC" -> "SHA256withECDSA";
                case "RSA" -> "SHA256withRSA";
                default -> "Ed25519";
            };
            byte[] kind = algorithm.endsWith("RSA")
                    ? sequence(identifier(SIGNATURES.get(algorithm)), der(5))
                    : sequence(identifier(SIGNATURES.get(algorithm)));
            byte[] body = sequence(der(0xA0, integer(2)), integer(SERIALS.incrementAndGet()), kind,
                    name(issuer), sequence(time(from), time(to)), name(subject),
                    pair.getPublic().getEncoded(), der(0xA3, sequence(extensions())));
            try {
                Signature signature = Signature.getInstance(algorithm);
                signature.initSign(signer);
                signature.update(body);
                byte[] all = sequence(body, kind, bits(signature.sign()));
                return (X509Certificate) CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(all));
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }

        private byte[][] extensions() {
            List<byte[]> all = new ArrayList<>();
            if (authority) {
                all.add(sequence(identifier("2.5.29.19"), der(1, new byte[] {-1}),
                        der(4, sequence(der(1, new byte[] {-1})))));
            }
            if (!names.isEmpty()) {
                all.add(sequence(identifier("2.5.29.17"), der(4, sequence(names.stream()
                        .map(Request::alternativeName).toArray(byte[][]::new)))));
            }
            if (all.isEmpty()) { // an extension that says nothing, since there must be one
                all.add(sequence(identifier("2.5.29.19"), der(4, sequence())));
            }
            return all.toArray(new byte[0][]);
        }

        private static byte[] alternativeName(String name) {
            try {
                return name.matches("[0-9.]+|.*:.*")
                        ? der(0x87, InetAddress.getByName(name).getAddress())
                        : der(0x82, name.getBytes(StandardCharsets.US_ASCII));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    // ---- DER ---------------------------------------------------------------------------------

    /** Bytes in PEM. */
    public static String pem(String label, byte[] bytes) {
        return "-----BEGIN " + label + "-----\n" + Base64.getMimeEncoder(64, new byte[] {'\n'})
                .encodeToString(bytes) + "\n-----END " + label + "-----\n";
    }

    private static byte[] der(int tag, byte[]... parts) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        for (byte[] each : parts) {
            content.writeBytes(each);
        }
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.write(tag);
        int n = content.size();
        if (n >= 0x80) {
            byte[] length = BigInteger.valueOf(n).toByteArray();
            int skipped = length[0] == 0 ? 1 : 0;
            all.write(0x80 | length.length - skipped);
            all.write(length, skipped, length.length - skipped);
        } else {
            all.write(n);
        }
        all.writeBytes(content.toByteArray());
        return all.toByteArray();
    }

    private static byte[] sequence(byte[]... parts) {
        return der(0x30, parts);
    }

    private static byte[] integer(long n) {
        return der(2, BigInteger.valueOf(n).toByteArray());
    }

    private static byte[] bits(byte[] bytes) {
        return der(3, new byte[] {0}, bytes);
    }

    private static byte[] time(Instant time) {
        return der(0x18, DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'")
                .withZone(ZoneOffset.UTC).format(time).getBytes(StandardCharsets.US_ASCII));
    }

    private static byte[] name(String common) {
        return sequence(der(0x31, sequence(identifier("2.5.4.3"),
                der(0x0C, common.getBytes(StandardCharsets.UTF_8)))));
    }

    private static byte[] identifier(String dotted) {
        String[] parts = dotted.split("\\.");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(Integer.parseInt(parts[0]) * 40 + Integer.parseInt(parts[1]));
        for (int i = 2; i < parts.length; i++) {
            int n = Integer.parseInt(parts[i]);
            for (int shift = 28; shift > 0; shift -= 7) {
                if (n >> shift != 0) {
                    out.write(n >> shift & 0x7F | 0x80);
                }
            }
            out.write(n & 0x7F);
        }
        return der(6, out.toByteArray());
    }
}
