//! The grammar of `server.N` lines and of hosts, as far as a standalone server needs it.
//!
//! ```text
//! server-line = addr-set *("|" addr-set) [";" [client] [";" [client]]]
//! client      = [host ":"] port
//! addr-set    = host ":" port ":" port [":" role]
//! host        = name | IPv4 | "[" IPv6 "]"
//! ```

use std::net::IpAddr;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till1, take_while1},
    character::complete::{char, u16},
    combinator::{all_consuming, opt, rest},
    multi::separated_list1,
    sequence::{delimited, preceded, terminated},
};

use super::options::{ListenAddress, ListenHost};

/// What a `server.N` line says to a standalone server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Where its clients connect.
    pub(super) client: Option<ListenAddress>,
}

/// Reads the line of one member; `Err` is a sentence about what is wrong with it.
pub(super) fn member(name: &str, line: &str) -> Result<Member, String> {
    if name
        .strip_prefix("server.")
        .is_none_or(|id| id.parse::<i64>().is_err())
    {
        return Err("expected a number after \"server.\"".to_owned());
    }
    match all_consuming(server_line).parse(line) {
        Ok((_, (client, ""))) => Ok(Member { client }),
        Ok(_) => Err("TLS is not supported by this version".to_owned()),
        Err(_) => Err("expected host:port:port[:participant][;[host:]port]".to_owned()),
    }
}

/// Reads a host to listen on; `Err` is what was expected.
pub(super) fn host(text: &str) -> Result<ListenHost, String> {
    match all_consuming(listen_host).parse(text) {
        Ok((_, host)) => Ok(host),
        // An IPv6 address needs no brackets where no port follows.
        Err(_) => text
            .parse::<IpAddr>()
            .map(ip_host)
            .map_err(|_| "an address or a host name".to_owned()),
    }
}

fn server_line(input: &str) -> IResult<&str, (Option<ListenAddress>, &str)> {
    let (input, _) = separated_list1(char('|'), addr_set).parse(input)?;
    let (input, ports) = opt(preceded(char(';'), client_ports)).parse(input)?;
    Ok((input, ports.unwrap_or((None, ""))))
}

/// The client part and, after a second `;`, the part for TLS, which 3.10 has; either may be empty.
fn client_ports(input: &str) -> IResult<&str, (Option<ListenAddress>, &str)> {
    let (input, client) = opt(client_part).parse(input)?;
    let (input, secure) = opt(preceded(char(';'), rest)).parse(input)?;
    Ok((input, (client, secure.unwrap_or(""))))
}

fn addr_set(input: &str) -> IResult<&str, ()> {
    let (input, _) = listen_host(input)?;
    let (input, _) = (char(':'), u16, char(':'), u16).parse(input)?;
    let (input, _) = opt(preceded(
        char(':'),
        take_while1(|c: char| c.is_ascii_alphabetic()),
    ))
    .parse(input)?;
    Ok((input, ()))
}

fn client_part(input: &str) -> IResult<&str, ListenAddress> {
    let (input, host) = opt(terminated(listen_host, char(':'))).parse(input)?;
    let (input, port) = u16(input)?;
    let host = host.unwrap_or(ListenHost::All);
    Ok((input, ListenAddress { host, port }))
}

fn listen_host(input: &str) -> IResult<&str, ListenHost> {
    let bracketed = delimited(tag("["), take_till1(|c| c == ']'), tag("]"));
    let (rest, text) = alt((bracketed, take_while1(is_host_char))).parse(input)?;
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok((rest, ip_host(ip))),
        Err(_) if text.starts_with(is_host_char) && !text.contains(':') => {
            Ok((rest, ListenHost::Name(text.to_owned())))
        }
        Err(_) => Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Verify,
        ))),
    }
}

/// The wildcard of either family stands for both, as it does for a Java socket.
fn ip_host(ip: IpAddr) -> ListenHost {
    if ip.is_unspecified() {
        ListenHost::All
    } else {
        ListenHost::Ip(ip)
    }
}

fn is_host_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::{ListenAddress, ListenHost, host, member};

    fn ip(text: &str) -> ListenHost {
        ListenHost::Ip(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn the_client_part_of_a_server_line() {
        let name = |name: &str| ListenHost::Name(name.to_owned());
        let table: [(&str, Option<(ListenHost, u16)>); 12] = [
            ("localhost:2888:3888;2181", Some((ListenHost::All, 2181))),
            ("localhost:2888:3888", None),
            (
                "h:2888:3888:participant;2181",
                Some((ListenHost::All, 2181)),
            ),
            (
                "h:2888:3888:observer;10.0.0.1:2181",
                Some((ip("10.0.0.1"), 2181)),
            ),
            (
                "h:2888:3888;zk-1.example_x:2181",
                Some((name("zk-1.example_x"), 2181)),
            ),
            ("[::1]:2888:3888;[::1]:2181", Some((ip("::1"), 2181))),
            ("[::1]:2888:3888;[::]:2181", Some((ListenHost::All, 2181))),
            ("h:2888:3888;0.0.0.0:2181", Some((ListenHost::All, 2181))),
            (
                "h1:2888:3888|h2:2889:3889;2181",
                Some((ListenHost::All, 2181)),
            ),
            ("h:2888:3888;", None),
            ("h:2888:3888;;", None),
            ("h:2888:3888;2181;", Some((ListenHost::All, 2181))),
        ];
        for (line, expected) in table {
            let expected = expected.map(|(host, port)| ListenAddress { host, port });
            assert_eq!(
                member("server.1", line).unwrap().client,
                expected,
                "of {line}"
            );
        }
    }

    #[test]
    fn what_is_no_server_line() {
        for line in [
            "",
            "h",
            "h:2888",
            ":2888:3888",
            "h:x:3888",
            "h:2888:65536",
            "h:1:2;x",
            "h:1:2;1x",
            "[::1:1:2",
            "::1:1:2",
        ] {
            let expected = "expected host:port:port[:participant][;[host:]port]";
            assert_eq!(
                member("server.1", line).unwrap_err(),
                expected,
                "of {line:?}"
            );
        }
        for line in ["h:1:2;2181;2281", "h:1:2;;2281"] {
            assert_eq!(
                member("server.1", line).unwrap_err(),
                "TLS is not supported by this version"
            );
        }
        let no_number = "expected a number after \"server.\"";
        assert_eq!(member("server.x", "h:1:2").unwrap_err(), no_number);
        assert_eq!(member("server.", "h:1:2").unwrap_err(), no_number);
    }

    #[test]
    fn hosts() {
        assert_eq!(host("127.0.0.1"), Ok(ip("127.0.0.1")));
        assert_eq!(host("[::1]"), Ok(ip("::1")));
        assert_eq!(host("::1"), Ok(ip("::1")));
        assert_eq!(host("::"), Ok(ListenHost::All));
        assert_eq!(host("zk"), Ok(ListenHost::Name("zk".to_owned())));
        for text in ["", "a b", "zk:2181", "[zk", "a/b"] {
            assert_eq!(
                host(text),
                Err("an address or a host name".to_owned()),
                "of {text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_line_or_an_error(line: String, special in "[\\[\\]:;|a0-9]{0,30}") {
            for line in [line, special] {
                let sentence = member("server.1", &line).err();
                prop_assert!(sentence.is_none_or(|text| !text.is_empty()));
                let expected = host(&line).err();
                prop_assert!(expected.is_none_or(|text| text == "an address or a host name"));
            }
        }
    }
}
