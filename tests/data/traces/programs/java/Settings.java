public class Settings {
    static final int PORT = Integer.parseInt("80b");

    public static void main(String[] args) {
        System.out.println(PORT);
    }
}
