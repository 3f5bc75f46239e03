//! A responder on loopback, and how it is asked.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::asn1::OcspRequest;
use super::super::responder::{NoAnswer, ask};
use super::*;
use crate::config::OcspOptions;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its first line.
    pub(super) line: String,
    pub(super) head: String,
    /// The question in it.
    pub(super) question: Vec<u8>,
}

/// Answers each question with the bytes that come of it; with none it says nothing and stays.
pub(super) struct Responder {
    pub(super) at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

impl Responder {
    pub(super) async fn start(
        answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(serve(stream, seen.clone(), answer.clone()));
            }
        });
        Self {
            at,
            asked,
            _task: task,
        }
    }

    pub(super) fn place(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

/// Until the other end hangs up.
async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&[u8]) -> Option<Vec<u8>>>,
) {
    let mut received = Vec::new();
    let asked = loop {
        if let Some(asked) = parse(&received) {
            break asked;
        }
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let answer = answer(&asked.question);
    seen.lock().push(asked);
    if let Some(answer) = answer {
        // Whoever has enough of a long one hangs up.
        let _ = stream.write_all(&answer).await;
        return;
    }
    let _ = stream.read_buf(&mut received).await;
}

fn parse(received: &[u8]) -> Option<Asked> {
    let text = String::from_utf8_lossy(received);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let line = head.lines().next()?.to_owned();
    let length = head.lines().find_map(|line| {
        let line = line.to_lowercase();
        line.strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let body = &received[head.len() + 4..];
    let question = match length {
        Some(length) => body.get(..length)?.to_vec(),
        None => {
            let path = line.split(' ').nth(1)?;
            let encoded = path.rsplit('/').next()?;
            let encoded = percent_decode_str(encoded).decode_utf8().ok()?;
            STANDARD.decode(encoded.as_bytes()).ok()?
        }
    };
    Some(Asked {
        line,
        head: head.to_lowercase(),
        question,
    })
}

/// An answer of the usual form.
pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What the question is about.
pub(super) fn about(question: &[u8]) -> CertId {
    let request = OcspRequest::from_der(question).unwrap();
    request
        .content
        .requests
        .into_iter()
        .next()
        .unwrap()
        .certificate
}

const QUICK: OcspOptions = OcspOptions {
    connect_timeout_ms: 10_000,
    read_timeout_ms: 10_000,
    uses_get: true,
    clock_skew_s: 900,
    sends_nonce: false,
};

#[tokio::test]
async fn a_short_question_is_in_the_address_and_a_long_one_is_sent() {
    let responder = Responder::start(|_| Some(ok(b"yes"))).await;
    let place = responder.place();
    let deep = format!("{place}/deep/{}/", "x".repeat(180));
    let by_post = OcspOptions {
        uses_get: false,
        ..QUICK
    };
    // Base64 has all three of the characters that an address writes otherwise in this.
    let question = [0xfb, 0xff, 0xbf, 0xff];
    for (place, options) in [
        (&place, &QUICK),
        (&format!("{place}/sub"), &QUICK),
        (&deep, &QUICK),
        (&place, &by_post),
    ] {
        let answer = ask(place, &question, options).await.unwrap();
        assert_eq!(&answer[..], b"yes");
    }
    let asked = responder.asked();
    assert!(asked.iter().all(|asked| asked.question == question));
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let deep = format!(
        "GET /deep/{}/%2B%2F%2B%2F%2Fw%3D%3D HTTP/1.1",
        "x".repeat(180)
    );
    let expected = [
        "GET /%2B%2F%2B%2F%2Fw%3D%3D HTTP/1.1",
        "GET /sub/%2B%2F%2B%2F%2Fw%3D%3D HTTP/1.1",
        &deep,
        "POST / HTTP/1.1",
    ];
    assert_eq!(lines, expected);
    assert!(
        asked[3]
            .head
            .contains("content-type: application/ocsp-request")
    );
    assert!(asked[0].head.contains(&format!("host: {}", responder.at)));
    // One character more than an address may have.
    let longest = format!("{place}/{}", "x".repeat(255 - place.len() - 1 - 1 - 14));
    for (place, method) in [(longest.clone(), "GET"), (format!("{longest}x"), "POST")] {
        ask(&place, b"12345678", &QUICK).await.unwrap();
        let line = responder.asked().pop().unwrap().line;
        assert!(line.starts_with(method), "{line}");
    }
}

#[tokio::test]
async fn an_answer_may_come_in_parts_or_end_with_the_connection() {
    for whole in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nyes",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes and more",
    ] {
        let responder = Responder::start(|_| Some(whole.as_bytes().to_vec())).await;
        let answer = ask(&responder.place(), b"?", &QUICK).await.unwrap();
        assert_eq!(&answer[..], b"yes", "{whole}");
    }
}

/// What is no answer, and why.
#[tokio::test]
async fn what_is_not_a_whole_answer_is_none() {
    let long = ok(&vec![0; 256 * 1024 + 1]);
    let chunk = format!("20000\r\n{}\r\n", "x".repeat(0x20000));
    let endless = ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
        .into_iter()
        .chain(std::iter::repeat_n(chunk.as_str(), 100));
    let endless: String = endless.collect();
    for (bytes, expected) in [
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            "its status is 404 Not Found",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n".to_vec(),
            "its status is 302 Found",
        ),
        (long, "length limit exceeded"),
        (endless.into_bytes(), "length limit exceeded"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nyes".to_vec(),
            "error reading a body",
        ),
        (b"SSH-2.0-x\r\n".to_vec(), "invalid HTTP"),
        (vec![0xff; 100_000], "invalid HTTP"),
        (Vec::new(), "connection closed before message completed"),
    ] {
        let responder = Responder::start(move |_| Some(bytes.clone())).await;
        let error = ask(&responder.place(), b"?", &QUICK).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{text} instead of {expected}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_asked() {
    let responder = Responder::start(|_| None).await;
    let hasty = OcspOptions {
        read_timeout_ms: 1,
        ..QUICK
    };
    let error = ask(&responder.place(), b"?", &hasty).await.unwrap_err();
    assert!(matches!(error, NoAnswer::ReadTimedOut), "{error}");
    let half = |_: &[u8]| Some(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec());
    let responder = Responder::start(half).await;
    let error = ask(&responder.place(), b"?", &QUICK).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Http(_)), "{error}");
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = port.local_addr().unwrap();
    drop(port);
    let error = ask(&format!("http://{nobody}"), b"?", &QUICK).await;
    assert!(matches!(error.unwrap_err(), NoAnswer::Connect(_)));
    for place in [
        "https://a",
        "ldap://a",
        "a",
        "http://",
        "http:///x",
        "http://a b",
        "",
    ] {
        let error = ask(place, b"?", &QUICK).await.unwrap_err();
        assert!(matches!(error, NoAnswer::Address), "{place}: {error}");
    }
}
