//! Where clients connect: `clientPort` with `clientPortAddress`, or the client part of the only
//! `server.N` line.
//!
//! In: the settings. Out: one [`ListenAddress`], and an error for a second server line, since that
//! asks for an ensemble.

use super::{
    keys::{client, ensemble},
    membership,
    options::{ListenAddress, ListenHost},
    raw::Setting,
    report::ConfigError,
    values::{Values, default_int},
};

impl Values {
    /// `clientPort` with `clientPortAddress`, or the client part of the only `server.N` line; both
    /// must agree, as `QuorumPeerConfig.setupClientPort` has it.
    pub(super) fn client_address(&mut self) -> ListenAddress {
        let from_member = self.member_address();
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
        match (port, from_member) {
            (Some(port), None) => ListenAddress { host, port },
            (Some(port), Some((_, member)))
                if self
                    .setting(&client::CLIENT_PORT)
                    .is_some_and(Setting::is_flag) =>
            {
                ListenAddress { port, ..member }
            }
            (Some(port), Some((setting, member))) => {
                let agree = port == member.port && (host == ListenHost::All || host == member.host);
                if !agree {
                    let text = "the client address differs from clientPort and clientPortAddress"
                        .to_owned();
                    self.errors.push(ConfigError::new(setting.remark(text)));
                }
                member
            }
            (None, Some((_, member))) => member,
            (None, None) => self.default_client_address(host),
        }
    }

    fn default_client_address(&mut self, host: ListenHost) -> ListenAddress {
        // A clientPort that could not be read has been reported; without a file there is a default.
        if let (None, Some(origin)) = (self.setting(&client::CLIENT_PORT), self.file.clone()) {
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

    /// The client part of the only `server.N` line. Several lines make an ensemble, which is an
    /// error here.
    fn member_address(&mut self) -> Option<(Setting, ListenAddress)> {
        let members: Vec<Setting> = self.family(&ensemble::SERVERS).cloned().collect();
        let (first, others) = members.split_first()?;
        if !others.is_empty() {
            let first = members
                .iter()
                .min_by(|a, b| a.origin.cmp(&b.origin))
                .unwrap_or(first);
            let text = format!(
                "an ensemble is not supported by this version, and {} servers are listed; \
                 leave the server lines out to run a standalone server",
                members.len()
            );
            self.errors.push(ConfigError::new(first.remark(text)));
            return None;
        }
        match membership::member(&first.name, &first.value) {
            Ok(member) => Some((first.clone(), member.client?)),
            Err(text) => {
                self.errors.push(ConfigError::new(first.remark(text)));
                None
            }
        }
    }
}
