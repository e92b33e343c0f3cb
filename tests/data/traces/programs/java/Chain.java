public class Chain {
    static class LoadException extends RuntimeException {
        LoadException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static void read(String path) throws java.io.IOException {
        throw new java.io.IOException("no such file: " + path);
    }

    static void load() {
        try {
            read("/etc/shop.conf");
        } catch (java.io.IOException error) {
            throw new LoadException("cannot load", error);
        }
    }

    interface Job {
        void run();
    }

    public static void main(String[] args) {
        Job job = () -> load();
        try {
            job.run();
        } catch (RuntimeException error) {
            throw new IllegalStateException("start failed\nsee the manual", error);
        }
    }
}
