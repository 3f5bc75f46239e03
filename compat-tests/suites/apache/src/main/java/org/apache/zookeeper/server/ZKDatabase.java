package org.apache.zookeeper.server;

import gamekeeper.suite.Program;

/** What is known of a program's tree without asking as a client. */
public class ZKDatabase {
    private final Program program;

    ZKDatabase(Program program) {
        this.program = program;
    }

    public long getDataTreeLastProcessedZxid() {
        return program.lastZxid();
    }

    /** A program closes its files itself when it ends. */
    public void close() {}
}
