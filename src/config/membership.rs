//! The grammar of `server.N` lines and of hosts, as far as a standalone server needs it.
//!
//! ```text
//! server-line = addr-set *("|" addr-set) [";" [host ":"] port [";" ...]]
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
        Ok((_, member)) => Ok(member),
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

fn server_line(input: &str) -> IResult<&str, Member> {
    let (input, _) = separated_list1(char('|'), addr_set).parse(input)?;
    let (input, client) = opt(preceded(char(';'), client_part)).parse(input)?;
    // The third part, a port for TLS, is of 3.10.
    let (input, _) = opt(preceded(char(';'), rest)).parse(input)?;
    Ok((input, Member { client }))
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
