// Reads the hotline's issues from the topic gridcall.intake, with kafka-clients and Jackson alone.
// A JDK of 17 runs it:
//
//   java -cp 'deploy/kafka/target/libs/*' examples/kafka/ReadIntake.java \
//     ADDRESS [--topic gridcall.intake] [--until-end]
//
// One integer per district decides the order, as docs/kafka.md says.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class ReadIntake {
    static final ObjectMapper JSON = new ObjectMapper();

    /** The last record of a district that was taken. */
    record Taken(long generation, long position) {}

    static final Map<String, Taken> LAST = new HashMap<>();

    public static void main(String[] words) throws Exception {
        if (words.length == 0) {
            System.err.println("ReadIntake.java ADDRESS [--topic gridcall.intake] [--until-end]");
            System.exit(2);
        }
        List<String> options = List.of(words);
        boolean untilEnd = options.contains("--until-end");
        int named = options.indexOf("--topic");
        String topic = named < 0 ? "gridcall.intake" : words[named + 1];
        Properties settings = new Properties();
        settings.put("bootstrap.servers", words[0]);
        settings.put("auto.offset.reset", "none");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(partition -> new TopicPartition(topic, partition.partition())).toList();
            if (partitions.isEmpty()) {
                System.err.println("there is no topic " + topic + " on " + words[0]);
                System.exit(1);
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (!untilEnd || ends.keySet().stream()
                    .anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofSeconds(1))) {
                    take(each);
                }
            }
        }
    }

    /** Print a record if it is the next of its district, and an issue of the hotline. */
    static void take(ConsumerRecord<byte[], byte[]> each) throws Exception {
        JsonNode event = JSON.readTree(each.value());
        byte[] header = each.headers().lastHeader("generation").value();
        long generation = Long.parseLong(new String(header, StandardCharsets.UTF_8));
        String district = event.get("partitionkey").asText();
        if (!isNext(district, generation, event.get("position").asLong())) {
            return;
        }
        JsonNode data = event.get("data");
        if (event.get("type").asText().equals("gridcall.issue-reported.v1")
                && data.get("line").asText().equals("hotline")) {
            System.out.println(String.join("  ",
                event.get("id").asText(), event.get("time").asText(),
                data.get("reference").asText(), data.get("category").asText()));
        }
    }

    /** Return true for the next record, false for a repeat. Ends the program at a gap. */
    static boolean isNext(String district, long generation, long position) {
        Taken known = LAST.getOrDefault(district, new Taken(generation, 0));
        long last = known.position();
        if (generation > known.generation() && position <= last) {
            System.err.printf("%s: generation %d begins; drop the rows from position %d on%n",
                district, generation, position);
            last = position - 1;
        }
        if (generation < known.generation() || position <= last) {
            return false;
        }
        if (position > last + 1) {
            System.err.printf(
                "%s: a gap after position %d: ask the service for GET /log/%s?after=%d%n",
                district, last, district, last);
            System.exit(1);
        }
        LAST.put(district, new Taken(generation, position));
        return true;
    }
}
