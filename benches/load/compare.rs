//! The side-by-side run: every workload on every server in turn, round by round.
//!
//! In: the servers to start and how long to load them. Out: all samples. Rounds are interleaved (A B A B), so that a
//! neighbour on the machine disturbs both alike; the first visit to a workload warms up for longer, since a JVM
//! compiles its code under load.

use std::{path::Path, time::Duration};

use crate::{
    bulk::{self, Bulk},
    error::LoadError,
    server::{Cores, Installation, Server},
    workload::{self, Sample, Timing, Workload},
};

/// Before each measurement but a workload's first.
const WARM_UP_AGAIN_MAX: Duration = Duration::from_millis(500);

/// What to run.
pub(crate) struct Plan {
    pub(crate) installations: Vec<Installation>,
    /// Servers that form one ensemble; 1 is a standalone server.
    pub(crate) ensemble: usize,
    pub(crate) cores: Option<Cores>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) timing: Timing,
    pub(crate) rounds: usize,
    /// Nodes of the memory and restart measurement; 0 leaves it out.
    pub(crate) bulk_nodes: usize,
    pub(crate) restarts: usize,
}

/// What one server showed.
pub(crate) struct Findings {
    pub(crate) server: &'static str,
    /// As many samples as rounds, for each workload of the plan in its order.
    pub(crate) samples: Vec<Vec<Sample>>,
    pub(crate) bulk: Option<Bulk>,
}

/// Carries out the plan; `progress` is told each result as it comes.
pub(crate) fn run(
    plan: &Plan,
    scratch: &Path,
    progress: &mut impl FnMut(String),
) -> Result<Vec<Findings>, LoadError> {
    let mut findings = Vec::new();
    for installation in &plan.installations {
        let samples = vec![Vec::new(); plan.workloads.len()];
        findings.push(Findings {
            server: installation.name,
            samples,
            bulk: None,
        });
    }
    run_workloads(plan, scratch, &mut findings, progress)?;
    if plan.bulk_nodes > 0 {
        for (installation, findings) in plan.installations.iter().zip(&mut findings) {
            let mut server = Server::start(installation, plan.ensemble, scratch, plan.cores)?;
            let bulk = bulk::measure(&mut server, plan.bulk_nodes, plan.restarts)?;
            progress(format!("{}: {bulk:?}", server.name()));
            findings.bulk = Some(bulk);
        }
    }
    Ok(findings)
}

fn run_workloads(
    plan: &Plan,
    scratch: &Path,
    findings: &mut [Findings],
    progress: &mut impl FnMut(String),
) -> Result<(), LoadError> {
    if plan.workloads.is_empty() {
        return Ok(());
    }
    let mut servers = Vec::new();
    for installation in &plan.installations {
        let server = Server::start(installation, plan.ensemble, scratch, plan.cores)?;
        workload::set_up(&server.subject().targets)?;
        servers.push(server);
    }
    for (index, &workload) in plan.workloads.iter().enumerate() {
        for round in 0..plan.rounds {
            let mut timing = plan.timing;
            if round > 0 {
                timing.warm_up = timing.warm_up.min(WARM_UP_AGAIN_MAX);
            }
            for (server, findings) in servers.iter().zip(findings.iter_mut()) {
                let sample = workload::measure(&server.subject(), workload, timing)?;
                progress(format!(
                    "{} {workload:?} {round}: {sample:?}",
                    server.name()
                ));
                if let Some(samples) = findings.samples.get_mut(index) {
                    samples.push(sample);
                }
            }
        }
    }
    Ok(())
}
