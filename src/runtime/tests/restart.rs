//! What survives a stop, and what a stop does.

use jute::Decode;
use jute::proto::{ConnectResponse, GetDataResponse};

use super::client::{Client, create, look, set};
use super::{Fixture, start_in};
use crate::proto::Op;

#[test]
fn data_and_sessions_survive() {
    let fixture = Fixture::start(&[]);
    let mut client = Client::open(fixture.server.client_address());
    client.call(Op::Create, &create("/kept", b"one"));
    let last = client.call(Op::SetData, &set("/kept", b"two")).zxid;
    fixture.server.stop().unwrap();
    let (session, password) = (client.session, client.password.clone());
    client.assert_closed();

    let server = start_in(fixture.dir.path(), &[]);
    let mut again = Client::connect(server.client_address());
    let response = again.hello(session, &password).unwrap();
    let response = ConnectResponse::from_slice(&response).unwrap();
    assert_eq!(response.session_id, session);
    let read = again.call(Op::GetData, &look("/kept", false));
    let data = GetDataResponse::from_slice(&read.body).unwrap();
    assert_eq!((data.data, read.zxid), (Some(&b"two"[..]), last));
    server.stop().unwrap();
}

#[test]
fn snapshots_are_taken_while_writes_go_on() {
    let properties = [("zookeeper.snapCount", "100")];
    let fixture = Fixture::start(&properties);
    let mut client = Client::open(fixture.server.client_address());
    for number in 0..1000 {
        client.send(Op::Create, &create(&format!("/n{number}"), b"value"));
    }
    for _ in 0..1000 {
        assert_eq!(client.reply().err, 0);
    }
    fixture.server.stop().unwrap();
    let files = std::fs::read_dir(fixture.dir.path().join("version-2")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    let count = |prefix: &str| {
        let has_prefix = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with(prefix);
        names.iter().filter(has_prefix).count()
    };
    assert!(count("snapshot.") > 1 && count("log.") > 1, "{names:?}");

    let server = start_in(fixture.dir.path(), &properties);
    let mut client = Client::open(server.client_address());
    for number in 0..1000 {
        let read = client.call(Op::GetData, &look(&format!("/n{number}"), false));
        assert_eq!(read.err, 0, "{number}");
    }
    server.stop().unwrap();
}
