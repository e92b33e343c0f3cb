import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.lang.reflect.*;

/** Crashes of a small shop: each bug is one defect, called with values that vary. Prints one JSON list. */
public class Crashes {
    static class Customer { String email; }
    static class OrderException extends RuntimeException { OrderException(String m, Throwable c) { super(m, c); } }
    interface Store { void save(String key); }

    static int quantity(String text) { return Integer.parseInt(text); }
    static int length(Customer c) { return c.email.length(); }
    static String email(Customer c) { return c.email; }
    static void order(String text) {
        try { quantity(text); } catch (NumberFormatException e) { throw new OrderException("order " + text + " failed", e); }
    }
    static void requirePositive(int v) { if (v <= 0) throw new IllegalArgumentException("value " + v + " must be positive"); }
    static void charge(int v) { requirePositive(v); }
    static void weigh(int v) { requirePositive(v); }
    static void ship(String v) { Objects.requireNonNull(v.equals("x") ? v : null, "address of order " + v); }
    static void bill(String v) { Objects.requireNonNull(v.equals("x") ? v : null, "address of order " + v); }
    static void down(int v) { if (v == 0) throw new IllegalStateException("too deep"); down(v - 1); }
    static void cast(Object o) { Customer c = (Customer) o; }
    static void page(int i) { int[] a = new int[3]; a[i] = 1; }
    static void lambda(List<String> l) { l.forEach(t -> { if (t.length() > 2) throw new UnsupportedOperationException("item " + t.hashCode()); }); }
    static void anonymous(String v) {
        new Runnable() { public void run() { throw new NoSuchElementException("no article '" + v + "'"); } }.run();
    }
    static void proxied(String v) {
        Store s = (Store) Proxy.newProxyInstance(Crashes.class.getClassLoader(), new Class<?>[] {Store.class},
            (p, m, a) -> { throw new IllegalStateException("store " + a[0] + " is closed"); });
        s.save(v);
    }
    static void reflected(String v) throws Exception {
        try { Crashes.class.getDeclaredMethod("quantity", String.class).invoke(null, v); }
        catch (InvocationTargetException e) { throw new OrderException("call failed", e); }
    }
    static void pooled(String v) throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try { pool.submit(() -> { fetch(v); return 1; }).get(); } finally { pool.shutdown(); }
    }
    static void fetch(String v) { throw new RuntimeException("no answer from http://10.0.0." + v.length() + ":8080/" + v + " in " + v.length() + " ms"); }
    static void missingClass(String v) throws Exception { Class.forName("shop.missing.Report"); }
    static void otherMissingClass(String v) throws Exception { Class.forName("shop.missing.Invoice"); }
    static void modify(List<Integer> l) { for (Integer i : l) l.remove(i); }

    interface Call { void run() throws Exception; }
    static final List<String> out = new ArrayList<>();

    static void bug(String name, Call... calls) {
        for (Call call : calls) try { call.run(); } catch (Throwable t) { out.add("{\"bug\":" + q(name) + ",\"event\":{\"platform\":\"java\",\"exceptions\":" + chain(t) + "}}"); }
    }
    static String chain(Throwable t) {
        List<String> all = new ArrayList<>();
        for (Throwable one = t; one != null; one = one.getCause()) {
            List<String> frames = new ArrayList<>();
            for (StackTraceElement e : one.getStackTrace())
                frames.add(0, "{\"module\":" + q(e.getClassName()) + ",\"function\":" + q(e.getMethodName()) + ",\"file\":" + q(e.getFileName()) + ",\"line\":" + e.getLineNumber() + "}");
            all.add(0, "{\"type\":" + q(one.getClass().getName()) + ",\"value\":" + q(one.getMessage()) + ",\"frames\":[" + String.join(",", frames) + "]}");
        }
        return "[" + String.join(",", all) + "]";
    }
    static String q(String s) { return s == null ? "null" : "\"" + s.replace("\\", "\\\\").replace("\"", "\\\"") + "\""; }

    public static void main(String[] args) {
        bug("quantity", () -> quantity("a"), () -> quantity("1,5"), () -> order("x1"), () -> order("y y"), () -> reflected("z"));
        bug("length", () -> length(new Customer()));
        bug("noCustomer", () -> length(null));
        bug("email", () -> email(null));
        bug("charge", () -> charge(-1), () -> charge(0));
        bug("weigh", () -> weigh(-1), () -> weigh(0));
        bug("ship", () -> ship("a7"), () -> ship("b12"));
        bug("bill", () -> bill("a7"), () -> bill("b12"));
        bug("down", () -> down(3), () -> down(60));
        bug("castString", () -> cast("a"), () -> cast("b"));
        bug("castInteger", () -> cast(5), () -> cast(6));
        bug("page", () -> page(7), () -> page(12));
        bug("lambda", () -> lambda(List.of("abc")), () -> lambda(List.of("a", "xyz")));
        bug("anonymous", () -> anonymous("a"), () -> anonymous("b c"));
        bug("proxied", () -> proxied("12"), () -> proxied("31"));
        bug("pooled", () -> pooled("a"), () -> pooled("bcd"));
        bug("missingClass", () -> missingClass("a"), () -> missingClass("b"));
        bug("otherMissingClass", () -> otherMissingClass("a"), () -> otherMissingClass("b"));
        bug("modify", () -> modify(new ArrayList<>(List.of(1, 2, 3))), () -> modify(new ArrayList<>(List.of(1, 2, 3, 4))));
        System.out.println("[" + String.join(",\n", out) + "]");
    }
}
