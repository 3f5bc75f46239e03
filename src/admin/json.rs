//! JSON as Jackson indents it: two blanks for each object, `"key" : value`, lists on one line.

use std::io;

use serde::Serialize as _;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use serde_json::{Map, Value};

/// Fields in the order in which they are put.
pub(super) type Object = Map<String, Value>;

/// The text of an object.
pub(super) fn text(object: &Object) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Jackson::default());
    // Writing to memory cannot fail, and every key is a text.
    let _ = object.serialize(&mut serializer);
    String::from_utf8(bytes).unwrap_or_default()
}

/// `DefaultPrettyPrinter`.
#[derive(Default)]
struct Jackson {
    depth: usize,
    /// Whether the object or the list that ends has something in it.
    has_value: bool,
}

impl Jackson {
    fn line(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }
}

impl Formatter for Jackson {
    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.has_value = false;
        out.write_all(b"[")
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        out.write_all(if first { b" " } else { b", " })
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" ]")
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.has_value = false;
        self.depth += 1;
        out.write_all(b"{")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.line(out)?;
        } else {
            out.write_all(b" ")?;
        }
        out.write_all(b"}")
    }

    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::Backspace => out.write_all(b"\\b"),
            CharEscape::FormFeed => out.write_all(b"\\f"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As a running Apache server spaces its answers.
    #[test]
    fn spaces_are_apaches() {
        let value = json!({
            "none" : {},
            "digests" : [],
            "ids" : [1, 2],
            "connections" : [{"remote" : "x", "ops" : 1}, {"remote" : "y", "ops" : {"a" : null}}],
            "avg" : 3.0,
            "text" : "a\"\\/\u{1f}\u{e9}\n",
            "error" : null,
        });
        let expected = "{\n  \"none\" : { },\n  \"digests\" : [ ],\n  \"ids\" : [ 1, 2 ],\n  \
            \"connections\" : [ {\n    \"remote\" : \"x\",\n    \"ops\" : 1\n  }, {\n    \
            \"remote\" : \"y\",\n    \"ops\" : {\n      \"a\" : null\n    }\n  } ],\n  \
            \"avg\" : 3.0,\n  \"text\" : \"a\\\"\\\\/\\u001F\u{e9}\\n\",\n  \"error\" : null\n}";
        assert_eq!(text(value.as_object().unwrap()), expected);
        assert_eq!(text(&Object::new()), "{ }");
    }
}
