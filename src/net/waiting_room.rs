//! Accepted connections that have to say something before anything is made of them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// At the bound the one that has been here longest is shown out: it has had the most time, and those who
/// flood cannot lock others out.
pub(super) struct WaitingRoom {
    tasks: JoinSet<()>,
    /// In the order of arrival; some may have left.
    seats: VecDeque<AbortHandle>,
    seats_max: usize,
}

impl WaitingRoom {
    pub(super) fn new(seats_max: usize) -> Self {
        Self {
            tasks: JoinSet::new(),
            seats: VecDeque::new(),
            seats_max,
        }
    }

    /// Accepts the next one, and meanwhile lets go of those that are done.
    pub(super) async fn accept(
        &mut self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            tokio::select! {
                accepted = listener.accept() => return accepted,
                Some(_) = self.tasks.join_next() => {
                    self.seats.retain(|seat| !seat.is_finished());
                }
            }
        }
    }

    /// Waits for what one has to say, with a limit of its own.
    pub(super) fn admit(&mut self, heard: impl Future<Output = ()> + Send + 'static) {
        if self.seats.len() >= self.seats_max
            && let Some(oldest) = self.seats.pop_front()
        {
            oldest.abort();
        }
        self.seats.push_back(self.tasks.spawn(heard));
    }
}
