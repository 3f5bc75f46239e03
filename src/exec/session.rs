//! Reads about the one who asks: `getEphemerals`, `whoAmI`.

use std::borrow::Cow;

use bytes::BytesMut;

use jute::data::ClientInfo;
use jute::proto as wire;

use crate::base::Xid;
use crate::exec::{ReadResult, Reader, decode};
use crate::proto::reply;

impl Reader<'_> {
    /// Paths of the session's own ephemerals that start with the prefix, as text. A prefix that is
    /// null, blank or the root asks for all.
    pub(super) fn ephemerals(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::GetEphemeralsRequest<'_> = decode(body)?;
        let prefix = request.prefix_path.as_deref().unwrap_or_default();
        // As Java's String.trim, which takes all control characters for blank.
        let asks_for_all = matches!(prefix.trim_matches(|c| c <= ' '), "" | "/");
        let paths = self.db.tree.ephemerals_of(self.session);
        let paths = paths.filter(|path| asks_for_all || path.starts_with(prefix));
        let response = wire::GetEphemeralsResponse {
            ephemerals: Some(paths.map(|path| Some(Cow::Owned(path.into()))).collect()),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn who_am_i(&self, xid: Xid, out: &mut BytesMut) -> ReadResult {
        let ids = self.policy.who_am_i(self.ids).into_iter();
        let info = |(scheme, user)| ClientInfo {
            auth_scheme: Some(Cow::Borrowed(scheme)),
            user: Some(Cow::Borrowed(user)),
        };
        let response = wire::WhoAmIResponse {
            client_info: Some(ids.map(info).collect()),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }
}
