//! The folder's tests: bytes; one election by script; one server's links by script; ensembles by
//! script and by seed.

mod cluster;
mod explorer;
mod scripts;
mod wire;
