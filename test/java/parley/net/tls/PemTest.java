package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import parley.testing.CertificateAuthority;
import parley.testing.TemporaryPaths;

/** Reads what openssl writes, in all its forms. */
class PemTest {
    private static final char[] PASSWORD = "open".toCharArray();

    /** A key of a kind, with its certificate. */
    private static CertificateAuthority.Identity own(String kind, int bits) {
        return CertificateAuthority.request("x").key(kind, bits).selfSigned();
    }

    private static String openssl(String input, String... arguments) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of("openssl"));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        process.getOutputStream().write(input.getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), command.toString());
        return text;
    }

    @ParameterizedTest
    @CsvSource({
        "EC,  256, pkcs8 -topk8 -nocrypt",
        "EC,  256, ec",
        "EC,  256, ec -aes128",
        "EC,  384, ec -aes256",
        "EC,  384, pkcs8 -topk8",
        "RSA, 2048, pkcs8 -topk8 -nocrypt",
        "RSA, 2048, pkcs8 -topk8",
        "RSA, 2048, pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512",
        "RSA, 2048, pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA1",
        "RSA, 2048, pkcs8 -topk8 -v1 PBE-SHA1-3DES",
        "RSA, 2048, rsa -traditional",
        "RSA, 2048, rsa -traditional -aes192",
        "RSA, 2048, rsa -traditional -des3",
        "Ed25519, 0, pkcs8 -topk8 -nocrypt",
        "Ed25519, 0, pkcs8 -topk8"})
    void keys_are_read_in_every_form(String kind, int bits, String command) throws Exception {
        CertificateAuthority.Identity own = own(kind, bits);
        String written = openssl(own.keyText(), (command + " -passout pass:sesame").split(" "));
        PrivateKey key = Pem.privateKey("some words\n" + written, "sesame".toCharArray());
        assertEquals(own.key().getAlgorithm(), key.getAlgorithm());
        KeyChoice.Identity.of(key, own.chain()); // throws when the key is another
    }

    @Test
    void a_curve_may_be_named_in_a_block_before_the_key() throws Exception {
        String key = openssl("", "ecparam", "-name", "prime256v1", "-genkey");
        assertTrue(key.contains("EC PARAMETERS"));
        assertEquals("EC", Pem.privateKey(key, null).getAlgorithm());
    }

    @ParameterizedTest
    @ValueSource(strings = {"pkcs8 -topk8 -iter 1", "rsa -traditional -aes256"})
    void a_wrong_password_and_none_are_clear_errors(String command) throws Exception {
        PrivateKey key = own("RSA", 2048).key();
        String text = openssl(CertificateAuthority.pem("PRIVATE KEY", key.getEncoded()),
                (command + " -passout pass:sesame").split(" "));
        for (int i = 0; i < 1_000; i++) { // a few of them leave a padding that is right
            char[] wrong = ("sesam" + i).toCharArray();
            assertEquals("the password does not open the key", assertThrows(
                    GeneralSecurityException.class, () -> Pem.privateKey(text, wrong)).getMessage());
        }
        assertEquals("the key is encrypted, expected a password for it", assertThrows(
                GeneralSecurityException.class, () -> Pem.privateKey(text, null)).getMessage());
    }

    @Test
    void another_derivation_of_the_key_is_a_clear_error() throws Exception {
        String text = openssl(CertificateAuthority.request("x").selfSigned().keyText(), "pkcs8",
                "-topk8", "-scrypt", "-passout", "pass:sesame");
        String message = assertThrows(GeneralSecurityException.class,
                () -> Pem.privateKey(text, PASSWORD)).getMessage();
        assertTrue(message.contains("expected PBES2 with AES"), message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "nothing here | there is no private key in it",
        "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMG\\n-----END PRIVATE KEY----- | cut off or damaged",
        "-----BEGIN PRIVATE KEY-----\\nZ\\n-----END PRIVATE KEY----- | not in base64",
        "-----BEGIN PRIVATE KEY-----\\n-----END PRIVATE KEY----- | cut off or damaged",
        "-----BEGIN EC PRIVATE KEY-----\\nMAA=\\n-----END EC PRIVATE KEY----- | cut off or damaged"})
    void what_is_no_key_is_a_clear_error(String text, String words) {
        String message = assertThrows(GeneralSecurityException.class,
                () -> Pem.privateKey(text.replace("\\n", "\n"), PASSWORD)).getMessage();
        assertTrue(message.contains(words), message);
    }

    @Test
    void openssl_accepts_the_certificates_of_the_tests() throws IOException, Exception {
        CertificateAuthority.Identity root = CertificateAuthority.root("root");
        CertificateAuthority.Identity leaf = CertificateAuthority.issue(root, "localhost", "::1");
        Path roots = Files.writeString(TemporaryPaths.fresh(), root.certificates());
        assertTrue(openssl(leaf.certificates(), "verify", "-CAfile", roots.toString(),
                "-verify_hostname", "localhost").contains("OK"));
        assertEquals(leaf.chain(), Pem.certificates("# a note\r\n"
                + leaf.certificates().replace("\n", "\r\n") + "more"));
    }
}
