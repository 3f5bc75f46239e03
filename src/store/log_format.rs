//! Bytes of a transaction log, and how its file grows.
//!
//! ```text
//! file    0  magic "ZKLG" 4 | version 2 4 | dbid 0 8
//!        16  record, record, ..., zeros to the end of the space taken
//! record  0  Adler-32 of the payload, in 8 bytes
//!         8  length n of the payload, 4 bytes
//!        12  payload: header, body, digest (`proto::txn`)
//!      12+n  'B'
//! ```

use jute::persistence::{FILE_VERSION, FileHeader, LOG_MAGIC};
use jute::{Decode, Encode, Reader};

use crate::base::Zxid;

/// Bytes of the file before the first record.
pub(super) const FILE_HEAD_LEN: usize = 16;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEAD_LEN: usize = 12;
/// What follows the payload.
pub(super) const RECORD_END: u8 = b'B';
/// Bytes of a record that are not its payload.
pub(super) const RECORD_OVERHEAD: usize = RECORD_HEAD_LEN + 1;
/// The shortest payload: a transaction header.
pub(super) const PAYLOAD_LEN_MIN: usize = 32;

/// The first bytes of a log.
pub(super) fn file_head() -> Vec<u8> {
    FileHeader {
        magic: LOG_MAGIC,
        version: FILE_VERSION,
        dbid: 0,
    }
    .to_vec()
}

/// Whether a file that starts with `head` is a log; the version is not looked at, as in
/// `FileTxnLog`.
pub(super) fn is_file_head(head: &[u8]) -> bool {
    FileHeader::from_slice(head).is_ok_and(|header| header.magic == LOG_MAGIC)
}

/// What comes before a payload.
pub(super) fn record_head(payload: &[u8]) -> [u8; RECORD_HEAD_LEN] {
    let length = u32::try_from(payload.len()).expect("a transaction is far below 4 GiB");
    let [a, b, c, d] = simd_adler32::adler32(&payload).to_be_bytes();
    let [e, f, g, h] = length.to_be_bytes();
    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

/// Checksum and length as read; nothing is checked.
pub(super) fn parse_record_head(head: &[u8; RECORD_HEAD_LEN]) -> (u64, i32) {
    let [c0, c1, c2, c3, c4, c5, c6, c7, l0, l1, l2, l3] = *head;
    (
        u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
        i32::from_be_bytes([l0, l1, l2, l3]),
    )
}

/// Whether `checksum` is the payload's.
pub(super) fn checksum_matches(checksum: u64, payload: &[u8]) -> bool {
    checksum == u64::from(simd_adler32::adler32(&payload))
}

/// The zxid in a payload, if it is long enough for a header.
pub(super) fn payload_zxid(payload: &[u8]) -> Option<Zxid> {
    let header = jute::txn::TxnHeader::decode(&mut Reader::new(payload)).ok()?;
    Some(Zxid(header.zxid))
}

/// How far the file's space should reach before a write at `position`, when it reaches to
/// `reserved` now; as `FilePadding.calculateFileSizeWithPadding`. 0 for `step` is no padding.
pub(super) fn padded_len(position: u64, reserved: u64, step: u64) -> u64 {
    const NEAR_END: u64 = 4096;
    if step == 0 || position + NEAR_END < reserved {
        reserved
    } else if position > reserved {
        let wanted = position + step;
        wanted - wanted % step
    } else {
        reserved + step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample of the storage format reference: a session is created, then `/a`.
    const SAMPLE: [&str; 2] = [
        "00000000ed7b0be1 00000030 01000030ccaf0000 00000000 0000000000000001 000001a1ffa664a1 \
         fffffff6 00007530 00000002 0000000051c6d660 42",
        "0000000023bc0d85 00000058 01000030ccaf0000 00000001 0000000000000002 000001a1ffa664ad \
         00000001 00000002 2f61 00000002 6869 00000001 0000001f 00000005 776f726c64 00000006 \
         616e796f6e65 00 00000001 00000002 00000000d4305bd8 42",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let text = |pair: &[u8]| String::from_utf8(pair.to_vec()).unwrap();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&text(pair), 16).unwrap())
            .collect()
    }

    #[test]
    fn sf_007_the_head_of_a_file() {
        assert_eq!(file_head(), bytes("5a4b4c47 00000002 0000000000000000"));
        assert_eq!(file_head().len(), FILE_HEAD_LEN);
    }

    #[test]
    fn sf_008_only_the_magic_is_looked_at() {
        assert!(is_file_head(&bytes("5a4b4c47 00000009 00000000000000ff")));
        assert!(!is_file_head(&bytes("5a4b534e 00000002 0000000000000000")));
        assert!(!is_file_head(&bytes("5a4b4c47 00000002")));
    }

    #[test]
    fn sf_009_sf_010_the_sample_record_by_record() {
        for sample in SAMPLE {
            let sample = bytes(sample);
            let payload = &sample[RECORD_HEAD_LEN..sample.len() - 1];
            assert_eq!(record_head(payload), sample[..RECORD_HEAD_LEN]);
            assert_eq!(sample.last(), Some(&RECORD_END));
            let head = sample.first_chunk().unwrap();
            let (checksum, length) = parse_record_head(head);
            assert_eq!(usize::try_from(length), Ok(payload.len()));
            assert!(checksum_matches(checksum, payload));
            assert!(!checksum_matches(checksum | 1 << 40, payload));
        }
        assert_eq!(payload_zxid(&bytes(SAMPLE[1])[12..]), Some(Zxid(2)));
    }

    #[test]
    fn sf_011_the_space_taken_grows_as_apaches() {
        const STEP: u64 = 64 * 1024;
        assert_eq!(padded_len(16, 16, STEP), 65_552);
        assert_eq!(padded_len(16, 16, 65536 * 1024), 67_108_880);
        assert_eq!(padded_len(61_455, 65_552, STEP), 65_552);
        assert_eq!(padded_len(61_456, 65_552, STEP), 131_088);
        // Beyond the space: the odd 16 bytes go.
        assert_eq!(padded_len(200_000, 65_552, STEP), 262_144);
        assert_eq!(padded_len(200_000, 16, 0), 16);
    }
}
