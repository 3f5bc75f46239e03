//! Signals to the processes that tests start: to let one stand still, and to end it.

use std::{process::Child, time::Duration};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::eventually::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// SIGSTOP: the process keeps its sockets and, once this returns, does nothing more.
pub fn pause(child: &mut Child, name: &str) {
    signal(child, Signal::STOP);
    let pid = pid(child);
    // Its threads run on until each has taken the signal.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    eventually(&format!("{name} stands still"), PATIENCE, || {
        let status = waitid(WaitId::Pid(pid), options).expect("the child is ours");
        let is_still = status.is_some_and(|status| status.stopped());
        (is_still || has_ended(child)).then_some(())
    });
}

/// SIGCONT, after [`pause`].
pub fn resume(child: &mut Child) {
    signal(child, Signal::CONT);
}

/// Does nothing to a process that has ended.
pub fn signal(child: &mut Child, signal: Signal) {
    if !has_ended(child) {
        kill_process(pid(child), signal).expect("a child that has not ended takes signals");
    }
}

pub fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("the child is ours").is_some()
}

fn pid(child: &Child) -> Pid {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a child has a pid")
}
