//! What becomes of `zoo.cfg` when the members are written into a file of their own.
//!
//! Unlike Apache's server, which writes the entries in the order of a hash table, everything that
//! stays is left as it stands, comments included, and of the keys that begin with `clientPort` only
//! the two that name the port are removed.

use super::{
    keys::{client, ensemble},
    properties,
};

/// The text of `zoo.cfg` with the members in the file `dynamic` instead: without server, group and
/// weight lines, role and the former `dynamicConfigFile`. `erases_client_port`: this server's line
/// names its client port (`QuorumPeerConfig.editStaticConfig`).
pub fn edit_static(text: &[u8], dynamic: &str, erases_client_port: bool) -> Vec<u8> {
    let is_unwanted = |key: &str| {
        let is_client = key == client::CLIENT_PORT.name || key == client::CLIENT_PORT_ADDRESS.name;
        ["server.", "group", "weight"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
            || key == ensemble::DYNAMIC_CONFIG_FILE.name
            || key == ensemble::PEER_TYPE.name
            || (erases_client_port && is_client)
    };
    properties::replaced(
        text,
        is_unwanted,
        (ensemble::DYNAMIC_CONFIG_FILE.name, dynamic),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{edit_static, properties};

    const BEFORE: &str = "# ours\ntickTime=2000\nclientPort=2181\nserver.1=a:1:2;\\\n  2181\n\
        peerType=observer\nclientPortListenBacklog=7\ngroup.1=1\nweight.1=1\n\
        dynamicConfigFile=/old\n  initLimit = 5\n";

    fn edited(text: &str, erases: bool) -> String {
        String::from_utf8(edit_static(
            text.as_bytes(),
            "/conf/zoo.cfg.dynamic.1a",
            erases,
        ))
        .unwrap()
    }

    #[test]
    fn members_go_and_the_rest_stays_qp_127() {
        assert_eq!(
            edited(BEFORE, true),
            "# ours\ntickTime=2000\nclientPortListenBacklog=7\n  initLimit = 5\n\
             dynamicConfigFile=/conf/zoo.cfg.dynamic.1a\n"
        );
        assert_eq!(
            edited(BEFORE, false),
            "# ours\ntickTime=2000\nclientPort=2181\nclientPortListenBacklog=7\n  initLimit = 5\n\
             dynamicConfigFile=/conf/zoo.cfg.dynamic.1a\n"
        );
        assert_eq!(edited(&edited(BEFORE, true), true), edited(BEFORE, true));
    }

    #[test]
    fn the_entry_that_is_added_stands_alone() {
        let line = "dynamicConfigFile=/conf/zoo.cfg.dynamic.1a\n";
        assert_eq!(edited("", true), line);
        assert_eq!(edited("a=b", true), format!("a=b\n{line}"));
        assert_eq!(edited("a=b\\", true), format!("a=b\\\n\n{line}"));
        assert_eq!(edited("a=b\\\n", true), format!("a=b\\\n\n{line}"));
        assert_eq!(edited("a=b\\\r", true), format!("a=b\\\r\n\n{line}"));
    }

    proptest! {
        #[test]
        fn what_stays_reads_back_and_so_does_what_is_added(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b"ab.=:\\ \n\r#serv1group"[..])], 0..120),
            path in "[a-z\\\\ éλ𝄞/=:#]{1,20}",
        ) {
            let before = properties::parse(&bytes);
            let text = edit_static(&bytes, &path, true);
            let after = properties::parse(&text);
            let added = after.last().unwrap().as_ref().unwrap();
            prop_assert_eq!(&added.key, "dynamicConfigFile");
            prop_assert_eq!(&added.value, &path);
            let stays = |key: &str| {
                !["server.", "group", "weight"].iter().any(|p| key.starts_with(p))
            };
            let content = |entry: &Result<properties::Entry, properties::Malformed>| match entry {
                Ok(entry) => (entry.key.clone(), entry.value.clone()),
                Err(malformed) => (malformed.text.clone(), String::new()),
            };
            let kept: Vec<_> = before.iter()
                .filter(|entry| entry.as_ref().map_or(true, |e| stays(e.key.trim())))
                .map(content)
                // A continuation mark that nothing follows is an entry only at the very end.
                .filter(|(key, value)| !key.is_empty() || !value.is_empty())
                .collect();
            let found: Vec<_> = after.iter().take(after.len() - 1)
                .map(content)
                .filter(|(key, value)| !key.is_empty() || !value.is_empty())
                .collect();
            prop_assert_eq!(found, kept);
        }
    }
}
