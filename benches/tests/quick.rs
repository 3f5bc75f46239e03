//! The load generator with tiny inputs, so that it can't rot: against a stub that says yes to everything, and side by
//! side against our own server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic here fails the test"
)]

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

use compat_tests::server::gamekeeper_binary;

#[test]
fn every_workload_runs_against_a_stub() {
    let target = start_stub();
    for workload in [
        "get16x16",
        "get64x1",
        "set16x16",
        "set16x1",
        "create16x16",
        "mixed16x16",
    ] {
        let output = load()
            .args([
                "run",
                "--seconds",
                "0.05",
                "--warm-up",
                "0.01",
                "--workload",
                workload,
            ])
            .args([
                "--target",
                &target.to_string(),
                "--pid",
                &std::process::id().to_string(),
            ])
            .output()
            .unwrap();
        let text = text_of(&output);
        assert!(output.status.success(), "{workload}: {text}");
        assert!(text.contains("us/request"), "{workload}: {text}");
    }
}

#[test]
fn a_comparison_of_our_own_server_fills_the_tables() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quick");
    let output = load()
        .args([
            "compare",
            "--servers",
            "gamekeeper,gamekeeper",
            "--rounds",
            "1",
            "--no-pin",
        ])
        .args([
            "--seconds",
            "0.1",
            "--warm-up",
            "0.05",
            "--nodes",
            "3000",
            "--restarts",
            "1",
        ])
        .args([
            Path::new("--gamekeeper"),
            gamekeeper_binary(),
            Path::new("--dir"),
            &dir,
        ])
        .output()
        .unwrap();
    let text = text_of(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("| getData, 16 connections, 16 deep | 2.00 |"),
        "{text}"
    );
    assert!(
        text.contains("| restart until it serves, milliseconds | 600 |"),
        "{text}"
    );
}

#[test]
fn three_of_apache_are_measured_and_lose_their_leader() {
    if !java_or_skip("three_of_apache_are_measured_and_lose_their_leader") {
        return;
    }
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quick-ensemble");
    let quick = |mode: &str, arguments: &[&str]| {
        let output = load()
            .args([mode, "--servers", "apache", "--apache-heap-mb", "200"])
            .args(arguments)
            .args([Path::new("--dir"), &dir])
            .output()
            .unwrap();
        let text = text_of(&output);
        assert!(output.status.success(), "{text}");
        text
    };
    let text = quick(
        "ensemble",
        &[
            "--rounds",
            "1",
            "--seconds",
            "0.2",
            "--warm-up",
            "0.1",
            "--no-pin",
        ],
    );
    assert!(
        text.contains("| setData, 16 connections, 16 deep, fsync on | 12.0 |"),
        "{text}"
    );
    let text = quick("failover", &["--rounds", "2"]);
    assert!(text.contains("| median, milliseconds | 100 |"), "{text}");
}

#[test]
fn three_of_ours_are_measured_and_lose_their_leader() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quick-our-ensemble");
    let quick = |mode: &str, arguments: &[&str]| {
        let output = load()
            .args([mode, "--servers", "gamekeeper,gamekeeper"])
            .args(arguments)
            .args([
                Path::new("--gamekeeper"),
                gamekeeper_binary(),
                Path::new("--dir"),
                &dir,
            ])
            .output()
            .unwrap();
        let text = text_of(&output);
        assert!(output.status.success(), "{text}");
        text
    };
    let text = quick(
        "ensemble",
        &[
            "--rounds",
            "1",
            "--seconds",
            "0.2",
            "--warm-up",
            "0.1",
            "--no-pin",
        ],
    );
    assert!(
        text.contains("| sequential create, 16 connections, 16 deep | 16.0 |"),
        "{text}"
    );
    let text = quick("failover", &["--rounds", "2"]);
    assert!(text.contains("| median, milliseconds | 100 |"), "{text}");
}

/// Whether Apache's server can be started here; says so if not, and `GAMEKEEPER_REQUIRE_JAVA=1` forbids that.
fn java_or_skip(test: &str) -> bool {
    let has = |tool| {
        let version = Command::new(tool).arg("-version").output();
        version.is_ok_and(|output| output.status.success())
    };
    if has("java") && has("mvn") {
        return true;
    }
    let required = env::var_os("GAMEKEEPER_REQUIRE_JAVA").is_some_and(|value| value == "1");
    assert!(!required, "{test} needs Java and Maven");
    // Past the capture of what passing tests print; a closed terminal is no reason to fail.
    let _ = writeln!(
        std::io::stderr().lock(),
        "\n*** NOT MEASURED: {test} needs Java and Maven"
    );
    false
}

fn load() -> Command {
    Command::new(env!("CARGO_BIN_EXE_load"))
}

fn text_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A server that grants every session and answers every request with success and an empty body.
fn start_stub() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The generator hanging up ends its thread.
            thread::spawn(move || serve_stub(stream));
        }
    });
    address
}

fn serve_stub(mut stream: TcpStream) -> std::io::Result<()> {
    read_frame(&mut stream)?;
    let mut connected = vec![0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x75, 0x30];
    connected.resize(4 + 37, 0);
    stream.write_all(&connected)?;
    loop {
        let request = read_frame(&mut stream)?;
        let mut reply = vec![0, 0, 0, 16];
        reply.extend(&request[..4]);
        reply.resize(4 + 16, 0);
        stream.write_all(&reply)?;
    }
}

fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}
