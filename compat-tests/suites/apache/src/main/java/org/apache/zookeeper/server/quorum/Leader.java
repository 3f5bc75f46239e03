package org.apache.zookeeper.server.quorum;

/** Says that a program leads; tests look whether {@link QuorumPeer} has one. */
public class Leader {
    Leader() {}
}
