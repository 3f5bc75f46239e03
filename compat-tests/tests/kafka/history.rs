//! What was acknowledged to producers, consumed and found in the end, and whether it may be so.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
}

/// A record somewhere, and which of its producer's it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) producer: String,
    pub(crate) number: u64,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} at {}:{}",
            self.producer, self.number, self.place.partition, self.place.offset
        )
    }
}

/// The lines of a journal: partition, offset, producer, number.
pub(crate) fn parse(text: &str) -> Vec<Record> {
    let record = |line: &str| {
        let mut words = line.split(' ');
        let place = Place {
            partition: words.next()?.parse().ok()?,
            offset: words.next()?.parse().ok()?,
        };
        let record = Record {
            place,
            producer: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(record)
    };
    text.lines()
        .map(|line| record(line).unwrap_or_else(|| panic!("no record: {line}")))
        .collect()
}

/// What is wrong with the records of a topic, in the order in which they were read, after all producers have
/// been told of all that they sent.
pub(crate) fn faults_of_topic(acknowledged: &[Record], read: &[Record]) -> Vec<String> {
    let there: HashSet<&Record> = read.iter().collect();
    let known: HashSet<&Record> = acknowledged.iter().collect();
    let mut faults = Vec::new();
    let lost = acknowledged
        .iter()
        .filter(|&record| !there.contains(record));
    faults.extend(lost.map(|record| format!("lost: {record}")));
    let unknown = read.iter().filter(|&record| !known.contains(record));
    faults.extend(unknown.map(|record| format!("never acknowledged: {record}")));

    let mut offsets: BTreeMap<u32, u64> = BTreeMap::new();
    let mut numbers: BTreeMap<(u32, &str), u64> = BTreeMap::new();
    for record in read {
        let Place { partition, offset } = record.place;
        let before = offsets.insert(partition, offset);
        if before.is_some_and(|before| before >= offset) {
            faults.push(format!("offsets do not rise: {record}"));
        }
        let before = numbers.insert((partition, &record.producer), record.number);
        if before.is_some_and(|before| before >= record.number) {
            faults.push(format!("doubled or out of order: {record}"));
        }
    }
    faults
}

/// What is wrong with what a group has consumed of a topic. A group whose members come and go may see
/// records again, but each as it is, and misses none.
pub(crate) fn faults_of_group(consumed: &[Record], read: &[Record]) -> Vec<String> {
    let there: HashMap<Place, &Record> = read.iter().map(|record| (record.place, record)).collect();
    let seen: HashSet<Place> = consumed.iter().map(|record| record.place).collect();
    let wrong = consumed
        .iter()
        .filter(|&record| there.get(&record.place) != Some(&record))
        .map(|record| format!("consumed, but not there: {record}"));
    let missed = read
        .iter()
        .filter(|record| !seen.contains(&record.place))
        .map(|record| format!("not consumed: {record}"));
    wrong.chain(missed).collect()
}

#[test]
fn what_may_be_is_no_fault() {
    let read = parse("0 0 a 0\n1 0 a 1\n0 1 b 0\n0 2 a 2\n1 1 b 1");
    let acknowledged = parse("0 0 a 0\n0 1 b 0\n0 2 a 2\n1 0 a 1\n1 1 b 1");
    assert!(faults_of_topic(&acknowledged, &read).is_empty());
    let consumed = parse("0 0 a 0\n0 1 b 0\n0 1 b 0\n0 2 a 2\n1 0 a 1\n1 1 b 1");
    assert!(faults_of_group(&consumed, &read).is_empty());
}

#[test]
fn each_fault_is_seen() {
    let faults =
        |acknowledged: &str, read: &str| faults_of_topic(&parse(acknowledged), &parse(read));
    assert_eq!(faults("0 0 a 0\n0 1 a 1", "0 0 a 0"), ["lost: a 1 at 0:1"]);
    assert_eq!(
        faults("0 0 a 0", "0 0 a 0\n0 1 a 1"),
        ["never acknowledged: a 1 at 0:1"]
    );
    let doubled = "0 0 a 0\n0 1 a 0";
    assert_eq!(
        faults(doubled, doubled),
        ["doubled or out of order: a 0 at 0:1"]
    );
    let out_of_order = "0 0 a 1\n0 1 a 0";
    assert_eq!(
        faults(out_of_order, out_of_order),
        ["doubled or out of order: a 0 at 0:1"]
    );
    let same_place = "0 0 a 0\n0 0 a 1";
    assert_eq!(
        faults(same_place, same_place),
        ["offsets do not rise: a 1 at 0:0"]
    );

    let faults = |consumed: &str, read: &str| faults_of_group(&parse(consumed), &parse(read));
    assert_eq!(faults("", "0 0 a 0"), ["not consumed: a 0 at 0:0"]);
    assert_eq!(
        faults("0 0 a 1", "0 0 a 0"),
        ["consumed, but not there: a 1 at 0:0"]
    );
}
