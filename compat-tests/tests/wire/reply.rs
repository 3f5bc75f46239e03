//! Replies and events as values, with accessors for the parts scenarios assert on.

use compat_tests::{tree::Stat, wire::Reader};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: i32,
    pub(crate) path: String,
    pub(crate) zxid: i64,
    pub(crate) state: i32,
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) op: i32,
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) err: i32,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.fails(0)
    }

    #[track_caller]
    pub(crate) fn fails(self, err: i32) -> Self {
        assert_eq!(self.err, err, "op {} xid {}", self.op, self.xid);
        self
    }

    /// The Stat, wherever the operation puts it.
    #[track_caller]
    pub(crate) fn stat(&self) -> Stat {
        const STAT_BYTES: usize = 68;
        let at = self
            .body
            .len()
            .checked_sub(STAT_BYTES)
            .expect("a body with a Stat at its end");
        Stat::decode(&mut Reader::new(&self.body[at..])).expect("68 bytes are a Stat")
    }

    /// The string that create, sync and the like begin with.
    #[track_caller]
    pub(crate) fn path(&self) -> Option<String> {
        Reader::new(&self.body)
            .string()
            .expect("a body that begins with a string")
    }

    #[track_caller]
    pub(crate) fn data(&self) -> Option<Vec<u8>> {
        let mut reader = Reader::new(&self.body);
        reader
            .buffer()
            .expect("a body that begins with a buffer")
            .map(<[u8]>::to_vec)
    }

    /// Data as text; null data is the empty string.
    #[track_caller]
    pub(crate) fn data_text(&self) -> String {
        String::from_utf8(self.data().unwrap_or_default()).expect("the test stored text")
    }

    #[track_caller]
    pub(crate) fn int(&self) -> i32 {
        Reader::new(&self.body)
            .int()
            .expect("a body that begins with an int")
    }

    /// The names of getChildren, getChildren2 and getEphemerals, sorted.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        let mut reader = Reader::new(&self.body);
        let count = reader.int().expect("a count");
        let mut names: Vec<String> = (0..count)
            .map(|_| reader.string().expect("a name").expect("not null"))
            .collect();
        names.sort();
        names
    }

    /// (perms, scheme, id) of getACL.
    #[track_caller]
    pub(crate) fn acl(&self) -> Vec<(i32, String, String)> {
        let mut reader = Reader::new(&self.body);
        let count = reader.int().expect("a count");
        let text = |reader: &mut Reader<'_>| reader.string().expect("text").expect("not null");
        (0..count)
            .map(|_| {
                (
                    reader.int().expect("perms"),
                    text(&mut reader),
                    text(&mut reader),
                )
            })
            .collect()
    }

    /// (scheme, user) of whoAmI, sorted.
    #[track_caller]
    pub(crate) fn identities(&self) -> Vec<(String, String)> {
        let mut reader = Reader::new(&self.body);
        let count = reader.int().expect("a count");
        let text = |reader: &mut Reader<'_>| reader.string().expect("text").expect("not null");
        let mut ids: Vec<_> = (0..count)
            .map(|_| (text(&mut reader), text(&mut reader)))
            .collect();
        ids.sort();
        ids
    }

    /// (type, err) of each result of a failed multi: every result is an error result.
    #[track_caller]
    pub(crate) fn multi_errors(&self) -> Vec<i32> {
        let mut reader = Reader::new(&self.body);
        let mut codes = Vec::new();
        loop {
            let kind = reader.int().expect("a type");
            let done = reader.byte().expect("a flag");
            let header_err = reader.int().expect("an error");
            if done != 0 {
                return codes;
            }
            assert_eq!(kind, -1, "every result of a failed multi is an error");
            assert_eq!(
                reader.int(),
                Some(header_err),
                "the header repeats the code of the body"
            );
            codes.push(header_err);
        }
    }
}

impl Event {
    pub(crate) fn decode(zxid: i64, body: &[u8]) -> Self {
        let mut reader = Reader::new(body);
        Self {
            kind: reader.int().expect("an event type"),
            state: reader.int().expect("an event state"),
            path: reader.string().expect("an event path").expect("not null"),
            zxid,
        }
    }
}
