//! An OCSP responder on loopback, which says of certificates what a test has it say.
//!
//! The connections are its own, questions are understood and answers are signed by OpenSSL: what one of the
//! servers under test gets wrong, it does not.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use tempfile::TempDir;

use crate::keys::{Keys, run};

/// What is said of a certificate. Of those of whom nothing was told it says that it does not know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked,
    Unknown,
}

#[derive(Debug)]
pub struct Responder {
    at: SocketAddr,
    facts: Arc<Mutex<Facts>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What it goes by.
#[derive(Debug)]
struct Facts {
    /// Of a certificate by its number.
    statuses: BTreeMap<String, Status>,
    authority: PathBuf,
    /// The certificate and the key of who signs.
    signer: [PathBuf; 2],
    is_silent: bool,
    /// The questions so far: how they came, and what OpenSSL has to say of them.
    asked: Vec<String>,
}

impl Responder {
    /// The authority signs for itself.
    pub fn start(keys: &Keys) -> Self {
        let authority = keys.path("ca.pem");
        let facts = Arc::new(Mutex::new(Facts {
            statuses: BTreeMap::new(),
            signer: [authority.clone(), keys.bare_key("ca")],
            authority,
            is_silent: false,
            asked: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("it is bound");
        let ends = Arc::new(AtomicBool::new(false));
        let (known, is_over) = (facts.clone(), ends.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over.load(Relaxed) {
                    return;
                }
                let known = known.clone();
                thread::spawn(move || serve(stream, &known));
            }
        });
        Self {
            at,
            facts,
            ends,
            thread: Some(thread),
        }
    }

    /// The extension by which a certificate names it, as keytool spells it.
    pub fn extension(&self) -> String {
        format!("aia=ocsp:uri:http://{}/status", self.at)
    }

    /// From now on this is said of the certificate of `name`.
    pub fn says(&self, keys: &Keys, name: &str, status: Status) {
        let serial = keys.serial(name);
        locked(&self.facts).statuses.insert(serial, status);
    }

    /// From now on the owner of `name` signs, or the authority.
    pub fn is_signed_by(&self, keys: &Keys, name: &str) {
        let signer = [keys.bare_certificate(name), keys.bare_key(name)];
        locked(&self.facts).signer = signer;
    }

    /// Whether questions are left without an answer from now on.
    pub fn is_silent(&self, is_silent: bool) {
        locked(&self.facts).is_silent = is_silent;
    }

    /// The questions so far about the certificate of `name`: by which method they came.
    pub fn asked_about(&self, keys: &Keys, name: &str) -> Vec<String> {
        let serial = keys.serial(name);
        let facts = locked(&self.facts);
        let about = facts.asked.iter().filter(|asked| asked.contains(&serial));
        about
            .filter_map(|asked| Some(asked.split_once(' ')?.0.to_owned()))
            .collect()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.ends.store(true, Relaxed);
        // Wakes it.
        let _ = TcpStream::connect(self.at);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked(facts: &Mutex<Facts>) -> MutexGuard<'_, Facts> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One question, and its answer.
fn serve(mut stream: TcpStream, facts: &Mutex<Facts>) {
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).expect("a time limit");
    let mut received = Vec::new();
    let (method, question) = loop {
        if let Some(question) = question(&received) {
            break question;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => received.extend(&chunk[..count]),
            // Whoever asks nothing gets nothing.
            _ => return,
        }
    };
    let dir = TempDir::new().expect("a temporary directory");
    let asked = dir.path().join("question");
    fs::write(&asked, question).expect("a file is written");
    let text = ["ocsp", "-req_text", "-reqin", &shown(&asked)];
    let text = String::from_utf8_lossy(&run("openssl", &text, &[])).into_owned();
    let answer = {
        let mut facts = locked(facts);
        facts.asked.push(format!("{method} {text}"));
        if facts.is_silent {
            drop(facts);
            // Until whoever asked has enough.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        facts.answer(dir.path(), &asked)
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    // Whoever has hung up meanwhile misses it.
    let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
    let _ = stream.shutdown(Shutdown::Write);
}

impl Facts {
    fn answer(&self, dir: &Path, asked: &Path) -> Vec<u8> {
        let line = |(serial, status): (&String, &Status)| match status {
            Status::Good => format!("V\t491231235959Z\t\t{serial}\tunknown\t/CN={serial}\n"),
            Status::Revoked => {
                format!("R\t491231235959Z\t200101000000Z\t{serial}\tunknown\t/CN={serial}\n")
            }
            Status::Unknown => String::new(),
        };
        let index = dir.join("index.txt");
        let lines: String = self.statuses.iter().map(line).collect();
        fs::write(&index, lines).expect("a file is written");
        let answer = dir.join("answer");
        let [certificate, key] = &self.signer;
        let arguments = [
            ("-index", index.as_path()),
            ("-CA", &self.authority),
            ("-rsigner", certificate),
            ("-rkey", key),
            ("-reqin", asked),
            ("-respout", &answer),
        ];
        let mut words = vec!["ocsp".to_owned()];
        for (option, path) in arguments {
            words.extend([option.to_owned(), shown(path)]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run("openssl", &[&words[..], &["-nmin", "5"]].concat(), &[]);
        fs::read(&answer).expect("it is written")
    }
}

/// The method and the question of a request that is there as a whole.
fn question(received: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(received);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    if method == "GET" {
        let encoded = path
            .strip_prefix("/status/")
            .expect("the path of the responder");
        let encoded = percent_decode_str(encoded).decode_utf8_lossy();
        let question = STANDARD.decode(encoded.as_bytes()).expect("Base64");
        return Some((method.to_owned(), question));
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().ok())?
    });
    let body = received.get(head.len() + 4..)?.get(..length?)?;
    Some((method.to_owned(), body.to_vec()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
