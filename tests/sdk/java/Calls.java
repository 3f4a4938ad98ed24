// Calls as Java's HttpClient makes them unasked: over plain HTTP it offers HTTP/2 beside every one of them.
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

public class Calls {
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static final String ASKED = "{\"model\": \"gpt-4o-mini\", \"messages\": [{\"role\": \"user\", \"content\": \"Say hello\"}]%s}";
    static String gateway, key;

    static HttpRequest.Builder call(String path) {
        return HttpRequest.newBuilder(URI.create(gateway + path)).header("Authorization", "Bearer " + key).header("Content-Type", "application/json");
    }

    static HttpRequest chat(BodyPublisher body) {
        return call("/v1/chat/completions").POST(body).build();
    }

    static void say(String what, HttpResponse<?> reply, String text, String... wanted) {
        System.out.println(what + " " + reply.version() + " " + reply.statusCode() + " " + Stream.of(wanted).allMatch(text::contains));
    }

    public static void main(String[] words) throws Exception {
        gateway = words[0];
        key = words[1];
        BodyPublisher asked = BodyPublishers.ofString(ASKED.formatted(""));
        for (String what : List.of("first", "again")) {
            HttpResponse<String> reply = CLIENT.send(chat(asked), BodyHandlers.ofString());
            say(what, reply, reply.body(), "Hello there");
        }
        BodyPublisher chunked = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(ASKED.formatted("").getBytes()));
        HttpResponse<String> reply = CLIENT.send(chat(chunked), BodyHandlers.ofString());
        say("chunked", reply, reply.body(), "Hello there");
        HttpResponse<Stream<String>> stream =
            CLIENT.send(chat(BodyPublishers.ofString(ASKED.formatted(", \"stream\": true"))), BodyHandlers.ofLines());
        say("streamed", stream, stream.body().collect(Collectors.joining()), "\"Hello\"", "\" there\"", "[DONE]");
        List<CompletableFuture<HttpResponse<String>>> many =
            IntStream.range(0, 5).mapToObj(n -> CLIENT.sendAsync(chat(asked), BodyHandlers.ofString())).toList();
        for (CompletableFuture<HttpResponse<String>> one : many) {
            say("at once", one.join(), one.join().body(), "Hello there");
        }
        key = "tsk_never_issued";
        HttpResponse<String> refused = CLIENT.send(chat(asked), BodyHandlers.ofString());
        say("refused", refused, refused.body(), "invalid_api_key");
    }
}
