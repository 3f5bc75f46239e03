//! Where clients connect: `clientPort` with `clientPortAddress`, or the client part of this
//! server's `server.N` line.
//!
//! In: the settings, and that line. Out: one [`ListenAddress`].

use super::{
    keys::client,
    membership::{self, OwnLine},
    options::{ListenAddress, ListenHost},
    raw::Setting,
    values::{Values, default_int},
};

impl Values {
    /// The line's address counts if it has one; both must agree, as
    /// `QuorumPeerConfig.setupClientPort` has it.
    pub(super) fn client_address(&mut self, own: &OwnLine) -> ListenAddress {
        let port = self
            .set_int(&client::CLIENT_PORT)
            .and_then(|port| u16::try_from(port).ok());
        let host = self
            .setting(&client::CLIENT_PORT_ADDRESS)
            .map(|setting| setting.value.clone());
        let host = match host.as_deref().map(membership::host) {
            None => ListenHost::All,
            Some(Ok(host)) => host,
            Some(Err(expected)) => {
                self.error(&client::CLIENT_PORT_ADDRESS, format!("expected {expected}"));
                ListenHost::All
            }
        };
        match (port, own) {
            (Some(port), OwnLine::There(_, Some(member)))
                if self
                    .setting(&client::CLIENT_PORT)
                    .is_some_and(Setting::is_flag) =>
            {
                ListenAddress {
                    port,
                    ..member.clone()
                }
            }
            (Some(port), OwnLine::There(line, Some(member))) => {
                let agree = port == member.port && (host == ListenHost::All || host == member.host);
                if !agree {
                    let text = "the client address differs from clientPort and clientPortAddress";
                    self.errors.push(line.error(text));
                }
                member.clone()
            }
            (None, OwnLine::There(_, Some(member))) => member.clone(),
            (Some(port), _) => ListenAddress { host, port },
            (None, own) => self.default_client_address(host, own),
        }
    }

    fn default_client_address(&mut self, host: ListenHost, own: &OwnLine) -> ListenAddress {
        // A clientPort or a line that could not be read has been reported; without a file there is
        // a default.
        let is_reported =
            self.setting(&client::CLIENT_PORT).is_some() || matches!(own, OwnLine::Unknown);
        if let (false, Some(origin)) = (is_reported, self.file.clone()) {
            if self.setting(&client::CLIENT_PORT_ADDRESS).is_some() {
                let text = "clientPortAddress is set but clientPort is not set";
                self.error(&client::CLIENT_PORT_ADDRESS, text.to_owned());
            } else {
                self.missing(origin, "clientPort is not set: no client could connect");
            }
        }
        ListenAddress {
            host,
            port: u16::try_from(default_int(&client::CLIENT_PORT)).unwrap_or(0),
        }
    }
}
