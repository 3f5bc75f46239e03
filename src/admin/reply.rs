//! What the AdminServer answers: status, headers and body, as Apache's server words them.

use std::fmt::Write as _;
use std::io::Read;

use serde_json::Value;

use crate::admin::command::Command;
use crate::admin::json::{self, Object};
use crate::base::Zxid;

/// An answer before it is written to a socket.
pub struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<&'static str>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Content,
}

/// What an answer carries.
pub(super) enum Content {
    Text(String),
    /// So many bytes, read while they are sent.
    Stream(Box<dyn Read + Send>, u64),
}

impl Reply {
    /// What a command found out.
    pub(super) fn of(command: Command, data: Object) -> Self {
        Self::json(200, command.name(), data, Value::Null)
    }

    /// A command that did not do what it was asked for; the reason stands in the log, as Apache has it.
    pub fn failed(status: u16, command: Command) -> Self {
        Self::json(status, command.name(), Object::new(), Value::Null)
    }

    /// A refusal before the command had its turn: `name` is what was typed.
    pub fn refused(status: u16, name: &str, error: &str) -> Self {
        Self::json(status, name, Object::new(), Value::from(error))
    }

    /// What the command itself complains of. Apache puts it among the data, so it stands first.
    pub fn complaint(command: Command, error: &str) -> Self {
        let mut data = Object::new();
        data.insert("error".to_owned(), error.into());
        data.insert("command".to_owned(), command.name().into());
        Self::of_object(200, &data)
    }

    /// No such command.
    pub fn unknown(name: &str) -> Self {
        Self::refused(200, name, &format!("Unknown command: {name}"))
    }

    /// The server does not serve.
    pub fn not_serving(name: &str) -> Self {
        let error = "This ZooKeeper instance is not currently serving requests";
        Self::refused(200, name, error)
    }

    /// A snapshot: its headers, and its bytes if they were asked for.
    pub fn snapshot(zxid: Zxid, size: u64, bytes: Option<Box<dyn Read + Send>>) -> Self {
        let mut reply = Self::of(Command::Snapshot, Object::new());
        reply.headers = vec![
            ("last_zxid", zxid.to_string()),
            ("snapshot_size", size.to_string()),
        ];
        if let Some(bytes) = bytes {
            reply.content_type = Some("application/octet-stream");
            reply.body = Content::Stream(bytes, size);
        }
        reply
    }

    /// The state was replaced.
    pub fn restored(last_zxid: Zxid) -> Self {
        let mut data = Object::new();
        data.insert("last_zxid".to_owned(), last_zxid.0.into());
        Self::of(Command::Restore, data)
    }

    fn json(status: u16, command: &str, mut data: Object, error: Value) -> Self {
        data.insert("command".to_owned(), command.into());
        data.insert("error".to_owned(), error);
        Self::of_object(status, &data)
    }

    fn of_object(status: u16, object: &Object) -> Self {
        Self {
            status,
            content_type: Some("application/json"),
            headers: Vec::new(),
            body: Content::Text(json::text(object)),
        }
    }

    /// Links to all commands.
    pub(super) fn index(base: &str) -> Self {
        let mut text = String::new();
        for command in Command::ALL {
            let name = command.name();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "<a href=\"{base}/{name}\">{name}</a>\n<br/>");
        }
        Self {
            content_type: None,
            ..Self::plain(200, text)
        }
    }

    /// A status and nothing else.
    pub(super) fn bare(status: u16) -> Self {
        Self::plain(status, String::new())
    }

    /// The methods there are.
    pub(super) fn methods() -> Self {
        let allow = "GET, HEAD, POST, TRACE, OPTIONS".to_owned();
        Self {
            headers: vec![("Allow", allow)],
            ..Self::bare(200)
        }
    }

    /// A page for a person who went wrong. Apache's has the server's stack besides.
    pub fn page(status: u16, path: &str) -> Self {
        let reason = match status {
            404 => "Not Found",
            _ => "Server Error",
        };
        let path = escaped(path);
        let text = format!(
            "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
             <title>Error {status} {reason}</title>\n</head>\n\
             <body><h2>HTTP ERROR {status} {reason}</h2>\n<table>\n\
             <tr><th>URI:</th><td>{path}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
             <tr><th>MESSAGE:</th><td>{reason}</td></tr>\n</table>\n\n</body>\n</html>\n"
        );
        Self {
            content_type: Some("text/html;charset=iso-8859-1"),
            headers: vec![(
                "Cache-Control",
                "must-revalidate,no-cache,no-store".to_owned(),
            )],
            ..Self::plain(status, text)
        }
    }

    fn plain(status: u16, text: String) -> Self {
        Self {
            status,
            content_type: None,
            headers: Vec::new(),
            body: Content::Text(text),
        }
    }
}

/// Text fit for a page in ISO-8859-1: whatever has a meaning there, or is none of its letters, by number.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' | '>' | '&' | '"' | '\'' => format!("&#{};", u32::from(c)),
            ' '..='~' => c.to_string(),
            _ => format!("&#{};", u32::from(c)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(reply: Reply) -> String {
        match reply.body {
            Content::Text(text) => text,
            Content::Stream(..) => panic!("a text is expected"),
        }
    }

    #[test]
    fn refusals_are_apaches() {
        assert_eq!(
            body(Reply::unknown("foo")),
            "{\n  \"command\" : \"foo\",\n  \"error\" : \"Unknown command: foo\"\n}"
        );
        assert_eq!(
            body(Reply::complaint(
                Command::Leader,
                "server is not initialized"
            )),
            "{\n  \"error\" : \"server is not initialized\",\n  \"command\" : \"leader\"\n}"
        );
        assert_eq!(
            body(Reply::failed(500, Command::Restore)),
            "{\n  \"command\" : \"restore\",\n  \"error\" : null\n}"
        );
    }

    #[test]
    fn a_page_carries_no_script() {
        let page = body(Reply::page(404, "/<script>\u{e9}\u{2028}"));
        assert!(
            page.contains("<td>/&#60;script&#62;&#233;&#8232;</td>"),
            "{page}"
        );
    }

    #[test]
    fn the_index_is_apaches() {
        let index = body(Reply::index("/commands"));
        let start = "<a href=\"/commands/configuration\">configuration</a>\n<br/>\n\
            <a href=\"/commands/connection_stat_reset\">connection_stat_reset</a>\n<br/>\n";
        assert!(index.starts_with(start));
        assert!(index.ends_with("<a href=\"/commands/zabstate\">zabstate</a>\n<br/>\n"));
        assert_eq!(index.len(), 1518, "as Apache's");
    }
}
