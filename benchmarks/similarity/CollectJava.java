import com.sun.source.tree.*;
import com.sun.source.util.*;
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import javax.tools.*;
import org.junit.platform.engine.*;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.*;
import org.junit.platform.launcher.core.*;

/**
 * Crashes of one Java project with known causes: a mutant at a time, the stack traces of the tests it breaks.
 *
 *     java -cp JUNIT-JARS CollectJava.java MAIN-SOURCES MAIN-CLASSES TEST-CLASSES OUTPUT MUTANTS SEED
 *
 * One change of one source file makes a mutant. It is compiled in this process and laid over the classes of the
 * project in a class loader of its own; the test classes named after the changed one, and some of its package,
 * are run there.
 */
public class CollectJava {
    static final int CRASHES_A_MUTANT = 10, NEIGHBOURS = 8, SECONDS_A_MUTANT = 6;
    static Path mainClasses, testClasses;
    static final JavaCompiler COMPILER = ToolProvider.getSystemJavaCompiler();

    record Change(String kind, int start, int end, String text, String method) {}

    public static void main(String[] arguments) throws Exception {
        Path sources = Path.of(arguments[0]);
        mainClasses = Path.of(arguments[1]);
        testClasses = Path.of(arguments[2]);
        int wanted = Integer.parseInt(arguments[4]);
        Random random = new Random(Long.parseLong(arguments[5]));
        List<Path> files;
        try (Stream<Path> found = Files.walk(sources)) {
            files = found.filter(path -> path.toString().endsWith(".java")).sorted().collect(Collectors.toList());
        }
        files.removeIf(path -> tests(name(sources, path), random).isEmpty());
        PrintStream shown = System.out;
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        Set<String> mutated = new HashSet<>();
        StringBuilder bugs = new StringBuilder(), crashes = new StringBuilder();
        int made = 0, kept = 0, outside = 0;
        for (int tries = 0; made < wanted && tries < 6 * wanted && !files.isEmpty(); tries++) {
            Path file = files.get(random.nextInt(files.size()));
            String text = Files.readString(file);
            List<Change> changes = changes(file, text);
            if (changes.isEmpty()) continue;
            Change change = changes.get(random.nextInt(changes.size()));
            if (!mutated.add(file + " " + change.method)) continue; // two mutants of one method are easily one bug
            Path overlay = Files.createTempDirectory("mutant");
            try {
                if (!compile(name(sources, file), text.substring(0, change.start) + change.text + text.substring(change.end), overlay)) continue;
                made++;
                List<Throwable> failures = broken(tests(name(sources, file), random), overlay);
                int before = kept;
                for (Throwable failure : failures) {
                    String crash = crash(failure);
                    if (crash == null) { outside++; continue; }
                    if (kept - before >= CRASHES_A_MUTANT) break;
                    crashes.append(crashes.length() == 0 ? "" : ",").append("{\"bug\":").append(made).append(",\"exceptions\":").append(crash).append("}");
                    kept++;
                }
                if (kept > before)
                    bugs.append(bugs.length() == 0 ? "" : ",").append("{\"bug\":").append(made).append(",\"file\":").append(json(name(sources, file)))
                        .append(",\"function\":").append(json(change.method)).append(",\"kind\":").append(json(change.kind)).append("}");
            } finally {
                delete(overlay);
            }
        }
        Files.writeString(Path.of(arguments[3]), "{\"bugs\":[" + bugs + "],\"crashes\":[" + crashes + "],\"outside\":" + outside + "}");
        shown.println(arguments[3] + ": " + made + " mutants, " + kept + " crashes, " + outside + " failed assertions");
        shown.flush();
        Runtime.getRuntime().halt(0);
    }

    static String name(Path root, Path file) {
        String path = root.relativize(file).toString();
        return path.substring(0, path.length() - 5).replace('/', '.');
    }

    /** Test classes of a class: those named after it, and some of its package. */
    static List<String> tests(String name, Random random) {
        int dot = name.lastIndexOf('.');
        String folder = name.substring(0, dot + 1), simple = name.substring(dot + 1);
        Path place = testClasses.resolve(folder.replace('.', '/'));
        List<String> found = new ArrayList<>(), others = new ArrayList<>();
        File[] files = place.toFile().listFiles((directory, file) -> file.endsWith(".class") && !file.contains("$"));
        if (files == null) return found;
        Arrays.sort(files);
        for (File file : files) {
            String test = file.getName().replace(".class", "");
            if (test.startsWith(simple) || test.equals("Test" + simple)) found.add(folder + test);
            else if (test.contains("Test")) others.add(folder + test);
        }
        if (found.isEmpty()) return found;
        Collections.shuffle(others, random);
        found.addAll(others.subList(0, Math.min(NEIGHBOURS, others.size())));
        return found;
    }

    // Mutants

    static List<Change> changes(Path file, String text) throws IOException {
        List<Change> found = new ArrayList<>();
        try (StandardJavaFileManager manager = COMPILER.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
            JavacTask task = (JavacTask) COMPILER.getTask(null, manager, problem -> {}, List.of("-proc:none"), null, manager.getJavaFileObjects(file));
            CompilationUnitTree unit = task.parse().iterator().next();
            SourcePositions positions = Trees.instance(task).getSourcePositions();
            new TreeScanner<Void, String>() {
                int start(Tree tree) { return (int) positions.getStartPosition(unit, tree); }
                int end(Tree tree) { return (int) positions.getEndPosition(unit, tree); }
                void add(String kind, int from, int to, String with, String method) {
                    if (method != null && from >= 0 && to >= from) found.add(new Change(kind, from, to, with, method));
                }
                @Override public Void visitMethod(MethodTree tree, String method) {
                    return super.visitMethod(tree, tree.getName().toString());
                }
                @Override public Void visitBinary(BinaryTree tree, String method) {
                    String other = OPERATORS.get(tree.getKind());
                    if (other != null) {
                        String between = text.substring(end(tree.getLeftOperand()), start(tree.getRightOperand()));
                        String sign = between.replaceAll("[()\\s]|//.*|/\\*.*?\\*/", "");
                        int at = end(tree.getLeftOperand()) + between.indexOf(sign);
                        if (!sign.isEmpty()) add("operator", at, at + sign.length(), other, method);
                    }
                    return super.visitBinary(tree, method);
                }
                @Override public Void visitIf(IfTree tree, String method) {
                    add("condition", start(tree.getCondition()), end(tree.getCondition()), "(!" + text.substring(start(tree.getCondition()), end(tree.getCondition())) + ")", method);
                    return super.visitIf(tree, method);
                }
                @Override public Void visitReturn(ReturnTree tree, String method) {
                    if (tree.getExpression() != null) add("nothing", start(tree.getExpression()), end(tree.getExpression()), "null", method);
                    return super.visitReturn(tree, method);
                }
                @Override public Void visitLiteral(LiteralTree tree, String method) {
                    if (tree.getKind() == Tree.Kind.INT_LITERAL) add("constant", start(tree), end(tree), "(" + text.substring(start(tree), end(tree)) + " + 1)", method);
                    if (tree.getKind() == Tree.Kind.BOOLEAN_LITERAL) add("constant", start(tree), end(tree), text.startsWith("true", start(tree)) ? "false" : "true", method);
                    if (tree.getKind() == Tree.Kind.STRING_LITERAL) add("constant", start(tree), end(tree), "\"\"", method);
                    return super.visitLiteral(tree, method);
                }
                @Override public Void visitExpressionStatement(ExpressionStatementTree tree, String method) {
                    add("forgotten", start(tree), end(tree), ";", method);
                    return super.visitExpressionStatement(tree, method);
                }
                @Override public Void visitMethodInvocation(MethodInvocationTree tree, String method) {
                    if (!tree.getArguments().isEmpty()) {
                        Tree argument = tree.getArguments().get(0);
                        add("argument", start(argument), end(argument), "null", method);
                    }
                    return super.visitMethodInvocation(tree, method);
                }
                @Override public Void visitAssignment(AssignmentTree tree, String method) {
                    add("value", start(tree.getExpression()), end(tree.getExpression()), "null", method);
                    return super.visitAssignment(tree, method);
                }
            }.scan(unit, null);
        }
        return found;
    }

    static final Map<Tree.Kind, String> OPERATORS = Map.ofEntries(
        Map.entry(Tree.Kind.EQUAL_TO, "!="), Map.entry(Tree.Kind.NOT_EQUAL_TO, "=="), Map.entry(Tree.Kind.LESS_THAN, ">="),
        Map.entry(Tree.Kind.LESS_THAN_EQUAL, ">"), Map.entry(Tree.Kind.GREATER_THAN, "<="), Map.entry(Tree.Kind.GREATER_THAN_EQUAL, "<"),
        Map.entry(Tree.Kind.PLUS, "-"), Map.entry(Tree.Kind.MINUS, "+"), Map.entry(Tree.Kind.MULTIPLY, "+"),
        Map.entry(Tree.Kind.CONDITIONAL_AND, "||"), Map.entry(Tree.Kind.CONDITIONAL_OR, "&&"));

    static boolean compile(String name, String text, Path into) throws IOException {
        JavaFileObject source = new SimpleJavaFileObject(URI.create("string:///" + name.replace('.', '/') + ".java"), JavaFileObject.Kind.SOURCE) {
            @Override public CharSequence getCharContent(boolean ignored) { return text; }
        };
        try (StandardJavaFileManager manager = COMPILER.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
            List<String> options = List.of("-proc:none", "-nowarn", "-g", "-d", into.toString(), "-cp", mainClasses + File.pathSeparator + System.getProperty("java.class.path"));
            return COMPILER.getTask(Writer.nullWriter(), manager, problem -> {}, options, null, List.of(source)).call();
        }
    }

    // Tests

    static final Map<String, Set<String>> FAILING = new HashMap<>();

    /** Why tests fail with the mutant that do not fail without it. */
    static List<Throwable> broken(List<String> classes, Path overlay) throws Exception {
        Map<String, Throwable> failures = run(classes, overlay);
        if (failures.isEmpty()) return List.of();
        Path nothing = Files.createTempDirectory("nothing");
        for (String name : classes)
            if (!FAILING.containsKey(name)) FAILING.put(name, run(List.of(name), nothing).keySet());
        delete(nothing);
        for (String name : classes) failures.keySet().removeAll(FAILING.get(name));
        List<Throwable> found = new ArrayList<>(failures.values());
        Collections.shuffle(found, new Random(1));
        return found;
    }

    @SuppressWarnings("removal")
    static Map<String, Throwable> run(List<String> classes, Path overlay) throws Exception {
        Map<String, Throwable> failures = Collections.synchronizedMap(new TreeMap<>());
        Thread runner = new Thread(() -> {
            try (URLClassLoader loader = new URLClassLoader(new URL[] {overlay.toUri().toURL(), testClasses.toUri().toURL(), mainClasses.toUri().toURL()}, CollectJava.class.getClassLoader())) {
                Thread.currentThread().setContextClassLoader(loader);
                List<DiscoverySelector> selectors = new ArrayList<>();
                for (String name : classes) selectors.add(DiscoverySelectors.selectClass(loader.loadClass(name)));
                LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request().selectors(selectors).build();
                LauncherFactory.create().execute(request, new TestExecutionListener() {
                    @Override public void executionFinished(TestIdentifier test, TestExecutionResult result) {
                        if (test.isTest()) result.getThrowable().ifPresent(error -> failures.put(test.getUniqueId(), error));
                    }
                });
            } catch (Throwable ignored) {
                // a mutant that cannot even be loaded is none
            }
        }, "tests");
        runner.setDaemon(true);
        runner.start();
        runner.join(SECONDS_A_MUTANT * 1000L);
        if (runner.isAlive()) {
            runner.stop();
            runner.join(2000);
        }
        synchronized (failures) {
            Map<String, Throwable> copy = new TreeMap<>(failures);
            copy.values().removeIf(failure -> failure instanceof ThreadDeath);
            return copy;
        }
    }

    // Stack traces

    /** The chain of an exception, root cause first; null where none of the project's own code was under way. */
    static String crash(Throwable error) {
        List<String> links = new ArrayList<>();
        boolean own = false;
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Throwable link = error; link != null && seen.add(link) && links.size() < 8; link = link.getCause()) {
            List<StackTraceElement> frames = frames(link.getStackTrace());
            StringBuilder text = new StringBuilder();
            for (int index = frames.size() - 1; index >= 0; index--) {
                StackTraceElement frame = frames.get(index);
                text.append(text.length() == 0 ? "" : ",").append("{\"file\":").append(json(frame.getFileName())).append(",\"module\":").append(json(frame.getClassName()))
                    .append(",\"function\":").append(json(frame.getMethodName())).append(",\"line\":").append(frame.getLineNumber())
                    .append(",\"in_app\":").append(isOwn(frame)).append("}");
            }
            links.add("{\"type\":" + json(link.getClass().getName()) + ",\"value\":" + json(cut(link.getMessage())) + ",\"frames\":[" + text + "]}");
            own = frames.stream().filter(CollectJava::isOwn).findFirst().map(frame -> has(mainClasses, frame)).orElse(false);
        }
        Collections.reverse(links);
        return own ? "[" + String.join(",", links) + "]" : null;
    }

    /** Innermost first, without what stands above the test's method. */
    static List<StackTraceElement> frames(StackTraceElement[] all) {
        List<StackTraceElement> kept = new ArrayList<>();
        boolean own = false;
        for (StackTraceElement frame : all) {
            String name = frame.getClassName();
            if (own && (name.startsWith("jdk.internal.reflect.") || name.startsWith("java.lang.reflect.") || name.startsWith("org.junit.") || name.startsWith("junit."))) break;
            own |= isOwn(frame);
            kept.add(frame);
        }
        return kept.size() <= 80 ? kept : kept.subList(0, 80);
    }

    static boolean isOwn(StackTraceElement frame) {
        return has(mainClasses, frame) || has(testClasses, frame);
    }

    static boolean has(Path classes, StackTraceElement frame) {
        return Files.exists(classes.resolve(frame.getClassName().replace('.', '/') + ".class"));
    }

    static String cut(String text) {
        return text == null || text.length() <= 300 ? text : text.substring(0, 300);
    }

    static String json(String text) {
        if (text == null) return "null";
        StringBuilder out = new StringBuilder("\"");
        for (char sign : text.toCharArray()) {
            if (sign == '"' || sign == '\\') out.append('\\').append(sign);
            else if (sign < ' ' || sign > '~') out.append(String.format("\\u%04x", (int) sign));
            else out.append(sign);
        }
        return out.append('"').toString();
    }

    static void delete(Path folder) throws IOException {
        try (Stream<Path> found = Files.walk(folder)) {
            found.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        }
    }
}
