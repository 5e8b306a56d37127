package parley.net.tls;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.BadPaddingException;
import javax.crypto.Cipher;
import javax.crypto.EncryptedPrivateKeyInfo;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Reads certificates and private keys in PEM with the classes of the JDK. They read keys in PKCS#8
 * only, so the older forms PKCS#1 (RSA) and SEC1 (EC) are wrapped in PKCS#8 first.
 */
final class Pem {
    private static final Pattern BLOCK = Pattern.compile(
            "-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \\1-----", Pattern.DOTALL);
    private static final Pattern HEADER = Pattern.compile("(?m)^[\\w-]+:.*$");
    private static final Pattern OLD_ENCRYPTION =
            Pattern.compile("DEK-Info: *([A-Za-z0-9-]+) *, *([0-9A-Fa-f]+)");

    private static final int SEQUENCE = 0x30;
    private static final int OCTETS = 0x04;
    private static final int OBJECT_IDENTIFIER = 0x06;
    private static final int INTEGER = 0x02;
    private static final int PARAMETERS = 0xA0;
    private static final String PBES2 = "2a864886f70d01050d";
    private static final String PBKDF2 = "2a864886f70d01050c";
    private static final byte[] VERSION_0 = {2, 1, 0};
    private static final byte[] RSA = HexFormat.of().parseHex("06092a864886f70d0101010500");
    private static final byte[] EC = HexFormat.of().parseHex("06072a8648ce3d0201");

    /** The names of key algorithms, by the bytes of their object identifiers. */
    private static final Map<String, String> ALGORITHMS = Map.of("2a864886f70d010101", "RSA",
            "2a864886f70d01010a", "RSASSA-PSS", "2a8648ce3d0201", "EC", "2b6570", "EdDSA", "2b6571",
            "EdDSA", "2a8648ce380401", "DSA");

    /** Ciphers and the bits of their keys, by the bytes of their object identifiers. */
    private static final Map<String, String[]> CIPHERS = Map.of(
            "608648016503040102", new String[] {"AES", "128"},
            "608648016503040116", new String[] {"AES", "192"},
            "60864801650304012a", new String[] {"AES", "256"},
            "2a864886f70d0307", new String[] {"DESede", "192"});

    /** Hashes of PBKDF2, by the bytes of their object identifiers. */
    private static final Map<String, String> HASHES = Map.of("2a864886f70d0207", "SHA1",
            "2a864886f70d0208", "SHA224", "2a864886f70d0209", "SHA256", "2a864886f70d020a", "SHA384",
            "2a864886f70d020b", "SHA512");

    private Pem() {
    }

    /** A block between BEGIN and END. */
    private record Block(String label, String text) {
        byte[] bytes() throws InvalidKeyException {
            try {
                return Base64.getMimeDecoder().decode(HEADER.matcher(text).replaceAll("").trim());
            } catch (IllegalArgumentException e) {
                throw new InvalidKeyException("the block " + label + " is not in base64", e);
            }
        }
    }

    private static List<Block> blocks(String text) {
        List<Block> blocks = new ArrayList<>();
        Matcher found = BLOCK.matcher(text);
        while (found.find()) {
            blocks.add(new Block(found.group(1), found.group(2)));
        }
        return blocks;
    }

    /** All certificates of a text, in its order; at least one. */
    static List<X509Certificate> certificates(String text) throws GeneralSecurityException {
        List<X509Certificate> certificates = new ArrayList<>();
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (Block each : blocks(text)) {
            if (each.label.equals("CERTIFICATE") || each.label.equals("X509 CERTIFICATE")) {
                certificates.add((X509Certificate) factory.generateCertificate(
                        new ByteArrayInputStream(each.bytes())));
            }
        }
        if (certificates.isEmpty()) {
            throw new CertificateException("there is no certificate in it, expected PEM, which begins"
                    + " with -----BEGIN CERTIFICATE-----; openssl x509 -inform der makes PEM of DER");
        }
        return certificates;
    }

    /**
     * The first private key of a text.
     *
     * @param password of an encrypted key, or null
     */
    static PrivateKey privateKey(String text, char[] password) throws GeneralSecurityException {
        byte[] parameters = null;
        for (Block each : blocks(text)) {
            switch (each.label) {
                case "EC PARAMETERS" -> parameters = each.bytes();
                case "PRIVATE KEY" -> {
                    return ofPkcs8(each.bytes());
                }
                case "ENCRYPTED PRIVATE KEY" -> {
                    return ofPkcs8(decrypt(each.bytes(), need(password)));
                }
                case "RSA PRIVATE KEY" -> {
                    return ofPkcs8(wrap(RSA, decryptOld(each, password)));
                }
                case "EC PRIVATE KEY" -> {
                    byte[] key = decryptOld(each, password);
                    return ofPkcs8(wrap(join(EC, curve(key, parameters)), key));
                }
                default -> { } // certificates and the like
            }
        }
        throw new InvalidKeyException("there is no private key in it, expected PEM of PKCS#8, PKCS#1 or"
                + " SEC1, which begins with -----BEGIN PRIVATE KEY-----; openssl pkcs8 -topk8 -nodes"
                + " makes that of most keys");
    }

    private static char[] need(char[] password) throws InvalidKeyException {
        if (password == null) {
            throw new InvalidKeyException("the key is encrypted, expected a password for it");
        }
        return password;
    }

    private static InvalidKeyException wrongPassword(Exception e) {
        return new InvalidKeyException("the password does not open the key", e);
    }

    /** Returns what was decrypted: with one wrong password of 256, the padding is right by chance. */
    private static byte[] opened(byte[] decrypted) throws InvalidKeyException {
        Der all = new Der(decrypted);
        try {
            all.enter(SEQUENCE);
        } catch (InvalidKeyException e) {
            throw wrongPassword(e);
        }
        if (all.tag() >= 0) { // there is more than a key
            throw wrongPassword(null);
        }
        return decrypted;
    }

    // ---- PKCS#8 ------------------------------------------------------------------------------

    private static PrivateKey ofPkcs8(byte[] encoded) throws GeneralSecurityException {
        Der all = new Der(encoded).enter(SEQUENCE);
        all.skip();
        Der algorithm = all.enter(SEQUENCE);
        String identifier = algorithm.identifier();
        String name = ALGORITHMS.get(identifier);
        if (name == null) {
            throw new InvalidKeyException("the key is of an algorithm that is unknown here (object"
                    + " identifier " + identifier + " in hexadecimal), expected RSA, EC or EdDSA");
        }
        return KeyFactory.getInstance(name).generatePrivate(new PKCS8EncodedKeySpec(encoded));
    }

    private static byte[] decrypt(byte[] encoded, char[] password) throws GeneralSecurityException {
        Der all = new Der(encoded).enter(SEQUENCE);
        Der algorithm = all.enter(SEQUENCE);
        try {
            return opened(algorithm.identifier().equals(PBES2)
                    ? decrypt(algorithm.enter(SEQUENCE), all.content(OCTETS), password)
                    : decryptBefore(encoded, password));
        } catch (BadPaddingException e) {
            throw wrongPassword(e);
        } catch (IOException | NoSuchAlgorithmException e) {
            throw new InvalidKeyException("the key is encrypted in a way that this JDK does not know, or"
                    + " damaged (" + e.getMessage() + "), expected PBES2 with AES, as openssl pkcs8"
                    + " -topk8 makes it", e);
        }
    }

    /** PBES2, of which the JDK knows AES only, and openssl req writes triple DES. */
    private static byte[] decrypt(Der parameters, byte[] data, char[] password)
            throws GeneralSecurityException {
        Der derivation = parameters.enter(SEQUENCE);
        Der encryption = parameters.enter(SEQUENCE);
        String[] cipher = CIPHERS.get(encryption.identifier());
        if (!derivation.identifier().equals(PBKDF2) || cipher == null) {
            throw new NoSuchAlgorithmException("no PBKDF2, AES or triple DES");
        }
        Der values = derivation.enter(SEQUENCE);
        byte[] salt = values.content(OCTETS);
        int iterations = new BigInteger(values.content(INTEGER)).intValueExact();
        if (values.tag() == INTEGER) {
            values.skip(); // the length of the key, which the cipher has
        }
        String hash = values.tag() < 0 ? "SHA1" : HASHES.get(values.enter(SEQUENCE).identifier());
        PBEKeySpec spec =
                new PBEKeySpec(password, salt, iterations, Integer.parseInt(cipher[1]));
        byte[] key = SecretKeyFactory.getInstance("PBKDF2WithHmac" + hash).generateSecret(spec)
                .getEncoded();
        spec.clearPassword();
        Cipher opened = Cipher.getInstance(cipher[0] + "/CBC/PKCS5Padding");
        opened.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, cipher[0]),
                new IvParameterSpec(encryption.content(OCTETS)));
        return opened.doFinal(data);
    }

    /** The schemes before PBES2. */
    private static byte[] decryptBefore(byte[] encoded, char[] password)
            throws GeneralSecurityException, IOException {
        EncryptedPrivateKeyInfo info = new EncryptedPrivateKeyInfo(encoded);
        PBEKeySpec spec = new PBEKeySpec(password);
        Cipher cipher = Cipher.getInstance(info.getAlgName());
        cipher.init(Cipher.DECRYPT_MODE,
                SecretKeyFactory.getInstance(info.getAlgName()).generateSecret(spec),
                info.getAlgParameters());
        spec.clearPassword();
        return cipher.doFinal(info.getEncryptedData());
    }

    /** PKCS#8 around the bytes of another form. */
    private static byte[] wrap(byte[] algorithm, byte[] key) {
        return der(SEQUENCE, VERSION_0, der(SEQUENCE, algorithm), der(OCTETS, key));
    }

    /** The parameters that name the curve: of the key itself, or of the block before it. */
    private static byte[] curve(byte[] key, byte[] parameters) throws InvalidKeyException {
        Der all = new Der(key).enter(SEQUENCE);
        all.skip();
        all.skip();
        if (all.tag() == PARAMETERS) {
            return all.content(PARAMETERS);
        } else if (parameters == null) {
            throw new InvalidKeyException("the EC key does not name its curve; openssl pkcs8 -topk8"
                    + " -nodes makes a key that does");
        }
        return parameters;
    }

    // ---- the encryption of PKCS#1 and SEC1 ---------------------------------------------------

    private static byte[] decryptOld(Block block, char[] password) throws GeneralSecurityException {
        Matcher found = OLD_ENCRYPTION.matcher(block.text);
        if (!found.find()) {
            return block.bytes();
        }
        String name = found.group(1).toUpperCase(Locale.ROOT);
        byte[] start = HexFormat.of().parseHex(found.group(2));
        Cipher cipher;
        SecretKeySpec key;
        if (name.startsWith("AES-") && name.endsWith("-CBC")) {
            int bits = Integer.parseInt(name.substring(4, name.length() - 4));
            cipher = Cipher.getInstance("AES/CBC/PKCS5Padding");
            key = new SecretKeySpec(stretch(need(password), start, bits / Byte.SIZE), "AES");
        } else if (name.equals("DES-EDE3-CBC")) {
            cipher = Cipher.getInstance("DESede/CBC/PKCS5Padding");
            key = new SecretKeySpec(stretch(need(password), start, 24), "DESede");
        } else {
            throw new InvalidKeyException("the key is encrypted with " + name + ", expected AES; openssl"
                    + " pkcs8 -topk8 encrypts it anew");
        }
        cipher.init(Cipher.DECRYPT_MODE, key, new IvParameterSpec(start));
        try {
            return opened(cipher.doFinal(block.bytes()));
        } catch (BadPaddingException e) {
            throw wrongPassword(e);
        }
    }

    /** The key of OpenSSL's old EVP_BytesToKey: MD5, whose salt is the beginning of the vector. */
    private static byte[] stretch(char[] password, byte[] start, int length)
            throws NoSuchAlgorithmException {
        MessageDigest digest = MessageDigest.getInstance("MD5");
        byte[] secret = new String(password).getBytes(StandardCharsets.UTF_8);
        byte[] key = new byte[0];
        byte[] last = new byte[0];
        while (key.length < length) {
            digest.update(last);
            digest.update(secret);
            digest.update(start, 0, 8);
            last = digest.digest();
            key = join(key, last);
        }
        return Arrays.copyOf(key, length);
    }

    // ---- DER ---------------------------------------------------------------------------------

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] each : parts) {
            all.writeBytes(each);
        }
        return all.toByteArray();
    }

    private static byte[] der(int tag, byte[]... contents) {
        byte[] content = join(contents);
        int n = content.length;
        byte[] head = n < 0x80 ? new byte[] {(byte) tag, (byte) n}
                : n < 0x100 ? new byte[] {(byte) tag, (byte) 0x81, (byte) n}
                : new byte[] {(byte) tag, (byte) 0x82, (byte) (n >> 8), (byte) n};
        return join(head, content);
    }

    /** Goes through the elements of a structure. */
    private static final class Der {
        private final byte[] bytes;
        private int position;
        private final int end;

        Der(byte[] bytes) {
            this(bytes, 0, bytes.length);
        }

        private Der(byte[] bytes, int position, int end) {
            this.bytes = bytes;
            this.position = position;
            this.end = end;
        }

        /** The tag of the next element, -1 at the end. */
        int tag() {
            return position < end ? bytes[position] & 0xFF : -1;
        }

        private Der next(int tag) throws InvalidKeyException {
            boolean ok = tag() == tag && position + 1 < end;
            int length = ok ? bytes[position + 1] & 0xFF : 0;
            int more = length < 0x80 ? 0 : length & 0x7F;
            ok = ok && more <= 3 && position + 2 + more <= end;
            if (ok && more > 0) {
                length = 0;
                for (int i = 0; i < more; i++) {
                    length = length << 8 | bytes[position + 2 + i] & 0xFF;
                }
            }
            int from = position + 2 + more;
            if (!ok || length > end - from) {
                throw new InvalidKeyException("the key is cut off or damaged");
            }
            position = from + length;
            return new Der(bytes, from, position);
        }

        Der enter(int tag) throws InvalidKeyException {
            return next(tag);
        }

        byte[] content(int tag) throws InvalidKeyException {
            Der inner = next(tag);
            return Arrays.copyOfRange(bytes, inner.position, inner.end);
        }

        /** The bytes of an object identifier, in hexadecimal. */
        String identifier() throws InvalidKeyException {
            return HexFormat.of().formatHex(content(OBJECT_IDENTIFIER));
        }

        void skip() throws InvalidKeyException {
            next(tag());
        }
    }
}
