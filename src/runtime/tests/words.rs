//! Four-letter words over the wire.

use std::io::Write;
use std::net::Shutdown;

use super::Fixture;
use super::client::{Client, create, look};
use crate::proto::Op;

fn ask(fixture: &Fixture, question: &[u8]) -> String {
    let mut client = Client::connect(fixture.server.client_address());
    client.stream.write_all(question).unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.rest()
}

#[test]
fn only_srvr_is_answered_unless_more_is_allowed() {
    let fixture = Fixture::start(&[]);
    let answer = ask(&fixture, b"srvr");
    assert!(answer.starts_with("Zookeeper version: 3.9.5-"));
    assert!(
        answer.ends_with("Mode: standalone\nNode count: 5\n"),
        "as Apache's: {answer}"
    );
    let refusal = "is not executed because it is not in the whitelist.\n";
    assert_eq!(ask(&fixture, b"ruok\n"), format!("ruok {refusal}"));
    let interrupt = [0xff, 0xf4, 0xff, 0xfd];
    assert_eq!(ask(&fixture, &interrupt), format!("telnet close {refusal}"));
    assert_eq!(ask(&fixture, b"what"), "");
    fixture.server.stop().unwrap();
}

#[test]
fn every_word_is_answered() {
    let fixture = Fixture::start(&[("zookeeper.4lw.commands.whitelist", "*")]);
    let mut client = Client::open(fixture.server.client_address());
    client.call(Op::Create, &create("/a", b""));
    client.call(Op::GetData, &look("/a", true));
    assert_eq!(ask(&fixture, b"ruok\r\n"), "imok");
    assert_eq!(ask(&fixture, b"isro"), "rw");
    assert_eq!(ask(&fixture, b"gtmk"), "306");
    assert_eq!(ask(&fixture, b"stmk\0\0\0\0\0\0\0\x07"), "7");
    assert_eq!(ask(&fixture, b"gtmk"), "7");
    assert_eq!(ask(&fixture, &[0xff, 0xf4, 0xff, 0xfd]), "");
    let session = format!("{:#x}", client.session);
    let wchs = "1 connections watching 1 paths\nTotal watches:1\n";
    assert_eq!(ask(&fixture, b"wchs"), wchs);
    assert_eq!(ask(&fixture, b"wchp"), format!("/a\n\t{session}\n\n"));
    assert_eq!(ask(&fixture, b"wchc"), format!("{session}\n\t/a\n\n"));
    let cons = ask(&fixture, b"cons");
    assert!(
        cons.contains(&format!("recved=3,sent=3,sid={session},lop=GETD,")),
        "{cons}"
    );
    let stat = ask(&fixture, b"stat");
    assert!(stat.contains("Clients:\n /127.0.0.1:") && stat.contains("Mode: standalone\n"));
    let dump = ask(&fixture, b"dump");
    assert!(dump.contains(&format!("\t{session}\n")), "{dump}");
    assert!(ask(&fixture, b"conf").contains("minSessionTimeout=6000\n"));
    assert!(ask(&fixture, b"dirs").starts_with("datadir_size: "));
    assert!(ask(&fixture, b"envi").starts_with("Environment:\nzookeeper.version=3.9.5-"));
    assert_eq!(ask(&fixture, b"hash"), "");
    let mntr = ask(&fixture, b"mntr");
    assert!(mntr.starts_with("zk_version\t3.9.5-"), "{mntr}");
    for line in [
        "zk_server_state\tstandalone\n",
        "zk_znode_count\t6\n",
        "zk_watch_count\t1\n",
    ] {
        assert!(mntr.contains(line), "{line} in {mntr}");
    }
    assert_eq!(ask(&fixture, b"crst"), "Connection stats reset.\n");
    assert_eq!(ask(&fixture, b"srst"), "Server stats reset.\n");
    fixture.server.stop().unwrap();
}
