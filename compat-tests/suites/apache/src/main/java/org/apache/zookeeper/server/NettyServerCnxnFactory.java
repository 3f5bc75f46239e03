package org.apache.zookeeper.server;

/** Chosen by name in a property that the program gets, too. */
public class NettyServerCnxnFactory extends ServerCnxnFactory {}
