import java.util.List;

public class Stream {
    static int parse(String text) {
        return Integer.parseInt(text);
    }

    public static void main(String[] args) {
        List.of("1", "x").stream().map(Stream::parse).forEach(System.out::println);
    }
}
