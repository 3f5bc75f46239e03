//! Four-letter words on the client port: which are heard, and how the connection ends.

use crate::{runner::Scenario, target::Target};

/// For a server with the default white list, which is `srvr` alone.
pub(crate) const WITH_DEFAULT_LIST: &[Scenario] = &[
    Scenario::both("word_not_in_the_list", &[18], word_not_in_the_list),
    Scenario::both("srvr_needs_no_list", &[19], srvr_needs_no_list),
    Scenario::both("word_after_the_handshake", &[22], word_after_the_handshake),
    Scenario::both("telnet_break", &[23], telnet_break),
];

/// For a server with `readonlymode.enabled=true` and the default white list.
pub(crate) const WITH_READ_ONLY_MODE: &[Scenario] =
    &[Scenario::both("isro_without_a_list", &[20], isro)];

/// For a server with `4lw.commands.whitelist=*`.
pub(crate) const WITH_ALL: &[Scenario] = &[
    Scenario::both("ruok", &[16, 17], ruok),
    Scenario::both("isro", &[20], isro),
    Scenario::both("star_enables_every_word", &[21], star_enables_every_word),
    Scenario::both(
        "telnet_break_with_all_enabled",
        &[],
        telnet_break_with_all_enabled,
    ),
    Scenario::both("stmk_reads_a_mask", &[24], stmk_reads_a_mask),
];

fn word_not_in_the_list(t: &mut Target) {
    for word in ["ruok", "conf", "stat", "isro", "wchs", "stmk"] {
        let expected = format!("{word} is not executed because it is not in the whitelist.\n");
        assert_eq!(t.four_letter_word(word.as_bytes()), expected);
    }
}

fn srvr_needs_no_list(t: &mut Target) {
    let answer = t.four_letter_word_unrecorded("srvr");
    assert!(answer.starts_with("Zookeeper version: "), "{answer}");
    assert!(answer.contains("\nMode: standalone\n"), "{answer}");
    let keys: Vec<_> = answer
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    t.note(format!("{keys:?}"));
}

fn word_after_the_handshake(t: &mut Target) {
    let mut conn = t.conn();
    conn.client().send_raw(b"srvr");
    conn.closed();
}

fn telnet_break(t: &mut Target) {
    let answer = t.four_letter_word(b"\xff\xf4\xff\xfd");
    assert_eq!(
        answer,
        "telnet close is not executed because it is not in the whitelist.\n"
    );
}

fn ruok(t: &mut Target) {
    assert_eq!(t.four_letter_word(b"ruok"), "imok");
    assert_eq!(t.four_letter_word(b"ruok\n"), "imok");
    assert_eq!(t.four_letter_word(b"ruok\r\n"), "imok");
}

fn isro(t: &mut Target) {
    assert_eq!(t.four_letter_word(b"isro"), "rw");
}

fn star_enables_every_word(t: &mut Target) {
    const WORDS: [&str; 16] = [
        "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "srst", "srvr", "stat", "wchc",
        "wchp", "wchs", "mntr", "isro", "hash",
    ];
    for word in WORDS {
        let answer = t.four_letter_word_unrecorded(word);
        assert!(!answer.contains("is not executed"), "{word}: {answer}");
    }
}

fn telnet_break_with_all_enabled(t: &mut Target) {
    assert_eq!(
        t.four_letter_word(b"\xff\xf4\xff\xfd"),
        "",
        "no word, so a negative length"
    );
}

fn stmk_reads_a_mask(t: &mut Target) {
    // Apache's default mask, so that its tracing stays as it was.
    let mask: i64 = 0b1_0011_0010;
    let mut bytes = b"stmk".to_vec();
    bytes.extend_from_slice(&mask.to_be_bytes());
    assert_eq!(t.four_letter_word(&bytes), "306");
    assert_eq!(t.four_letter_word(b"gtmk"), "306");
}
