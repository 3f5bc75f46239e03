package org.apache.zookeeper.server;

/** The factory that is made when none is named; a program has one way to accept connections. */
public class NIOServerCnxnFactory extends ServerCnxnFactory {}
