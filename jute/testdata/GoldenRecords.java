// Prints golden.txt: every record of Apache's zookeeper-jute jar, filled by a fixed rule and
// serialized by Apache's own classes. To make it anew, with the jar of release 3.9.5 and that of
// its annotations on the class path:
//
//   java -cp zookeeper-jute-3.9.5.jar:audience-annotations-0.12.0.jar GoldenRecords.java > golden.txt
//
// The rule, by the field's place n in its record, counted from 1: int 100+n, long 10000000000+n,
// boolean true, ustring "s<n>", buffer "b<n>", vector two elements. "null" lines have every string,
// buffer and vector null, and every boolean false.

import java.io.ByteArrayOutputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.jute.BinaryOutputArchive;
import org.apache.jute.Record;

public class GoldenRecords {
    private static final String[] RECORDS = {
        "data.Id", "data.ACL", "data.Stat", "data.StatPersisted", "data.ClientInfo",
        "proto.ConnectRequest", "proto.ConnectResponse", "proto.SetWatches", "proto.SetWatches2",
        "proto.RequestHeader", "proto.MultiHeader", "proto.AuthPacket", "proto.ReplyHeader",
        "proto.GetDataRequest", "proto.SetDataRequest", "proto.ReconfigRequest",
        "proto.SetDataResponse", "proto.GetSASLRequest", "proto.SetSASLRequest",
        "proto.SetSASLResponse", "proto.CreateRequest", "proto.CreateTTLRequest",
        "proto.DeleteRequest", "proto.GetChildrenRequest", "proto.GetAllChildrenNumberRequest",
        "proto.GetChildren2Request", "proto.CheckVersionRequest", "proto.GetMaxChildrenRequest",
        "proto.GetMaxChildrenResponse", "proto.SetMaxChildrenRequest", "proto.SyncRequest",
        "proto.SyncResponse", "proto.GetACLRequest", "proto.SetACLRequest", "proto.SetACLResponse",
        "proto.AddWatchRequest", "proto.WatcherEvent", "proto.ErrorResponse",
        "proto.CreateResponse", "proto.Create2Response", "proto.ExistsRequest",
        "proto.ExistsResponse", "proto.GetDataResponse", "proto.GetChildrenResponse",
        "proto.GetAllChildrenNumberResponse", "proto.GetChildren2Response", "proto.GetACLResponse",
        "proto.CheckWatchesRequest", "proto.RemoveWatchesRequest", "proto.GetEphemeralsRequest",
        "proto.GetEphemeralsResponse", "proto.WhoAmIResponse",
        "server.quorum.LearnerInfo", "server.quorum.QuorumPacket", "server.quorum.QuorumAuthPacket",
        "server.persistence.FileHeader",
        "txn.TxnDigest", "txn.TxnHeader", "txn.CreateTxnV0", "txn.CreateTxn", "txn.CreateTTLTxn",
        "txn.CreateContainerTxn", "txn.DeleteTxn", "txn.SetDataTxn", "txn.CheckVersionTxn",
        "txn.SetACLTxn", "txn.SetMaxChildrenTxn", "txn.CreateSessionTxn", "txn.CloseSessionTxn",
        "txn.ErrorTxn", "txn.Txn", "txn.MultiTxn",
    };

    public static void main(String[] arguments) throws Exception {
        for (String name : RECORDS) {
            Class<?> type = Class.forName("org.apache.zookeeper." + name);
            print(name, "full", fill(type, true));
            print(name, "null", fill(type, false));
        }
    }

    private static void print(String name, String form, Record record) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        record.serialize(BinaryOutputArchive.getArchive(bytes), "golden");
        String simpleName = name.substring(name.lastIndexOf('.') + 1);
        System.out.println(simpleName + " " + form + " " + HexFormat.of().formatHex(bytes.toByteArray()));
    }

    private static Record fill(Class<?> type, boolean full) throws Exception {
        Record record = (Record) type.getDeclaredConstructor().newInstance();
        int place = 0;
        for (Field field : type.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())) {
                continue;
            }
            place++;
            field.setAccessible(true);
            field.set(record, value(field, place, full));
        }
        return record;
    }

    private static Object value(Field field, int place, boolean full) throws Exception {
        Class<?> type = field.getType();
        if (type == int.class) {
            return 100 + place;
        } else if (type == long.class) {
            return 10_000_000_000L + place;
        } else if (type == boolean.class) {
            return full;
        } else if (Record.class.isAssignableFrom(type)) {
            return fill(type, full);
        } else if (!full) {
            return null;
        } else if (type == String.class) {
            return "s" + place;
        } else if (type == byte[].class) {
            return ("b" + place).getBytes(StandardCharsets.UTF_8);
        }
        Class<?> element =
            (Class<?>) ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
        List<Object> elements = new ArrayList<>();
        for (String suffix : new String[] {"x", "y"}) {
            elements.add(element == String.class ? "v" + place + suffix : fill(element, true));
        }
        return elements;
    }
}
