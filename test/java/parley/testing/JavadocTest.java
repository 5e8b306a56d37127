package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** Every public and protected member of the library has a Javadoc comment. */
class JavadocTest {
    private static final JavaCompiler COMPILER = ToolProvider.getSystemJavaCompiler();

    @Test
    void every_public_member_is_documented() throws IOException {
        try (StandardJavaFileManager files = COMPILER.getStandardFileManager(null, null, null);
                Stream<Path> sources = Files.walk(Path.of("java-src"))) {
            Members members = scan(files.getJavaFileObjectsFromPaths(
                    sources.filter(file -> file.toString().endsWith(".java")).toList()));
            assertEquals(List.of(), members.undocumented);
            assertTrue(members.count > 500, members.count + " members");
        }
    }

    @Test
    void a_member_without_a_comment_is_found() throws IOException {
        Members members = scan(List.of(new SimpleJavaFileObject(
                URI.create("string:///A.java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean lenient) {
                return """
                        /** A. */
                        public class A {
                            public int field;
                            protected A() { }
                            int hidden() { return 0; }
                            @Override public String toString() { return ""; }
                            /** I. */
                            public interface I { void call(); }
                            public enum E { ONE }
                            static class Hidden { public void run() { } }
                        }
                        """;
            }
        }));
        assertEquals(List.of("field", "<init>", "call", "E", "ONE"), members.undocumented.stream()
                .map(each -> each.substring(each.indexOf(' ') + 1)).toList());
    }

    private static Members scan(Iterable<? extends JavaFileObject> sources) throws IOException {
        JavacTask task = (JavacTask) COMPILER.getTask(null, null, null,
                List.of("-proc:none"), null, sources);
        Members members = new Members(DocTrees.instance(task));
        for (CompilationUnitTree unit : task.parse()) {
            members.scan(unit, unit);
        }
        return members;
    }

    private static final class Members extends TreePathScanner<Void, CompilationUnitTree> {
        private final DocTrees docs;
        private final List<String> undocumented = new ArrayList<>();
        private int count;

        Members(DocTrees docs) {
            this.docs = docs;
        }

        private boolean isSeen(ModifiersTree modifiers) {
            Set<Modifier> flags = modifiers.getFlags();
            Tree outer = getCurrentPath().getParentPath().getLeaf();
            return flags.contains(Modifier.PUBLIC) || flags.contains(Modifier.PROTECTED)
                    || outer instanceof ClassTree type && (type.getKind() == Tree.Kind.INTERFACE
                            || type.getKind() == Tree.Kind.ANNOTATION_TYPE)
                            && !flags.contains(Modifier.PRIVATE);
        }

        private void check(CompilationUnitTree unit, ModifiersTree modifiers, String name) {
            TreePath path = getCurrentPath();
            count++;
            if (docs.getDocComment(path) == null && modifiers.getAnnotations().stream()
                    .noneMatch(each -> each.getAnnotationType().toString().equals("Override"))) {
                long at = docs.getSourcePositions().getStartPosition(unit, path.getLeaf());
                undocumented.add(unit.getSourceFile().getName() + ":"
                        + unit.getLineMap().getLineNumber(at) + " " + name);
            }
        }

        @Override
        public Void visitClass(ClassTree type, CompilationUnitTree unit) {
            if (!isSeen(type.getModifiers())) {
                return null; // nor is anything inside
            }
            check(unit, type.getModifiers(), type.getSimpleName().toString());
            return super.visitClass(type, unit);
        }

        @Override
        public Void visitMethod(MethodTree method, CompilationUnitTree unit) {
            if (isSeen(method.getModifiers())) {
                check(unit, method.getModifiers(), method.getName().toString());
            }
            return null;
        }

        @Override
        public Void visitVariable(VariableTree field, CompilationUnitTree unit) {
            if (isSeen(field.getModifiers())) {
                check(unit, field.getModifiers(), field.getName().toString());
            }
            return null;
        }
    }
}
