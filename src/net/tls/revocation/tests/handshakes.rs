//! Servers that ask for each other when they meet: responders first, then lists.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, ExtendedKeyUsagePurpose, KeyIdMethod,
    RevokedCertParams, date_time_ymd,
};
use tempfile::TempDir;

use super::responders::{Responder, about, ok};
use super::*;
use crate::net::tls::tests::{meet, options};
use crate::net::tls::{PeerSecurity, Tls};

/// What the responder answers about a certificate, by its serial number.
type Known = Arc<Mutex<Vec<(u8, fn() -> CertStatus)>>>;

/// A root, a responder that knows what is said of those whom it certified, and files.
struct World {
    dir: TempDir,
    root: Arc<Party>,
    known: Known,
    responder: Responder,
}

impl World {
    async fn start() -> Self {
        let root = Arc::new(Party::root());
        let known = Known::default();
        let (signer, facts) = (root.clone(), known.clone());
        let responder = Responder::start(move |question| {
            let about = about(question);
            let serial = about.serial.as_bytes().to_vec();
            let facts = facts.lock();
            let status = facts.iter().find(|(known, _)| [*known] == serial[..])?.1;
            Some(ok(&Answer::new(&signer, about, status(), now()).encoded()))
        });
        Self {
            dir: TempDir::new().unwrap(),
            root,
            known,
            responder: responder.await,
        }
    }

    fn is(&self, serial: u8, status: fn() -> CertStatus) {
        let mut known = self.known.lock();
        known.retain(|(known, _)| *known != serial);
        known.push((serial, status));
    }

    /// Somebody whose certificate names the responder.
    fn asked_for(&self, serial: u8) -> Party {
        let place = self.responder.place();
        self.root.certify("asked for", serial, |params| {
            params.custom_extensions.push(access(&place));
        })
    }

    /// A server with the key of the last of a chain, which trusts the root.
    fn server(&self, chain: &[&Party], more: &[(&str, &str)]) -> PeerSecurity {
        let (key, trust) = (
            self.dir.path().join("key.pem"),
            self.dir.path().join("trust.pem"),
        );
        let own = chain.last().unwrap().key().serialize_pem();
        let chain = chain.iter().rev();
        let pem: String = chain.map(|party| party.certified.pem()).collect();
        fs::write(&key, pem + &own).unwrap();
        fs::write(&trust, self.root.certified.pem()).unwrap();
        let (key, trust) = (key.display().to_string(), trust.display().to_string());
        let stores = [
            ("ssl.quorum.keyStore.location", key.as_str()),
            ("ssl.quorum.keyStore.password", ""),
            ("ssl.quorum.trustStore.location", trust.as_str()),
            ("ssl.quorum.trustStore.password", ""),
        ];
        let options = options(&[&stores[..], more].concat());
        PeerSecurity::new(Arc::new(Tls::load(options.tls.clone()).unwrap()), &options)
    }

    /// Why two servers do not come together: what the one that dials says, then the other.
    async fn meeting(
        &self,
        dialling: (&[&Party], &[(&str, &str)]),
        accepting: (&[&Party], &[(&str, &str)]),
    ) -> [String; 2] {
        let dialling = self.server(dialling.0, dialling.1);
        let accepting = self.server(accepting.0, accepting.1);
        let (dialled, accepted) = meet(&dialling, &accepting).await;
        let said = |error: crate::net::tls::HandshakeError| error.to_string();
        [
            dialled.err().map_or(String::new(), said),
            accepted.err().map_or(String::new(), said),
        ]
    }
}

const OCSP: (&str, &str) = ("ssl.quorum.ocsp", "true");
const CRL: (&str, &str) = ("ssl.quorum.crl", "true");

#[tokio::test]
async fn both_ends_ask_the_responder() {
    let world = World::start().await;
    let (one, other) = (world.asked_for(2), world.asked_for(3));
    world.is(2, good);
    world.is(3, good);
    let meet = async |dialling: &[(&str, &str)], accepting: &[(&str, &str)]| {
        world
            .meeting((&[&one], dialling), (&[&other], accepting))
            .await
    };
    assert_eq!(meet(&[OCSP], &[OCSP]).await, ["", ""]);
    assert_eq!(
        world.responder.asked().len(),
        2,
        "each end asks for the other"
    );
    assert_eq!(meet(&[OCSP], &[]).await, ["", ""]);
    assert_eq!(world.responder.asked().len(), 3, "it asks anew");
    assert_eq!(meet(&[], &[]).await, ["", ""]);
    assert_eq!(world.responder.asked().len(), 3);

    const REVOKED: &str = "the certificate \"CN=asked for\" is revoked";
    world.is(2, || revoked(1));
    assert_eq!(meet(&[], &[OCSP]).await[1], REVOKED);
    assert_eq!(
        meet(&[OCSP], &[]).await,
        ["", ""],
        "nobody asks for that one"
    );
    world.is(3, || revoked(1));
    assert_eq!(meet(&[OCSP], &[]).await[0], REVOKED);
    world.is(2, unknown);
    let place = world.responder.place();
    let expected = format!(
        "it cannot be known whether the certificate \"CN=asked for\" is revoked: the answer of {place} \
         cannot be used: the certificate is not known there; it names no revocation list"
    );
    assert_eq!(meet(&[], &[OCSP]).await[1], expected);
}

#[tokio::test]
async fn who_names_no_responder_that_answers_is_not_let_in() {
    let world = World::start().await;
    let me = world.root.certify("me", 9, |_| ());
    let refusal = async |party: &Party, timeout: &str| {
        let hasty = ("com.sun.security.ocsp.readtimeout", timeout);
        let [_, refusal] = world
            .meeting((&[party], &[]), (&[&me], &[OCSP, hasty]))
            .await;
        let start = "it cannot be known whether the certificate \"CN=";
        assert!(refusal.starts_with(start), "{refusal}");
        refusal
    };
    let unnamed = refusal(&world.root.certify("unnamed", 2, |_| ()), "15").await;
    let expected = "revoked: it names no OCSP responder; it names no revocation list";
    assert!(unnamed.ends_with(expected), "{unnamed}");
    // Nothing is known of it there, and it says nothing.
    let silent = refusal(&world.asked_for(3), "1ms").await;
    let expected = ": it did not answer in time; it names no revocation list";
    assert!(silent.ends_with(expected), "{silent}");
    let lost = world.root.certify("lost", 4, |params| {
        params.custom_extensions.push(access("ftp://localhost"));
    });
    let lost = refusal(&lost, "15").await;
    let expected =
        "no answer from ftp://localhost: expected http://<host>; it names no revocation list";
    assert!(lost.ends_with(expected), "{lost}");
}

/// The list of an authority, in a file.
struct List {
    /// By the serial number: since when, in seconds since 1970.
    revoked: Vec<(u8, u64)>,
    next_update: i32,
}

impl List {
    /// Of the next years.
    fn new(revoked: &[(u8, u64)]) -> Self {
        Self {
            revoked: revoked.to_vec(),
            next_update: 4000,
        }
    }

    fn write(&self, of: &Party, to: &Path) {
        let revoked = self
            .revoked
            .iter()
            .map(|(serial, since)| RevokedCertParams {
                serial_number: SerialNumber::from(vec![*serial]),
                revocation_time: date_time_ymd(1970, 1, 1) + Duration::from_secs(*since),
                reason_code: None,
                invalidity_date: None,
            });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(self.next_update, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&of.certified).unwrap();
        fs::write(to, list.der()).unwrap();
    }
}

fn points(path: &Path) -> Vec<CrlDistributionPoint> {
    vec![CrlDistributionPoint {
        uris: vec![format!("file://{}", path.display())],
    }]
}

#[tokio::test]
async fn lists_decide_where_no_responder_does() {
    let world = World::start().await;
    let me = world.root.certify("me", 9, |_| ());
    let path = world.dir.path().join("list");
    let place = world.responder.place();
    let listed = |params: &mut CertificateParams| params.crl_distribution_points = points(&path);
    let unnamed = world.root.certify("unnamed", 2, listed);
    let named = world.root.certify("named", 3, |params| {
        listed(params);
        params.custom_extensions.push(access(&place));
    });
    let refusal = async |party: &Party, how: (&str, &str)| {
        let [_, refusal] = world.meeting((&[party], &[]), (&[&me], &[how])).await;
        refusal
    };
    // The responder is heard first, and who has it say good needs no list.
    world.is(3, good);
    assert_eq!(refusal(&named, OCSP).await, "");
    List::new(&[(2, 1), (3, now())]).write(&world.root, &path);
    assert_eq!(refusal(&named, OCSP).await, "");
    let revoked_by_list = "the certificate \"CN=named\" is revoked";
    assert_eq!(refusal(&named, CRL).await, revoked_by_list);
    world.is(3, unknown);
    assert_eq!(refusal(&named, OCSP).await, revoked_by_list);
    assert!(refusal(&unnamed, OCSP).await.ends_with("is revoked"));
    List::new(&[(3, now() + 86_400)]).write(&world.root, &path);
    assert_eq!(refusal(&named, OCSP).await, "", "revoked in the future");
    assert_eq!(refusal(&unnamed, OCSP).await, "");
    world.is(3, || revoked(1));
    assert_eq!(
        refusal(&named, OCSP).await,
        revoked_by_list,
        "whatever a list says"
    );

    let none = "none of the revocation lists that it names can be had";
    let overdue = List {
        next_update: 2021,
        ..List::new(&[])
    };
    overdue.write(&world.root, &path);
    assert!(refusal(&unnamed, CRL).await.ends_with(none));
    List::new(&[]).write(&Party::root(), &path);
    assert!(
        refusal(&unnamed, CRL).await.ends_with(none),
        "of another's key"
    );
    fs::write(&path, "no list").unwrap();
    assert!(refusal(&unnamed, OCSP).await.ends_with(none));
}

/// All of a chain are asked for but its end; each in its own way.
#[tokio::test]
async fn each_authority_on_the_way_is_asked_for_too() {
    let world = World::start().await;
    let me = world.root.certify("me", 9, |_| ());
    let path = world.dir.path().join("list");
    let between = Arc::new(world.root.empower("between", 4, |params| {
        params.crl_distribution_points = points(&path);
    }));
    let place = world.responder.place();
    let far = between.certify("far", 5, |params| {
        params.custom_extensions.push(access(&place));
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
    });
    let chain = [&*between, &far];
    let refusal = async || {
        let [_, refusal] = world.meeting((&chain, &[]), (&[&me], &[OCSP])).await;
        refusal
    };
    let list = |revoked| List::new(revoked).write(&world.root, &path);
    list(&[]);
    // The responder signs for the root alone.
    world.is(5, good);
    let refused = refusal().await;
    assert!(
        refused.contains("\"CN=far\"") && refused.contains("signed it is not there"),
        "{refused}"
    );
    list(&[(4, 1)]);
    assert_eq!(refusal().await, "the certificate \"CN=between\" is revoked");
    let signer = between.clone();
    let own = Responder::start(move |question| {
        let answer = Answer::new(&signer, about(question), good(), now());
        Some(ok(&answer.encoded()))
    })
    .await;
    let far = between.certify("far", 6, |params| {
        params.custom_extensions.push(access(&own.place()));
    });
    list(&[]);
    let chain = [&*between, &far];
    let [_, refusal] = world.meeting((&chain, &[]), (&[&me], &[OCSP])).await;
    assert_eq!(refusal, "");
}

/// Seconds since 1970.
fn now() -> u64 {
    rustls::pki_types::UnixTime::now().as_secs()
}
