//! Any bytes as a JAAS file, and as the tokens of a login: refused, and nobody is let in.
#![no_main]

use std::path::Path;

use gamekeeper::auth::sasl::{
    Accounts, ClientExchange, Credentials, Nonce, ServerExchange, ServerStep, Service,
};
use gamekeeper::config::{CommandLine, Config};
use libfuzzer_sys::fuzz_target;

const ZOO_CFG: &[u8] = b"dataDir=/d\nclientPort=1\njava.security.auth.login.config=jaas\n";

fuzz_target!(|data: &[u8]| {
    let files = |_: &Path| Ok(data.to_vec());
    let command_line = CommandLine::default();
    let read = Config::read_with(Path::new("zoo.cfg"), ZOO_CFG, &command_line, &files);
    if let Err(rejection) = read {
        assert!(!rejection.to_string().is_empty());
    }

    let passwords = [("bob".to_owned(), "bob's".to_owned())];
    let accounts = Accounts::new(Service::CLIENTS, passwords.into());
    let credentials = Credentials {
        user: "bob".to_owned(),
        password: "bob's".to_owned(),
    };
    let nonce = || Nonce::from_random([7; Nonce::RANDOM_BYTES]);
    let mut server = ServerExchange::default();
    let mut client = ClientExchange::new(Service::CLIENTS, &credentials);
    for token in data.split(|byte| *byte == 0) {
        let step = server.evaluate(&accounts, token, nonce());
        assert!(
            !matches!(step, Ok(ServerStep::Done { .. })),
            "it knows no password"
        );
        // It may or may not have an answer.
        let _ = client.evaluate(token, nonce());
        assert!(!client.is_complete(), "the server knows no password");
    }
});
