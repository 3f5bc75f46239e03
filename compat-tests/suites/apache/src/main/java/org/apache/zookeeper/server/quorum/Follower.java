package org.apache.zookeeper.server.quorum;

/** Says that a program follows; tests look whether {@link QuorumPeer} has one. */
public class Follower {
    Follower() {}
}
