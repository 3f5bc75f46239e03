package org.apache.zookeeper.server;

/** The count of transactions between snapshots, for servers started from now on. */
public class SyncRequestProcessor {
    public static void setSnapCount(int count) {
        System.setProperty("zookeeper.snapCount", Integer.toString(count));
    }

    public static int getSnapCount() {
        return ZooKeeperServer.getSnapCount();
    }
}
