//! The grammar of JAAS login files, which say how a JVM logs in, as far as servers need it.
//!
//! In: the text of a file. Out: its sections, or the line that is wrong with what was expected there.
//!
//! ```text
//! file     section*
//! section  name `{` module* `}` `;`
//! module   class flag (key `=` value)* `;`
//! flag     required | requisite | sufficient | optional, in any case
//! word     a letter or one of $ _ *, then those, digits, `.` and `-`; or "text" with escapes as in Java
//! comment  `//` or a lone `/` to the end of the line, `/*` to `*/`
//! ```
//!
//! As the JDK's `ConfigFile`, but for two things it takes without a word: a text that its line ends is an
//! error here, and so is `${property}`, as there are no properties of a JVM.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_until, take_while, take_while_m_n, take_while1},
    character::complete::{anychar, char as mark, none_of, one_of, satisfy},
    combinator::{map, map_opt, opt, recognize, rest, value},
    multi::{fold_many0, many0},
    sequence::{delimited, preceded},
};

/// How one party logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    /// Counted from 1, here and below.
    pub(super) line: usize,
    pub(super) modules: Vec<Module>,
}

/// One way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// The Java class.
    pub(super) class: String,
    pub(super) line: usize,
    /// In the order written; the last one for a key counts.
    pub(super) options: Vec<(String, String)>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) text: String,
}

/// The sections of a file, in order.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, Malformed> {
    let mut reader = Reader { text, at: text };
    let mut sections: Vec<Section> = Vec::new();
    while let Some((line, token)) = reader.next()? {
        let name = reader.word((line, token), "the name of a section")?;
        if sections.iter().any(|section| section.name == name) {
            let text = format!("a second section {name}");
            return Err(Malformed { line, text });
        }
        reader.expect('{')?;
        let mut modules = Vec::new();
        while let Some(first) = reader.unless('}')? {
            modules.push(reader.module(first)?);
        }
        reader.expect(';')?;
        sections.push(Section {
            name,
            line,
            modules,
        });
    }
    Ok(sections)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    /// A quotation mark without its other one.
    Open,
}

/// A token with its line.
type Placed = (usize, Token);

/// What is still to be read of a file.
struct Reader<'a> {
    text: &'a str,
    at: &'a str,
}

impl Reader<'_> {
    fn module(&mut self, first: Placed) -> Result<Module, Malformed> {
        let line = first.0;
        let class = self.word(first, "the class of a login module")?;
        let expected = "required, requisite, sufficient or optional";
        let flag = self.some(expected)?;
        let is_flag = |token: &Token| {
            let flags = ["required", "requisite", "sufficient", "optional"];
            matches!(token, Token::Word(word) if flags.iter().any(|it| it.eq_ignore_ascii_case(word)))
        };
        if !is_flag(&flag.1) {
            return Err(unexpected(&flag, expected));
        }
        let mut options = Vec::new();
        while let Some(key) = self.unless(';')? {
            let key = self.word(key, "an option or ;")?;
            self.expect('=')?;
            let placed = self.some("a value")?;
            let line = placed.0;
            let value = self.word(placed, "a value, in quotation marks unless it is a word")?;
            if value.contains("${") {
                let text = format!("expected a value of {key} that names no property by ${{...}}");
                return Err(Malformed { line, text });
            }
            options.push((key, value));
        }
        Ok(Module {
            class,
            line,
            options,
        })
    }

    fn word(&self, (line, token): Placed, expected: &str) -> Result<String, Malformed> {
        match token {
            Token::Word(word) => Ok(word),
            token => Err(unexpected(&(line, token), expected)),
        }
    }

    fn expect(&mut self, mark: char) -> Result<(), Malformed> {
        let expected = String::from(mark);
        let placed = self.some(&expected)?;
        match placed.1 {
            Token::Mark(found) if found == mark => Ok(()),
            _ => Err(unexpected(&placed, &expected)),
        }
    }

    /// The next token, unless it is this mark, which is passed over then.
    fn unless(&mut self, mark: char) -> Result<Option<Placed>, Malformed> {
        let placed = self.some(&String::from(mark))?;
        Ok(Some(placed).filter(|(_, token)| *token != Token::Mark(mark)))
    }

    fn some(&mut self, expected: &str) -> Result<Placed, Malformed> {
        let text = format!("expected {expected}, and the file ends");
        let line = self.line();
        self.next()?.ok_or(Malformed { line, text })
    }

    fn next(&mut self) -> Result<Option<Placed>, Malformed> {
        // Nothing that is skipped or read here can fail: what is no token is a mark.
        let (at, ()) = skipped(self.at).unwrap_or((self.at, ()));
        self.at = at;
        let line = self.line();
        let Ok((at, token)) = token(at) else {
            return Ok(None);
        };
        self.at = at;
        match token {
            Token::Open => Err(Malformed {
                line,
                text: "expected a quotation mark that ends the text on its line".to_owned(),
            }),
            token => Ok(Some((line, token))),
        }
    }

    /// Where it is.
    fn line(&self) -> usize {
        let read = self.text.len() - self.at.len();
        let read = self.text.get(..read).unwrap_or_default();
        1 + read.matches('\n').count()
    }
}

fn unexpected((line, token): &Placed, expected: &str) -> Malformed {
    let found = match token {
        // It may be half of a password.
        Token::Word(_) | Token::Open => "a word".to_owned(),
        Token::Mark(mark) => format!("{:?}", String::from(*mark)),
    };
    Malformed {
        line: *line,
        text: format!("expected {expected}, found {found}"),
    }
}

/// Blanks and comments.
fn skipped(input: &str) -> IResult<&str, ()> {
    let blanks = take_while1(|c: char| c <= ' ');
    let block = delimited(tag("/*"), alt((take_until("*/"), rest)), opt(tag("*/")));
    let line = preceded(mark('/'), take_while(|c| c != '\n' && c != '\r'));
    value((), many0(alt((blanks, block, line)))).parse(input)
}

fn token(input: &str) -> IResult<&str, Token> {
    let quoted = delimited(mark('"'), text, mark('"'));
    let open = value(Token::Open, mark('"'));
    alt((
        map(bare, |word| Token::Word(word.to_owned())),
        map(quoted, Token::Word),
        open,
        map(anychar, Token::Mark),
    ))
    .parse(input)
}

fn bare(input: &str) -> IResult<&str, &str> {
    let starts = |c: char| c.is_ascii_alphabetic() || "$_*".contains(c) || c >= '\u{a0}';
    let goes_on = move |c: char| starts(c) || c.is_ascii_digit() || c == '.' || c == '-';
    recognize((satisfy(starts), take_while(goes_on))).parse(input)
}

/// What stands between quotation marks, as `java.io.StreamTokenizer` reads it.
fn text(input: &str) -> IResult<&str, String> {
    let octal = map_opt(octal, |digits: &str| {
        u8::from_str_radix(digits, 8).ok().map(char::from)
    });
    let named = map(one_of("abfnrtv"), |c| match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => '\u{b}',
    });
    let escaped = preceded(mark('\\'), alt((octal, named, none_of("\r\n"))));
    let part = alt((escaped, none_of("\"\\\r\n")));
    fold_many0(part, String::new, |mut text, c| {
        text.push(c);
        text
    })
    .parse(input)
}

/// Up to three digits that make a byte.
fn octal(input: &str) -> IResult<&str, &str> {
    let is_octal = |c: char| c.is_digit(8);
    let most = if input.starts_with(['0', '1', '2', '3']) {
        3
    } else {
        2
    };
    take_while_m_n(1, most, is_octal).parse(input)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

    fn option(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_file_as_people_have_it() {
        let text = format!(
            "// who we are\nServer {{\n  {DIGEST} required\n  user_super=\"admin\\\"secret\"\n  \
             user_bob=bobsecret;\n}};\n/* and\n for others */\nClient {{\n{DIGEST} OPTIONAL\n\
             username=\"bob\" password=\"\";\n other.Module sufficient; }};Empty{{}};"
        );
        let module = |class: &str, line, options: &[(&str, &str)]| Module {
            class: class.to_owned(),
            line,
            options: options
                .iter()
                .map(|(key, value)| option(key, value))
                .collect(),
        };
        let server = [("user_super", "admin\"secret"), ("user_bob", "bobsecret")];
        let client = [("username", "bob"), ("password", "")];
        let section = |name: &str, line, modules| Section {
            name: name.to_owned(),
            line,
            modules,
        };
        assert_eq!(
            parse(&text),
            Ok(vec![
                section("Server", 2, vec![module(DIGEST, 3, &server)]),
                section(
                    "Client",
                    9,
                    vec![module(DIGEST, 10, &client), module("other.Module", 12, &[])]
                ),
                section("Empty", 12, vec![]),
            ])
        );
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse(" // nothing"), Ok(vec![]));
        assert_eq!(parse("/* open"), Ok(vec![]));
    }

    #[test]
    fn values_as_java_reads_them() {
        let read = |value: &str| {
            let sections = parse(&format!("A {{ m required k={value}; }};"));
            sections.map(|mut sections| sections.remove(0).modules.remove(0).options)
        };
        for (written, value) in [
            ("\"\"", ""),
            ("\"a b//c/*d*/\"", "a b//c/*d*/"),
            (r#""\t\n\\\"\x\101\08\777""#, "\t\n\\\"xA\u{0}8\u{3f}7"),
            ("a-b.c_d$*9", "a-b.c_d$*9"),
            ("x/the rest is a comment\n", "x"),
            ("\"$x{y}\"", "$x{y}"),
            ("p\u{e4}ss", "p\u{e4}ss"),
        ] {
            assert_eq!(read(written), Ok(vec![option("k", value)]), "{written}");
        }
        for written in [
            "", "1a", ".a", "-a", "'a'", "\"a\nb\"", "\"a", "\"a\\", "a=b", "\"${x}\"",
        ] {
            assert!(read(written).is_err(), "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, said) in [
            ("Server", 1, "expected {, and the file ends"),
            ("\n{", 2, "expected the name of a section, found \"{\""),
            (
                "A {\n m\n needed;};",
                3,
                "expected required, requisite, sufficient or optional, found a word",
            ),
            ("A {\n m required\n k\n v;};", 4, "expected =, found a word"),
            (
                "A {\n m required k=;};",
                2,
                "expected a value, in quotation marks unless it is a word, found \";\"",
            ),
            (
                "A {\n m required k=v\n}\n;",
                3,
                "expected an option or ;, found \"}\"",
            ),
            ("A {\n m required;\n}\nB", 4, "expected ;, found a word"),
            ("A { };\nA { };", 2, "a second section A"),
            (
                "A { m required\n k=\"v;\n};",
                2,
                "expected a quotation mark that ends the text on its line",
            ),
            (
                "A { m required\n k=\"${x}\";\n};",
                2,
                "expected a value of k that names no property by ${...}",
            ),
        ] {
            let text_said = said.to_owned();
            let expected = Malformed {
                line,
                text: text_said,
            };
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-c{}=; \"\\\\/*\n0-9.$\u{e4}]{0,60}") {
            match parse(&text) {
                Ok(sections) => prop_assert!(sections.len() <= text.len()),
                Err(error) => prop_assert!(error.line <= 1 + text.matches('\n').count()),
            }
        }
    }
}
