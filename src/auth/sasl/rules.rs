//! `zookeeper.security.auth_to_local`: rules by which a Kerberos name becomes a short one.
//!
//! ```text
//! rules = *( DEFAULT | "RULE:[" components ":" format "]" [ "(" match ")" ] [ "s/" from "/" to "/" [ "g" ] ] )
//! ```
//!
//! A rule is for names of so many components. `$0` in its format stands for the realm, `$1` and `$2` for the
//! components; the name so made must fit `match` as a whole, and then what fits `from` becomes `to`. The first
//! rule that is for a name decides. As `KerberosName`, whose expressions are Java's: what the two kinds of
//! expressions do not share (looking around, references back) is refused where the rules are read, and so are
//! parameters that no name has, which Apache's server meets at a login.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till},
    character::complete::{char, digit1, multispace0},
    combinator::{map, map_res, opt},
    sequence::{delimited, preceded, terminated},
};
use regex::{Captures, Regex};

/// The rules, in their order, and the realm that the rule `DEFAULT` is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRules {
    rules: Vec<Rule>,
    /// That of the Kerberos configuration; empty without one, as there.
    pub default_realm: String,
}

/// What is wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("expected DEFAULT or RULE:[components:format](match)s/from/to/g, found {0:?}")]
    NoRule(String),
    #[error("expected $0 to ${most} in {format:?}, for names of {most} components")]
    Parameter { format: String, most: usize },
    #[error("expected a regular expression: {0}")]
    Expression(String),
    #[error("expected a replacement with groups that {from:?} has, found {to:?}")]
    Replacement { from: String, to: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// A name of the default realm is its first component.
    Default,
    Mapping(Mapping),
}

#[derive(Debug, Clone)]
struct Mapping {
    components: usize,
    format: Vec<Part>,
    matches: Option<Regex>,
    substitution: Option<Substitution>,
}

#[derive(Debug, Clone)]
struct Substitution {
    from: Regex,
    to: Vec<Part>,
    is_repeated: bool,
}

/// A piece of a format or of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `$n`: a parameter of the name, or a group of the expression.
    Number(usize),
}

/// By their expressions' texts.
impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        fn key(of: &Mapping) -> impl PartialEq {
            let substitution = of.substitution.as_ref();
            (
                of.components,
                of.format.clone(),
                of.matches.as_ref().map(|it| it.as_str().to_owned()),
                substitution.map(|it| (it.from.as_str().to_owned(), it.to.clone(), it.is_repeated)),
            )
        }
        key(self) == key(other)
    }
}

impl Eq for Mapping {}

/// The rule `DEFAULT` alone, without a realm.
impl Default for NameRules {
    fn default() -> Self {
        Self {
            rules: vec![Rule::Default],
            default_realm: String::new(),
        }
    }
}

impl NameRules {
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let no_rule = |_| RuleError::NoRule(rest.chars().take(EXCERPT_CHARS).collect());
            let (after, written) = written(rest).map_err(no_rule)?;
            rules.push(match written {
                None => Rule::Default,
                Some(written) => Rule::Mapping(written.understood()?),
            });
            rest = after.trim_end();
        }
        Ok(Self {
            rules,
            default_realm: String::new(),
        })
    }

    /// The short name; `None` if no rule is for the name, or the first one that is gives no short one.
    /// `parameters` are the realm and the components.
    pub(super) fn short_name(&self, parameters: &[&str]) -> Option<String> {
        let short = self.rules.iter().find_map(|rule| match rule {
            Rule::Default => {
                let (realm, components) = parameters.split_first()?;
                let is_local = *realm == self.default_realm;
                is_local.then(|| components.first().copied().unwrap_or_default().to_owned())
            }
            Rule::Mapping(mapping) => mapping.apply(parameters),
        })?;
        (!short.contains(['/', '@'])).then_some(short)
    }
}

impl Mapping {
    fn apply(&self, parameters: &[&str]) -> Option<String> {
        if parameters.len() != self.components + 1 {
            return None;
        }
        let base = joined(&self.format, |number| parameters.get(number).copied());
        if let Some(expression) = &self.matches
            && !expression.is_match(&base)
        {
            return None;
        }
        let Some(Substitution {
            from,
            to,
            is_repeated,
        }) = &self.substitution
        else {
            return Some(base);
        };
        let most = if *is_repeated { 0 } else { 1 };
        let replacement = |found: &Captures<'_>| {
            joined(to, |number| found.get(number).map(|group| group.as_str()))
        };
        Some(from.replacen(&base, most, replacement).into_owned())
    }
}

/// The parts one after the other; a number that stands for nothing is left out.
fn joined<'a>(parts: &'a [Part], value: impl Fn(usize) -> Option<&'a str>) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => text.as_str(),
        Part::Number(number) => value(*number).unwrap_or_default(),
    });
    texts.collect()
}

/// A rule with its parts as they stand there.
struct Written<'a> {
    components: usize,
    format: &'a str,
    matches: Option<&'a str>,
    substitution: Option<(&'a str, &'a str, bool)>,
}

impl Written<'_> {
    fn understood(self) -> Result<Mapping, RuleError> {
        let expression = |text: &str| {
            let wrong = |error: regex::Error| RuleError::Expression(error.to_string());
            Regex::new(text).map_err(wrong)
        };
        let whole = |text: &str| expression(&format!(r"\A(?:{text})\z"));
        let substitution = match self.substitution {
            None => None,
            Some((from, to, is_repeated)) => {
                let expression = expression(from)?;
                let replacement = replacement(to, expression.captures_len());
                Some(Substitution {
                    to: replacement.ok_or_else(|| RuleError::Replacement {
                        from: from.to_owned(),
                        to: to.to_owned(),
                    })?,
                    from: expression,
                    is_repeated,
                })
            }
        };
        Ok(Mapping {
            components: self.components,
            format: self.understood_format()?,
            matches: self.matches.map(whole).transpose()?,
            substitution,
        })
    }

    /// Text, and `$n` with all the digits that follow.
    fn understood_format(&self) -> Result<Vec<Part>, RuleError> {
        let mut pieces = self.format.split('$');
        let mut parts = vec![Part::Text(pieces.next().unwrap_or_default().to_owned())];
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit());
            let (digits, text) = piece.split_at(end.unwrap_or(piece.len()));
            let number = digits.parse().ok();
            let number = number.filter(|&number: &usize| number <= self.components);
            let number = number.ok_or_else(|| RuleError::Parameter {
                format: self.format.to_owned(),
                most: self.components,
            })?;
            parts.extend([Part::Number(number), Part::Text(text.to_owned())]);
        }
        Ok(parts)
    }
}

/// As `Matcher.appendReplacement` reads it: `$n` takes as many digits as there are groups for, and a
/// backslash takes the next character as it is. `groups` counts the whole as one.
fn replacement(text: &str, groups: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '$' => {
                let digit = |c: &char| c.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                let mut number = chars.next().as_ref().and_then(digit)?;
                if number >= groups {
                    return None;
                }
                while let Some(next) = chars.peek().and_then(digit) {
                    let longer = number * 10 + next;
                    if longer >= groups {
                        break;
                    }
                    number = longer;
                    chars.next();
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Number(number));
            }
            c => plain.push(c),
        }
    }
    parts.push(Part::Text(plain));
    Some(parts)
}

/// One rule at the start of the text; `None` for `DEFAULT`.
fn written(input: &str) -> IResult<&str, Option<Written<'_>>> {
    let until = |end: char| take_till(move |c| c == end);
    let components = map_res(digit1, str::parse);
    let matches = delimited(char('('), until(')'), char(')'));
    let substitution = (
        preceded(tag("s/"), terminated(until('/'), char('/'))),
        terminated(until('/'), char('/')),
        map(opt(char('g')), |g| g.is_some()),
    );
    let rule = (
        preceded(tag("RULE:["), terminated(components, char(':'))),
        terminated(until(']'), char(']')),
        opt(matches),
        opt(substitution),
    );
    let rule = map(rule, |(components, format, matches, substitution)| {
        Some(Written {
            components,
            format,
            matches,
            substitution,
        })
    });
    let default = map(tag("DEFAULT"), |_| None);
    preceded(multispace0, alt((default, rule))).parse(input)
}

/// Of what is no rule, how much is shown.
const EXCERPT_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(text: &str) -> NameRules {
        let mut rules = NameRules::parse(text).unwrap();
        rules.default_realm = "EXAMPLE.COM".to_owned();
        rules
    }

    /// Each line held against `KerberosName.main` of Apache's 3.9.5.
    #[test]
    fn names_become_short() {
        let bob: &[&str] = &["EXAMPLE.COM", "bob"];
        let nn: &[&str] = &["EXAMPLE.COM", "nn", "host.example.com"];
        let other: &[&str] = &["OTHER.ORG", "bob"];
        for (text, parameters, expected) in [
            ("DEFAULT", bob, Some("bob")),
            ("DEFAULT", nn, Some("nn")),
            ("DEFAULT", other, None),
            ("", bob, None),
            ("RULE:[1:$1]", bob, Some("bob")),
            ("RULE:[1:$1]", nn, None),
            ("RULE:[2:$1]", nn, Some("nn")),
            ("RULE:[1:$1]", other, Some("bob")),
            ("RULE:[1:$0]", other, Some("OTHER.ORG")),
            ("RULE:[1:x$1y$1]", bob, Some("xbobybob")),
            // The first that is for the name decides, also by failing.
            ("RULE:[1:$1@$0]DEFAULT", bob, None),
            (
                "RULE:[1:$1@$0](.*@OTHER.ORG)s/@.*//\nDEFAULT",
                bob,
                Some("bob"),
            ),
            (
                "RULE:[1:$1@$0](.*@OTHER.ORG)s/@.*//\nDEFAULT",
                other,
                Some("bob"),
            ),
            ("RULE:[1:$1](bo)DEFAULT", bob, Some("bob")),
            ("RULE:[1:$1](bob|eve)s/b/p/", bob, Some("pob")),
            ("RULE:[1:$1]s/b/p/g", bob, Some("pop")),
            ("RULE:[1:$1]s/(b)(o)/$2$1/", bob, Some("obb")),
            ("RULE:[1:$1]s/(b)o/$12/", bob, Some("b2b")),
            ("RULE:[1:$1]s/o/\\$x/", bob, Some("b$xb")),
            ("RULE:[1:$1]s/x/y/", bob, Some("bob")),
            ("RULE:[2:$1;$2](nn;.*)s/;.*//  RULE:[1:$1]", nn, Some("nn")),
            ("RULE:[3:$1]", nn, None),
        ] {
            let short = rules(text).short_name(parameters);
            assert_eq!(short.as_deref(), expected, "{text} of {parameters:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_said() {
        for (text, said) in [
            (
                "DEFAULT nonsense",
                "expected DEFAULT or RULE:[components:format](match)s/from/to/g, found \" nonsense\"",
            ),
            (
                "RULE:[x:$1]",
                "expected DEFAULT or RULE:[components:format](match)s/from/to/g, found \"RULE:[x:$1]\"",
            ),
            (
                "RULE:[1:$2]",
                "expected $0 to $1 in \"$2\", for names of 1 components",
            ),
            (
                "RULE:[1:$]",
                "expected $0 to $1 in \"$\", for names of 1 components",
            ),
            (
                "RULE:[1:$1]s/(b)/$2/",
                "expected a replacement with groups that \"(b)\" has, found \"$2\"",
            ),
            (
                "RULE:[1:$1]s/b/\\/",
                "expected a replacement with groups that \"b\" has, found \"\\\\\"",
            ),
        ] {
            let error = NameRules::parse(text).unwrap_err();
            assert_eq!(error.to_string(), said, "{text}");
        }
        let error = NameRules::parse("RULE:[1:$1](a(?=b)").unwrap_err();
        assert!(matches!(error, RuleError::Expression(_)), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[DEFAULTRS:\\[\\]()$s/g0-9.*\\\\ ]{0,40}") {
            if let Ok(rules) = NameRules::parse(&text) {
                let short = rules.short_name(&["R", "a", "b"]);
                prop_assert!(short.is_none_or(|short| !short.contains(['/', '@'])));
            }
        }
    }
}
