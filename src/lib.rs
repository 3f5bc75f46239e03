//! Gamekeeper, a ZooKeeper server.
