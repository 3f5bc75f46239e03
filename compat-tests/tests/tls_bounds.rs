//! What keeps a crowd at the port with TLS from costing much: so many handshakes at once and no more, and none
//! while there is nobody to serve a client.

use std::{
    io::{ErrorKind, Read},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::{PATIENCE, eventually},
    keys::{Keys, PASSWORD},
    ports::Ports,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions, four_letter_word,
    },
};

/// A connection that says nothing.
fn silent(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).expect("the port is open");
    let limit = Some(Duration::from_millis(200));
    stream.set_read_timeout(limit).expect("a time limit");
    stream
}

/// Whether the server has hung up, or does so soon.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Those beyond the limit are closed at once, and who leaves makes room. On a port that takes plain text too,
/// without which Apache's server has no such limit: it is read before it is known whose port it is.
fn crowd(test: &str, kind: Kind) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let key = keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
    let options = ServerOptions::new()
        .config("serverCnxnFactory", NETTY)
        .config("4lw.commands.whitelist", "*")
        .config("client.portUnification", "true")
        .config("ssl.keyStore.location", key.display())
        .config("ssl.keyStore.password", PASSWORD)
        .config("ssl.trustStore.location", keys.path("trust.p12").display())
        .config("ssl.trustStore.password", PASSWORD)
        .property("zookeeper.netty.server.outstandingHandshake.limit", "3");
    let server = Server::start(kind, &options);
    let at = server.address();
    // Who says nothing is not under way for ever, so that a slow machine may take some tries.
    let mut held = eventually("of four one is closed", PATIENCE, || {
        let mut four: Vec<TcpStream> = (0..4).map(|_| silent(at)).collect();
        four.retain_mut(|stream| !is_closed(stream));
        (four.len() == 3).then_some(four)
    });
    held.pop();
    eventually("there is room for another one", PATIENCE, || {
        (!is_closed(&mut silent(at))).then_some(())
    });
    drop(held);
    eventually("it is counted", PATIENCE, || {
        // This asks at the same port, and may be one too many itself.
        let answer = four_letter_word(at, "mntr").ok()?;
        let mut lines = answer.lines();
        let exceeded = lines.find_map(|line| line.strip_prefix("zk_tls_handshake_exceeded"))?;
        (exceeded.trim() != "0").then_some(())
    });
}

compat_tests::cases! {
    crowd_apache: crowd(Apache);
    crowd_ours: crowd(Ours);
}

/// A member that has lost its quorum closes connections of clients before their handshake.
fn early_drop(test: &str, kind: Kind) {
    let kinds = [kind; 3];
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let key = keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
    let ports = Ports::reserve(3);
    let mut options = EnsembleOptions::new()
        .config("serverCnxnFactory", NETTY)
        .config("ssl.keyStore.location", key.display())
        .config("ssl.keyStore.password", PASSWORD)
        .config("ssl.trustStore.location", keys.path("trust.p12").display())
        .config("ssl.trustStore.password", PASSWORD)
        .config("netty.server.earlyDropSecureConnectionHandshakes", "true");
    for (member, port) in [(0, 0), (1, 1), (2, 2)] {
        options = options.own_config(member, "secureClientPort", ports.port(port));
    }
    let mut ensemble = Ensemble::start(&kinds, &options);
    let secure = SocketAddr::from(([127, 0, 0, 1], ports.port(0)));
    assert!(!is_closed(&mut silent(secure)), "it serves");
    ensemble.kill(1);
    ensemble.kill(2);
    eventually("it closes whoever comes", ENSEMBLE_PATIENCE, || {
        is_closed(&mut silent(secure)).then_some(())
    });
    ensemble.restart(1);
    ensemble.await_serving(0);
    assert!(!is_closed(&mut silent(secure)), "it serves again");
}

compat_tests::cases! {
    early_drop_apache: early_drop(Apache);
    early_drop_ours: early_drop(Ours);
}

const NETTY: &str = "org.apache.zookeeper.server.NettyServerCnxnFactory";
