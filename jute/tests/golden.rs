//! Every record against bytes that Apache's own classes wrote (`testdata/golden.txt`): ours encodes
//! to the same bytes, decodes to the same fields, and stands up to those bytes damaged.

#![allow(clippy::indexing_slicing, reason = "a test may stop at a bad index")]

mod fill;

use std::collections::BTreeMap;

use jute::{Decode, DecodeError, Encode, Reader};

use fill::{Fill, for_each_record};

#[test]
fn records_are_apaches_bytes_both_ways() {
    let golden = golden();
    let mut seen = 0;
    macro_rules! check {
        ($name:literal, $record:ty) => {
            for (form, full) in [("full", true), ("null", false)] {
                let expected = &golden[&format!("{} {form}", $name)];
                let value = <$record>::fill(0, full);
                assert_eq!(hex(&value.to_vec()), hex(expected), "{} {form}", $name);
                assert_eq!(value.encoded_len(), expected.len(), "{} {form}", $name);
                assert_eq!(
                    <$record>::from_slice(expected).as_ref(),
                    Ok(&value),
                    "{}",
                    $name
                );
                seen += 1;
            }
        };
    }
    for_each_record!(check);
    assert_eq!(seen, golden.len(), "every golden line has its record here");
}

#[test]
fn records_cut_short_are_truncated_at_every_length() {
    let golden = golden();
    macro_rules! check {
        ($name:literal, $record:ty) => {
            let bytes = &golden[&format!("{} full", $name)];
            // The handshake's last field is optional, so one byte less is a whole record too.
            let optional = usize::from($name.starts_with("Connect"));
            for length in 0..bytes.len() - optional {
                let result = <$record>::from_slice(&bytes[..length]);
                assert_eq!(
                    result.err(),
                    Some(DecodeError::Truncated),
                    "{} at {length}",
                    $name
                );
            }
        };
    }
    for_each_record!(check);
}

#[test]
fn damaged_records_are_refused_or_round_trip() {
    let golden = golden();
    let mut random = Random(0x5eed);
    macro_rules! check {
        ($name:literal, $record:ty) => {
            let bytes = &golden[&format!("{} full", $name)];
            for _ in 0..2_000 {
                let damaged = random.damage(bytes);
                if let Ok(value) = <$record>::from_slice(&damaged) {
                    let again = value.to_vec();
                    assert_eq!(value.encoded_len(), again.len(), "{}", $name);
                    assert_eq!(<$record>::from_slice(&again), Ok(value), "{}", $name);
                }
            }
        };
    }
    for_each_record!(check);
}

#[test]
fn trailing_bytes_are_left_alone() {
    let bytes = [&[0, 0, 0, 7][..], b"rest"].concat();
    let mut reader = Reader::new(&bytes);
    assert_eq!(i32::decode(&mut reader), Ok(7));
    assert_eq!(reader.rest(), b"rest");
}

fn golden() -> BTreeMap<String, Vec<u8>> {
    include_str!("../testdata/golden.txt")
        .lines()
        .map(golden_line)
        .collect()
}

fn golden_line(line: &str) -> (String, Vec<u8>) {
    let (name, digits) = line
        .rsplit_once(' ')
        .expect("a name, a form and hexadecimal digits");
    let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).expect("two digits");
    (
        name.to_owned(),
        (0..digits.len()).step_by(2).map(byte).collect(),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A small generator with a fixed seed, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// A copy with up to three bytes changed, and sometimes cut or grown.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let place = self.below(damaged.len());
            damaged[place] = match self.below(3) {
                0 => 0xff,
                1 => 0,
                _ => self.next().to_be_bytes()[0],
            };
        }
        match self.below(4) {
            0 => damaged.truncate(self.below(bytes.len())),
            1 => damaged.extend_from_slice(bytes),
            _ => {}
        }
        damaged
    }
}
