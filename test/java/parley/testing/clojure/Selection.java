package parley.testing.clojure;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Which deftests a run asks for, written as {@code namespace} or {@code namespace/deftest},
 * several separated by commas, {@code *} standing for any characters. What begins with {@code !} is
 * left out. Blank means all.
 */
final class Selection {
    private final List<Choice> choices = new ArrayList<>(); // immutable once constructed
    private final List<Choice> leftOut = new ArrayList<>(); // immutable once constructed
    private final String text;

    Selection(String text) {
        this.text = text.strip();
        for (String part : this.text.split(",")) {
            String each = part.strip();
            if (each.startsWith("!")) {
                leftOut.add(Choice.parse(each.substring(1)));
            } else if (!each.isEmpty()) {
                choices.add(Choice.parse(each));
            }
        }
    }

    boolean isEverything() {
        return choices.isEmpty();
    }

    boolean mayMatchIn(String namespace) {
        return isEverything() || choices.stream().anyMatch(c -> c.matches(namespace));
    }

    /** Whether a whole namespace is chosen, and nothing of it left out. */
    boolean covers(String namespace) {
        return mayMatchIn(namespace) && leftOut.stream().noneMatch(c -> c.matches(namespace));
    }

    boolean matches(String namespace, String deftest) {
        return leftOut.stream().noneMatch(c -> c.matches(namespace) && c.covers(deftest))
                && (isEverything() || choices.stream()
                        .anyMatch(c -> c.matches(namespace) && c.covers(deftest)));
    }

    @Override
    public String toString() {
        return text;
    }

    private record Choice(Pattern namespace, Pattern deftest) {
        static Choice parse(String text) {
            int slash = text.indexOf('/');
            return slash < 0
                    ? new Choice(glob(text), glob("*"))
                    : new Choice(glob(text.substring(0, slash)), glob(text.substring(slash + 1)));
        }

        static Pattern glob(String text) {
            return Pattern.compile("\\Q" + text.replace("*", "\\E.*\\Q") + "\\E");
        }

        boolean matches(String name) {
            return namespace.matcher(name).matches();
        }

        boolean covers(String name) {
            return deftest.matcher(name).matches();
        }
    }
}
