//! The primitive types: what each reads from which bytes, and what hostile lengths do.

use std::borrow::Cow;

use jute::{Buffer, Decode, DecodeError, Encode, Reader, Ustring, Vector};
use proptest::prelude::{Strategy, any, proptest};

#[test]
fn any_non_zero_byte_is_true() {
    for (byte, expected) in [(0, false), (1, true), (2, true), (0xff, true)] {
        assert_eq!(bool::from_slice(&[byte]), Ok(expected));
    }
}

#[test]
fn null_and_empty_are_told_apart() {
    assert_eq!(Buffer::from_slice(&[0xff; 4]), Ok(None));
    assert_eq!(Buffer::from_slice(&[0; 4]), Ok(Some(&[][..])));
    assert_eq!(Ustring::from_slice(&[0xff; 4]), Ok(None));
    assert_eq!(Ustring::from_slice(&[0; 4]), Ok(Some(Cow::Borrowed(""))));
    assert_eq!(<Vector<i32>>::from_slice(&[0xff; 4]), Ok(None));
    assert_eq!(<Vector<i32>>::from_slice(&[0; 4]), Ok(Some(Vec::new())));
}

#[test]
fn a_negative_length_is_refused_but_a_negative_count_is_empty() {
    let minus_two = (-2_i32).to_be_bytes();
    assert_eq!(
        Buffer::from_slice(&minus_two),
        Err(DecodeError::BadLength(-2))
    );
    assert_eq!(
        Ustring::from_slice(&minus_two),
        Err(DecodeError::BadLength(-2))
    );
    assert_eq!(<Vector<i32>>::from_slice(&minus_two), Ok(Some(Vec::new())));
}

#[test]
fn fields_beyond_the_readers_limit_are_refused_even_when_they_are_there() {
    let bytes = Some(&b"12345"[..]).to_vec();
    assert_eq!(
        Buffer::decode(&mut Reader::with_field_max(&bytes, 5)),
        Ok(Some(&b"12345"[..]))
    );
    let refused = Buffer::decode(&mut Reader::with_field_max(&bytes, 4));
    assert_eq!(refused, Err(DecodeError::BadLength(5)));
}

#[test]
fn huge_counts_cost_no_more_than_the_bytes_at_hand() {
    let bytes = [&i32::MAX.to_be_bytes()[..], &[0; 40]].concat();
    assert_eq!(
        <Vector<i32>>::from_slice(&bytes),
        Err(DecodeError::Truncated)
    );
    assert_eq!(Buffer::from_slice(&bytes), Err(DecodeError::Truncated));
    // The vector that is built before the end is found has room for ten elements, not two billion.
    let ten = [&10_i32.to_be_bytes()[..], &[0; 40]].concat();
    let elements = <Vector<i32>>::from_slice(&ten).unwrap().unwrap();
    assert_eq!((elements.len(), elements.capacity()), (10, 10));
}

#[test]
fn malformed_text_is_mended_and_valid_text_is_borrowed() {
    let bytes = Some(&b"/a\xff"[..]).to_vec();
    assert_eq!(
        Ustring::from_slice(&bytes),
        Ok(Some(Cow::Borrowed("/a\u{fffd}")))
    );
    let bytes = Some(&b"/plain"[..]).to_vec();
    assert!(matches!(
        Ustring::from_slice(&bytes),
        Ok(Some(Cow::Borrowed("/plain")))
    ));
}

fn text() -> impl Strategy<Value = Ustring<'static>> {
    any::<Option<String>>().prop_map(|text| text.map(Cow::Owned))
}

proptest! {
    #[test]
    fn values_survive_both_ways(number in any::<i64>(), small in any::<i32>(), flag in any::<bool>(),
        text in text(), bytes in any::<Option<Vec<u8>>>(),
        list in proptest::option::of(proptest::collection::vec(text(), 0..9))) {
        assert_eq!(i64::from_slice(&number.to_vec()), Ok(number));
        assert_eq!(i32::from_slice(&small.to_vec()), Ok(small));
        assert_eq!(bool::from_slice(&flag.to_vec()), Ok(flag));
        assert_eq!(Ustring::from_slice(&text.to_vec()), Ok(text));
        assert_eq!(Buffer::from_slice(&bytes.as_deref().to_vec()), Ok(bytes.as_deref()));
        assert_eq!(<Vector<Ustring<'_>>>::from_slice(&list.to_vec()), Ok(list));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = <Vector<Ustring<'_>>>::from_slice(&bytes);
        let _ = jute::txn::MultiTxn::from_slice(&bytes);
        let _ = jute::proto::SetWatches2::from_slice(&bytes);
    }
}
