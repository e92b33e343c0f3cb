public class Suppressed implements AutoCloseable {
    public void close() {
        throw new IllegalArgumentException("close failed", new RuntimeException("disk gone"));
    }

    static void work() {
        try (Suppressed resource = new Suppressed()) {
            throw new UnsupportedOperationException();
        }
    }

    public static void main(String[] args) throws Exception {
        Thread thread = new Thread(Suppressed::work, "worker 3");
        thread.start();
        thread.join();
    }
}
