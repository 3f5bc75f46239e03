//! What a request to the AdminServer asks for: its line and a few of its headers.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The list of commands.
    Index,
    /// A command, of this name as it was typed.
    Run { name: String, method: Method },
    /// The methods there are.
    Methods,
    /// TRACE, which could give a script what its page may not see.
    Forbidden,
    /// A method that makes no sense here.
    NotAllowed,
    /// A method that HTTP does not know, or that no server needs.
    NotImplemented,
    /// A path that leads nowhere.
    NotFound,
}

/// How a command is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Also HEAD, whose answer is the same without its body.
    Get,
    Post,
}

/// Who asks, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The command, as it was typed.
    pub name: String,
    pub method: Method,
    /// What stands behind the question mark, in its order.
    pub arguments: Vec<(String, String)>,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The header `X-Forwarded-For`.
    pub forwarded_for: Option<String>,
    pub peer: IpAddr,
}

impl Ask {
    /// The first argument of this name.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let mut arguments = self.arguments.iter();
        let (_, value) = arguments.find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// Where a request goes; `base` is the path of the commands.
pub(super) fn route(method: &str, path: &str, base: &str) -> Route {
    if method == "TRACE" {
        return Route::Forbidden;
    }
    let path = percent_decode_str(path).decode_utf8_lossy();
    let name = match path.strip_prefix(base) {
        Some("") => "",
        Some(rest) => match rest.strip_prefix('/') {
            Some(name) => name,
            None => return Route::NotFound,
        },
        None => return Route::NotFound,
    };
    let method = match method {
        "GET" | "HEAD" => Method::Get,
        "POST" => Method::Post,
        "OPTIONS" => return Route::Methods,
        "PUT" | "DELETE" => return Route::NotAllowed,
        _ => return Route::NotImplemented,
    };
    match name {
        "" => Route::Index,
        name => Route::Run {
            name: name.to_owned(),
            method,
        },
    }
}

/// The arguments of a query; what is not UTF-8 is replaced.
pub(super) fn arguments(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let run = |name: &str| Route::Run {
            name: name.to_owned(),
            method: Method::Get,
        };
        for (path, expected) in [
            ("/commands", Route::Index),
            ("/commands/", Route::Index),
            ("/commands/ruok", run("ruok")),
            ("/commands/ruok/", run("ruok/")),
            ("/commands//ruok", run("/ruok")),
            ("/commands/a%20b%2fc%c3%a9", run("a b/c\u{e9}")),
            ("/commandsx", Route::NotFound),
            ("/", Route::NotFound),
            ("*", Route::NotFound),
            ("", Route::NotFound),
        ] {
            assert_eq!(route("GET", path, "/commands"), expected, "{path}");
        }
        assert_eq!(route("GET", "/a/b/ruok", "/a/b"), run("ruok"));
    }

    #[test]
    fn methods() {
        let to = |method| route(method, "/commands/x", "/commands");
        assert!(matches!(
            to("POST"),
            Route::Run {
                method: Method::Post,
                ..
            }
        ));
        assert_eq!(to("HEAD"), to("GET"));
        assert_eq!(to("TRACE"), Route::Forbidden);
        assert_eq!(to("OPTIONS"), Route::Methods);
        assert_eq!(to("PUT"), Route::NotAllowed);
        assert_eq!(to("FOO"), Route::NotImplemented);
        assert_eq!(route("PUT", "/", "/commands"), Route::NotFound);
    }

    #[test]
    fn the_first_argument_of_a_name_counts() {
        let ask = Ask {
            name: "x".to_owned(),
            method: Method::Get,
            arguments: arguments("a=1+2&b&a=%33&%ff=x"),
            authorization: None,
            forwarded_for: None,
            peer: [127, 0, 0, 1].into(),
        };
        assert_eq!(ask.argument("a"), Some("1 2"));
        assert_eq!(ask.argument("b"), Some(""));
        assert_eq!(ask.argument("c"), None);
    }
}
