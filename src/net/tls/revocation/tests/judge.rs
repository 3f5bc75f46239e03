//! Questions as the JDK asks them, and what is made of answers.

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::pki_types::CertificateDer;
use x509_cert::ext::Extension;

use super::super::ocsp::{Judge, NONCE, Question, Unusable};
use super::super::{Verdict, asn1};
use super::*;

const NOW: u64 = 1_790_000_000;
const SKEW: u64 = 900;

/// An issuer, its certificate for someone, and somebody who signs answers for it.
struct Scene {
    root: Party,
    question: Question,
}

impl Scene {
    fn new() -> Self {
        let root = Party::root();
        let link = root.link(&root.certify("someone", 7, |_| ()));
        Self {
            question: Question::about(&link, false).unwrap(),
            root,
        }
    }

    fn asked(&self) -> CertId {
        self.question.certificate.clone()
    }

    fn answer(&self, status: CertStatus) -> Answer<'_> {
        Answer::new(&self.root, self.asked(), status, NOW)
    }

    fn verdict(&self, response: &[u8]) -> Result<Verdict, Unusable> {
        let judge = Judge {
            question: &self.question,
            issuer: &self.root.issuer(),
            algorithms: algorithms(),
            now: Duration::from_secs(NOW),
            clock_skew: Duration::from_secs(SKEW),
        };
        judge.verdict(response)
    }

    fn judged(&self, answer: Answer<'_>) -> String {
        match self.verdict(&answer.encoded()) {
            Ok(verdict) => format!("{verdict:?}"),
            Err(error) => error.to_string(),
        }
    }
}

/// What `sun.security.provider.certpath.OCSPRequest` of a JDK 17 encodes for the certificate in `testdata`.
#[test]
fn a_question_has_the_bytes_of_the_jdk() {
    let path = |name: &str| format!("{}/src/net/tls/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    let first = |name: &str| {
        use rustls::pki_types::pem::PemObject;
        let bytes = std::fs::read(path(name)).unwrap();
        let mut all = CertificateDer::pem_slice_iter(&bytes);
        all.next().unwrap().unwrap()
    };
    let (own, ca) = (first("server.pem"), first("ca.pem"));
    let anchor = webpki::anchor_from_trusted_cert(&ca).unwrap();
    let end = webpki::EndEntityCert::try_from(&own).unwrap();
    let link = Link::new(&end, false, Issuer::trusted(&anchor).unwrap());
    let question = Question::about(&link, false).unwrap().encoded().unwrap();
    let hex: String = question.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "30493047304530433041300906052b0e03021a05000414d52486a212e84b9fe425e310ec39ae1a9f11e15504\
         14b60bf42bb39f68fb3857c180c104b556caefd6bf0208532855828433c67b"
    );
}

#[test]
fn the_issuer_says_what_is_known() {
    let scene = Scene::new();
    for (status, expected) in [
        (good(), "Good"),
        (revoked(NOW), "Revoked"),
        (revoked(NOW + 1), "Good"),
        (unknown(), "the certificate is not known there"),
    ] {
        assert_eq!(scene.judged(scene.answer(status)), expected);
    }
    let by_name = Answer {
        id: scene.root.by_name(),
        ..scene.answer(good())
    };
    assert_eq!(scene.judged(by_name), "Good");
    let shown = Answer {
        shown: vec![&scene.root],
        ..scene.answer(good())
    };
    assert_eq!(scene.judged(shown), "Good");
    let last = Answer {
        about: vec![(scene.asked(), good()), (scene.asked(), revoked(1))],
        ..scene.answer(good())
    };
    assert_eq!(scene.judged(last), "Revoked", "the last one counts");
}

/// SHA-1 with RSA, as the responder of Apache's tests has it; made by OpenSSL: the certificate 5 is good, 6
/// is revoked.
#[test]
fn sha_1_will_do() {
    let file = |name: &str| {
        let path = format!("{}/src/net/tls/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let authority = CertificateDer::from(file("ocsp_ca.der"));
    let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
    for (serial, name, expected) in [
        (5, "ocsp_good.der", Verdict::Good),
        (6, "ocsp_revoked.der", Verdict::Revoked),
    ] {
        let issuer = Issuer::trusted(&anchor).unwrap();
        let link = Link {
            certificate: authority.clone(),
            serial: vec![serial],
            is_authority: false,
            issuer: issuer.clone(),
        };
        let question = Question::about(&link, false).unwrap();
        let judge = |now| Judge {
            question: &question,
            issuer: &issuer,
            algorithms: algorithms(),
            now: Duration::from_secs(now),
            clock_skew: Duration::from_secs(SKEW),
        };
        let mut response = file(name);
        assert_eq!(judge(MADE).verdict(&response).unwrap(), expected);
        let later = judge(MADE + DAY + SKEW + 1).verdict(&response);
        assert!(matches!(later, Err(Unusable::Stale)), "{later:?}");
        // The time of production, which nothing but the signature protects.
        let made = response.windows(15).position(|it| it == b"20261129212644Z");
        response[made.unwrap() + 13] ^= 1;
        let other = judge(MADE).verdict(&response);
        assert!(matches!(other, Err(Unusable::Signature)), "{other:?}");
    }
}

/// When the two responses were made, for a day.
const MADE: u64 = 1_795_987_604;
const DAY: u64 = 86_400;

#[test]
fn whoever_signs_must_be_let_to_by_the_issuer() {
    let scene = Scene::new();
    let signs = |params: &mut CertificateParams| {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::OcspSigning);
    };
    let delegate = scene.root.certify("delegate", 8, signs);
    let without = scene.root.certify("without", 9, |_| ());
    let expired = scene.root.certify("expired", 10, |params| {
        signs(params);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let other = Party::root();
    let of_other = other.certify("of another", 11, signs);
    let far = scene.root.empower("between", 12, |_| ());
    let far = far.certify("far", 13, signs);
    const UNAUTHORIZED: &str = "whoever signed it is not authorized to";
    for (signer, expected) in [
        (&delegate, "Good"),
        (&without, UNAUTHORIZED),
        (&expired, UNAUTHORIZED),
        (&of_other, UNAUTHORIZED),
        (&far, UNAUTHORIZED),
        // Its name is that of the issuer, not its key.
        (&other, UNAUTHORIZED),
    ] {
        for id in [signer.by_name(), signer.by_key()] {
            let answer = Answer {
                id,
                signer,
                shown: vec![signer],
                ..scene.answer(good())
            };
            assert_eq!(scene.judged(answer), expected);
        }
        let in_its_name = Answer {
            signer,
            ..scene.answer(good())
        };
        assert_eq!(scene.judged(in_its_name), "its signature is wrong");
    }
    let unseen = Answer {
        id: delegate.by_key(),
        signer: &delegate,
        ..scene.answer(good())
    };
    let expected = "the certificate of whoever signed it is not there";
    assert_eq!(scene.judged(unseen), expected);
}

#[test]
fn an_answer_is_about_this_certificate_and_of_now() {
    let scene = Scene::new();
    const STALE: &str = "it is not of now";
    for (this_update, next_update, expected) in [
        (NOW - SKEW, None, "Good"),
        (NOW - SKEW - 1, None, STALE),
        (NOW + SKEW, None, "Good"),
        (NOW + SKEW + 1, None, STALE),
        (NOW - 86_400, Some(NOW - SKEW), "Good"),
        (NOW - 86_400, Some(NOW - SKEW - 1), STALE),
    ] {
        let answer = Answer {
            this_update,
            next_update,
            ..scene.answer(good())
        };
        assert_eq!(
            scene.judged(answer),
            expected,
            "{this_update} {next_update:?}"
        );
    }
    let change = |change: &dyn Fn(&mut CertId)| {
        let mut about = scene.asked();
        change(&mut about);
        scene.judged(Answer {
            about: vec![(about, good())],
            ..scene.answer(good())
        })
    };
    const OTHER: &str = "it is about other certificates";
    let other = || OctetString::new([7; 20]).unwrap();
    assert_eq!(
        change(&|about| about.serial = Int::new(&[8]).unwrap()),
        OTHER
    );
    assert_eq!(change(&|about| about.issuer_key = other()), OTHER);
    assert_eq!(change(&|about| about.issuer_name = other()), OTHER);
    assert_eq!(
        change(&|about| about.hash.algorithm = BASIC_RESPONSE),
        OTHER
    );
    assert_eq!(change(&|about| about.hash.parameters = None), "Good");
    let none = Answer {
        about: Vec::new(),
        ..scene.answer(good())
    };
    assert_eq!(scene.judged(none), OTHER);
}

#[test]
fn a_responder_may_have_no_answer() {
    let scene = Scene::new();
    for status in [
        ResponseStatus::MalformedRequest,
        ResponseStatus::InternalError,
        ResponseStatus::TryLater,
        ResponseStatus::SigRequired,
        ResponseStatus::Unauthorized,
    ] {
        let answer = Answer {
            status,
            ..scene.answer(good())
        };
        assert_eq!(scene.judged(answer), format!("its status is {status:?}"));
    }
}

#[test]
fn a_nonce_is_repeated_or_left_out() {
    let mut scene = Scene::new();
    let nonce = OctetString::new([3; 16]).unwrap();
    scene.question.nonce = Some(nonce.clone());
    let extension = |nonce: &OctetString, critical| {
        Some(vec![Extension {
            extn_id: NONCE,
            critical,
            extn_value: OctetString::new(encoded_again(nonce)).unwrap(),
        }])
    };
    let question = asn1::OcspRequest::from_der(&scene.question.encoded().unwrap()).unwrap();
    assert_eq!(question.content.extensions, extension(&nonce, false));
    let other = OctetString::new([4; 16]).unwrap();
    for (extensions, expected) in [
        (None, "Good"),
        (extension(&nonce, false), "Good"),
        (
            extension(&other, false),
            "its nonce is that of another question",
        ),
        (
            extension(&nonce, true),
            "it has an extension that is critical and not known: 1.3.6.1.5.5.7.48.1.2",
        ),
    ] {
        let answer = Answer {
            extensions,
            ..scene.answer(good())
        };
        assert_eq!(scene.judged(answer), expected);
    }
}

/// Whatever is changed in an answer, it does not make a revoked certificate a good one; nor do any bytes.
#[test]
fn damage_makes_nothing_good() {
    let scene = Scene::new();
    let answer = Answer {
        shown: vec![&scene.root],
        ..scene.answer(revoked(NOW))
    };
    let whole = answer.encoded();
    for at in 0..whole.len() {
        assert!(scene.verdict(&whole[..at]).is_err(), "up to {at}");
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let verdict = scene.verdict(&damaged);
            assert!(!matches!(verdict, Ok(Verdict::Good)), "bit {bit} of {at}");
        }
    }
    proptest::proptest!(|(bytes: Vec<u8>)| {
        proptest::prop_assert!(scene.verdict(&bytes).is_err());
    });
}
