//! Where clients connect: `clientPort` with `clientPortAddress`, or the client part of this
//! server's `server.N` line; and `secureClientPort` with `secureClientPortAddress`.
//!
//! In: the settings, and that line. Out: a [`ListenAddress`] for each port there is.

use super::{
    keys::{Key, client, tls},
    membership::{self, OwnLine},
    options::{ListenAddress, ListenHost},
    raw::Setting,
    values::{Values, default_int},
};

/// The settings of one port.
pub(super) struct Door {
    pub(super) port: &'static Key,
    pub(super) host: &'static Key,
}

impl Values {
    /// What the settings say; an address without a port is an error.
    pub(super) fn address_of(&mut self, door: &Door) -> Option<ListenAddress> {
        let host = self.host_of(door);
        if self.setting(door.port).is_none() && self.setting(door.host).is_some() {
            let text = format!(
                "{} is set but {} is not set",
                door.host.name, door.port.name
            );
            self.error(door.host, text);
        }
        let port = u16::try_from(self.set_int(door.port)?).ok()?;
        Some(ListenAddress { host, port })
    }

    fn host_of(&mut self, door: &Door) -> ListenHost {
        let written = self.setting(door.host).map(|setting| setting.value.clone());
        match written.as_deref().map(membership::host) {
            None => ListenHost::All,
            Some(Ok(host)) => host,
            Some(Err(expected)) => {
                self.error(door.host, format!("expected {expected}"));
                ListenHost::All
            }
        }
    }

    /// The line's address counts if it has one; both must agree, as
    /// `QuorumPeerConfig.setupClientPort` has it. `None` if there is only the one with TLS.
    pub(super) fn client_address(&mut self, own: &OwnLine) -> Option<ListenAddress> {
        let port = self
            .set_int(&client::CLIENT_PORT)
            .and_then(|port| u16::try_from(port).ok());
        let host = self.host_of(&Door {
            port: &client::CLIENT_PORT,
            host: &client::CLIENT_PORT_ADDRESS,
        });
        let only_secure = self.setting(&client::CLIENT_PORT).is_none()
            && self.setting(&client::CLIENT_PORT_ADDRESS).is_none()
            && self.setting(&tls::SECURE_CLIENT_PORT).is_some();
        if only_secure && !matches!(own, OwnLine::There(_, Some(_))) {
            return None;
        }
        Some(self.plain_address(host, port, own))
    }

    fn plain_address(
        &mut self,
        host: ListenHost,
        port: Option<u16>,
        own: &OwnLine,
    ) -> ListenAddress {
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
