package org.apache.zookeeper.server.quorum;

/** Says that a program observes; tests look whether {@link QuorumPeer} has one. */
public class Observer {
    Observer() {}
}
