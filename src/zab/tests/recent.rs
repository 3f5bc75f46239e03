//! The window of recent commits, against a list from which nothing is ever taken but what the rules
//! say.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::base::{Epoch, Zxid};
use crate::zab::Recent;

fn zxids(recent: &Recent) -> Vec<Zxid> {
    recent.iter().map(|committed| committed.zxid).collect()
}

fn filled(count_max: usize, zxids: impl IntoIterator<Item = i64>) -> Recent {
    let mut recent = Recent::new(count_max);
    for zxid in zxids {
        recent.push(Zxid(zxid), Bytes::new());
    }
    recent
}

#[test]
fn the_newest_are_kept() {
    let recent = filled(3, 1..=10);
    assert_eq!(zxids(&recent), [Zxid(8), Zxid(9), Zxid(10)]);
    assert_eq!(
        (recent.first(), recent.last()),
        (Some(Zxid(8)), Some(Zxid(10)))
    );
    let behind: Vec<Zxid> = recent
        .after(Zxid(9))
        .map(|committed| committed.zxid)
        .collect();
    assert_eq!(behind, [Zxid(10)]);
}

#[test]
fn a_hole_starts_it_anew_and_an_epoch_does_not() {
    let epoch = Zxid::start_of(Epoch(1)).0;
    let recent = filled(9, [1, 2, epoch + 1, epoch + 2]);
    assert_eq!(recent.first(), Some(Zxid(1)));
    assert_eq!(filled(9, [1, 2, 4]).first(), Some(Zxid(4)));
    assert_eq!(filled(9, [1, 2, epoch + 2]).first(), Some(Zxid(epoch + 2)));
}

#[test]
fn what_is_there_already_is_passed_over() {
    assert_eq!(
        zxids(&filled(9, [1, 2, 3, 2, 3, 4])),
        [1, 2, 3, 4].map(Zxid)
    );
}

#[test]
fn a_pin_holds_the_window_until_it_is_too_much() {
    const QUARTER: usize = 32 * 1024 * 1024 - 64;
    let payload = Bytes::from(vec![0; QUARTER]);
    let mut recent = Recent::new(1);
    recent.push(Zxid(1), Bytes::new());
    recent.pin(Zxid(1));
    for zxid in 2..=5 {
        recent.push(Zxid(zxid), payload.clone());
    }
    assert_eq!(recent.first(), Some(Zxid(1)));
    recent.push(Zxid(6), Bytes::from_static(&[0; 1024]));
    assert_eq!(
        recent.first(),
        Some(Zxid(3)),
        "128 MiB, and what is beyond goes"
    );
    recent.unpin();
    assert_eq!(zxids(&recent), [Zxid(6)]);
}

/// A learner's link takes 256 MiB at a time: with more in the window than that, one that is brought
/// up to date from it would be cut off again and again.
#[test]
fn the_window_is_bounded_by_bytes_too_but_for_the_last() {
    const HALF: usize = 32 * 1024 * 1024 - 64;
    let payload = Bytes::from(vec![0; HALF]);
    let mut recent = Recent::new(500);
    for zxid in 1..=5 {
        recent.push(Zxid(zxid), payload.clone());
    }
    assert_eq!(zxids(&recent), [Zxid(4), Zxid(5)]);
    recent.push(Zxid(6), Bytes::from(vec![0; 3 * HALF]));
    assert_eq!(zxids(&recent), [Zxid(6)]);
}

#[derive(Debug, Clone)]
enum Step {
    Next,
    Again(i64),
    Epoch,
    Hole,
    Clear,
    Pin(i64),
    Unpin,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Next),
        1 => (0..5_i64).prop_map(Step::Again),
        2 => Just(Step::Epoch),
        1 => Just(Step::Hole),
        1 => Just(Step::Clear),
        2 => (0..8_i64).prop_map(Step::Pin),
        2 => Just(Step::Unpin),
    ]
}

/// The whole rule, over a list.
#[derive(Default)]
struct Model {
    entries: Vec<Zxid>,
    pin: Option<Zxid>,
}

impl Model {
    fn push(&mut self, zxid: Zxid, count_max: usize) {
        self.entries.push(zxid);
        self.trim(count_max);
    }

    fn trim(&mut self, count_max: usize) {
        let pin = self.pin;
        while self.entries.len() > count_max && pin.is_none_or(|pin| self.entries[0] < pin) {
            self.entries.remove(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        ..ProptestConfig::default()
    })]

    #[test]
    fn as_the_model(count_max in 1..6_usize, steps in prop::collection::vec(step(), 0..60)) {
        let mut recent = Recent::new(count_max);
        let mut model = Model::default();
        let mut last = Zxid(0x1_0000_0000);
        for step in steps {
            match step {
                Step::Next => {
                    last = last.next();
                    recent.push(last, Bytes::new());
                    model.push(last, count_max);
                }
                Step::Again(back) => {
                    // Nothing happens, unless there is nothing it could be a repetition of.
                    if !model.entries.is_empty() {
                        recent.push(Zxid(last.0 - back), Bytes::new());
                    }
                }
                Step::Epoch => {
                    last = Zxid::start_of(Epoch(last.epoch().0 + 1)).next();
                    recent.push(last, Bytes::new());
                    model.push(last, count_max);
                }
                Step::Hole => {
                    last = Zxid(last.0 + 2);
                    recent.push(last, Bytes::new());
                    model.entries.clear();
                    model.push(last, count_max);
                }
                Step::Clear => {
                    recent.clear();
                    model.entries.clear();
                }
                Step::Pin(back) => {
                    let pin = Zxid(last.0 - back);
                    recent.pin(pin);
                    model.pin = Some(model.pin.map_or(pin, |pinned| pinned.min(pin)));
                }
                Step::Unpin => {
                    recent.unpin();
                    model.pin = None;
                    model.trim(count_max);
                }
            }
            prop_assert_eq!(&zxids(&recent), &model.entries);
            prop_assert_eq!(recent.first(), model.entries.first().copied());
            prop_assert_eq!(recent.last(), model.entries.last().copied());
            for probe in last.0 - 8..last.0 + 2 {
                let floor = model.entries.iter().rev().find(|zxid| zxid.0 <= probe);
                prop_assert_eq!(recent.floor(Zxid(probe)), floor.copied());
                let after = recent.after(Zxid(probe)).map(|committed| committed.zxid);
                let expected: Vec<Zxid> =
                    model.entries.iter().filter(|zxid| zxid.0 > probe).copied().collect();
                prop_assert_eq!(after.collect::<Vec<Zxid>>(), expected);
            }
        }
    }
}
