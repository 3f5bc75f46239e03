//! What Linux knows about a process: processor time used, resident memory, the cores it may run on.
//!
//! Processor time is the sum of user and system time of all its threads, also of those that ended, in clock ticks of
//! 10 ms; measurements run for seconds, so the tick is below one per cent.

use std::{fs, time::Duration};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

use crate::error::{Doing as _, LoadError};

/// `USER_HZ`, which is 100 on every Linux we run on.
const TICK: Duration = Duration::from_millis(10);

/// Processor time `pid` has used since it started.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, LoadError> {
    let text = read(pid, "stat")?;
    parse_cpu_ticks(&text)
        .map(|ticks| TICK * ticks)
        .ok_or_else(|| LoadError::Failed(format!("no processor times in /proc/{pid}/stat")))
}

/// Resident memory of `pid` in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, LoadError> {
    let text = read(pid, "status")?;
    parse_resident_bytes(&text)
        .ok_or_else(|| LoadError::Failed(format!("no VmRSS in /proc/{pid}/status")))
}

/// Keeps this process, and what it starts from now on, on these cores.
pub(crate) fn pin_to(cores: &[usize]) -> Result<(), LoadError> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    sched_setaffinity(None, &set).doing(format!("pin to cores {cores:?}"))
}

/// Asks `pid` to stop.
pub(crate) fn terminate(pid: u32) -> Result<(), LoadError> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| LoadError::Failed(format!("no such process {pid}")))?;
    kill_process(pid, Signal::TERM).doing("send SIGTERM")
}

fn read(pid: u32, file: &str) -> Result<String, LoadError> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).doing(format!("read {path}"))
}

/// The name in the second field may hold anything, so fields are counted from the last parenthesis on: there state is
/// the first, utime the 12th and stime the 13th (`proc_pid_stat(5)` counts them 3, 14 and 15).
fn parse_cpu_ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn parse_resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_an_odd_name() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 8 0 100 5 6";
        assert_eq!(parse_cpu_ticks(stat), Some(175));
        assert_eq!(parse_cpu_ticks("42 (a"), None);
    }

    #[test]
    fn resident_memory_is_in_kib() {
        assert_eq!(
            parse_resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t    12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(parse_resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(cpu_time(pid).unwrap() < Duration::from_secs(3600));
    }
}
