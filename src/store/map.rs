//! The part of a log segment that is mapped into memory. All `unsafe` of the project is here.
//!
//! In: a file, how far it is backed by real blocks, and bytes for a place within that. Out: the
//! bytes are in the kernel's page cache, as after a `write`, without a system call per record.
//!
//! A window of the file is mapped, not all of it, so that what was written long ago does not
//! count as the process's memory. The file never shrinks while a window is mapped, and a window
//! never reaches beyond the allocated blocks: touching it can raise no SIGBUS.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::{MmapMut, MmapOptions};

/// Bytes mapped at a time; a multiple of every page size there is.
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// The window of a segment that is mapped at the moment, if any.
#[derive(Debug, Default)]
pub(super) struct SegmentMap {
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    start: u64,
    map: MmapMut,
}

impl SegmentMap {
    /// Copies `bytes` to `offset`, all of which lies within the first `reserved` bytes of `file`,
    /// and those have blocks. It is the same file in every call.
    pub(super) fn write(
        &mut self,
        file: &File,
        reserved: u64,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        assert!(
            offset + bytes.len() as u64 <= reserved,
            "only what has blocks is written through the map"
        );
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let place = self.place(file, reserved, at)?;
            let count = place.len().min(rest.len());
            let (now, later) = rest.split_at(count);
            place
                .get_mut(..count)
                .expect("the count is at most the length of the place")
                .copy_from_slice(now);
            at += count as u64;
            rest = later;
        }
        Ok(())
    }

    /// The mapped bytes from `at` to the end of the window it lies in; never empty.
    fn place(&mut self, file: &File, reserved: u64, at: u64) -> io::Result<&mut [u8]> {
        let start = at - at % WINDOW_BYTES;
        let is_mapped =
            |window: &Window| window.start == start && at - start < window.map.len() as u64;
        if !self.window.as_ref().is_some_and(is_mapped) {
            self.window = None;
            let len = WINDOW_BYTES.min(reserved - start);
            self.window = Some(Window {
                start,
                map: map(file, start, len)?,
            });
        }
        let window = self.window.as_mut().expect("a window was just mapped");
        let skip = usize::try_from(at - start).expect("a window fits into memory");
        Ok(window
            .map
            .get_mut(skip..)
            .expect("the place is inside the window"))
    }
}

fn map(file: &File, start: u64, len: u64) -> io::Result<MmapMut> {
    let len = usize::try_from(len).expect("a window fits into memory");
    // SAFETY: a map must not be read or written by others in ways Rust cannot know of, and the
    // file must not shrink below it. The bytes are only ever written here, through one exclusive
    // reference, and nothing is concluded from reading them back. No part of the server truncates
    // a segment while its writer lives; an operator who truncates a live log destroys the log
    // itself.
    unsafe { MmapOptions::new().offset(start).len(len).map_mut(file) }
}
