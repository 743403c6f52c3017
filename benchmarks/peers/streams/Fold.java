import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A stateful fold with Kafka Streams, exactly once: a state per issue in RocksDB with a changelog,
 * and an event for each issue. Arguments: broker, topic in, topic out, folder of the state.
 */
public final class Fold implements Processor<byte[], byte[], byte[], byte[]> {
  private static final String STORE = "cases";
  private final ObjectMapper json = new ObjectMapper();
  private ProcessorContext<byte[], byte[]> context;
  private KeyValueStore<String, byte[]> cases;

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    this.cases = context.getStateStore(STORE);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    try {
      JsonNode event = json.readTree(record.value());
      String name = event.path("subject").asText();
      ObjectNode state = advance(cases.get(name), event);
      cases.put(name, json.writeValueAsBytes(state));
      ObjectNode result = json.createObjectNode();
      result.put("type", "case-reported");
      result.put("case", name);
      result.set("category", event.path("data").path("category"));
      result.set("seq", state.get("events"));
      context.forward(record.withValue(json.writeValueAsBytes(result)));
    } catch (IOException fault) {
      throw new IllegalArgumentException(fault);
    }
  }

  private ObjectNode advance(byte[] known, JsonNode event) throws IOException {
    ObjectNode state;
    if (known == null) {
      state = json.createObjectNode();
      state.put("case", event.path("subject").asText());
      state.put("reported", event.path("time").asText());
    } else {
      state = (ObjectNode) json.readTree(known);
    }
    state.put("events", state.path("events").asInt() + 1);
    return state;
  }

  private static Topology topology(String source, String sink) {
    var bytes = Serdes.ByteArray();
    var stores =
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(STORE), Serdes.String(), bytes);
    return new Topology()
        .addSource("in", bytes.deserializer(), bytes.deserializer(), source)
        .addProcessor("fold", Fold::new, "in")
        .addStateStore(stores.withCachingEnabled(), "fold")
        .addSink("out", sink, bytes.serializer(), bytes.serializer(), "fold");
  }

  /** Runs until the process is ended. */
  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    KafkaStreams streams = new KafkaStreams(topology(arguments[1], arguments[2]), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
