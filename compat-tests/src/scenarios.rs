//! What several tests do to ensembles of different members.

use crate::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions},
    history::{Rules, Summary},
    load::{Load, LoadOptions},
    maven::announce,
    server::Kind,
};

/// Enough that every client has had its turn.
const WRITES: u64 = 100;

/// Under load, `rounds` times: the largest minority of voters is killed, another one each time and the
/// first with the leader, the rest goes on serving, and the dead come back. An observer goes with them.
pub fn survive_minorities(ensemble: &mut Ensemble, rounds: usize) -> Summary {
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    let leader = ensemble.await_leader();
    let voters = ensemble.voters();
    for round in 0..rounds {
        let minority = voters - ensemble.quorum();
        let mut members: Vec<usize> = (0..minority)
            .map(|number| (leader + round + number) % voters)
            .collect();
        let observers = ensemble.len() - voters;
        if let Some(observer) = round.checked_rem(observers) {
            members.push(voters + observer);
        }
        for member in &members {
            ensemble.kill(*member);
        }
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
        for member in &members {
            ensemble.restart(*member);
        }
        ensemble.await_all();
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    }
    load.finish(&addresses).expect(Rules::STRICT)
}

/// Under load, server by server: each is stopped and comes back on its data as a server of kind `to`.
/// The leader's turn comes when its number comes.
pub fn roll(ensemble: &mut Ensemble, load: &Load, to: Kind) {
    for member in 0..ensemble.len() {
        ensemble.stop(member);
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
        ensemble.restart_as(member, to);
        ensemble.await_serving(member);
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    }
}

/// Starts an ensemble of `from`, makes it one of `to` and back again, without anybody noticing.
pub fn roll_there_and_back(from: &[Kind], to: Kind, options: &EnsembleOptions) -> Summary {
    let mut ensemble = Ensemble::start(from, options);
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    roll(&mut ensemble, &load, to);
    roll(&mut ensemble, &load, from[0]);
    load.finish(&addresses).expect(Rules::STRICT)
}

/// For the terminal: what was seen in a test that passed.
pub fn tell(test: &str, summary: &Summary) {
    announce(&format!("{test}: {summary}"));
}
