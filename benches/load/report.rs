//! The findings as Markdown, beside the budget.
//!
//! In: the findings of one or more servers, the last of them ours. Out: text. Each figure is the median of its rounds;
//! a ratio is ours by the first server's, and a line where ours is the worse one is listed at the end.

use std::{fmt::Write as _, time::Duration};

use crate::{
    bulk::Bulk,
    compare::{Findings, Plan},
    failover::Gaps,
    stats::median,
    workload::Sample,
};

/// The design's budget for a million nodes of 100 bytes.
const BUDGET_RESIDENT_MB: f64 = 260.0;
const BUDGET_RESTART_MILLIS: f64 = 600.0;
/// And for the median of the write gaps.
const BUDGET_GAP_MILLIS: f64 = 100.0;

/// One kind of figure.
struct Figure<T> {
    title: &'static str,
    more_is_better: bool,
    of: fn(&T) -> f64,
}

const FIGURES: [Figure<Sample>; 4] = [
    Figure {
        title: "server CPU, microseconds per request",
        more_is_better: false,
        of: |sample| sample.cpu_micros_per_request,
    },
    Figure {
        title: "requests per second",
        more_is_better: true,
        of: |sample| sample.requests_per_second,
    },
    Figure {
        title: "p50, milliseconds",
        more_is_better: false,
        of: |sample| sample.p50.as_secs_f64() * 1e3,
    },
    Figure {
        title: "p99, milliseconds",
        more_is_better: false,
        of: |sample| sample.p99.as_secs_f64() * 1e3,
    },
];

const BULK_FIGURES: [(Figure<Bulk>, Option<f64>); 5] = [
    (
        Figure {
            title: "resident memory, loaded, MB",
            more_is_better: false,
            of: |bulk| megabytes(bulk.resident_bytes_loaded),
        },
        Some(BUDGET_RESIDENT_MB),
    ),
    (
        Figure {
            title: "resident memory, restarted, MB",
            more_is_better: false,
            of: |bulk| megabytes(bulk.resident_bytes_restarted),
        },
        Some(BUDGET_RESIDENT_MB),
    ),
    (
        Figure {
            title: "resident memory, empty, MB",
            more_is_better: false,
            of: |bulk| megabytes(bulk.resident_bytes_empty),
        },
        None,
    ),
    (
        Figure {
            title: "restart until it serves, milliseconds",
            more_is_better: false,
            of: |bulk| median(bulk.restarts.iter().map(Duration::as_secs_f64)) * 1e3,
        },
        Some(BUDGET_RESTART_MILLIS),
    ),
    (
        Figure {
            title: "server CPU, microseconds per create",
            more_is_better: false,
            of: |bulk| bulk.cpu_micros_per_create,
        },
        None,
    ),
];

/// Builds the whole report.
pub(crate) fn markdown(plan: &Plan, findings: &[Findings]) -> String {
    let mut report = Report {
        text: String::new(),
        worse: Vec::new(),
    };
    if !plan.workloads.is_empty() {
        for figure in &FIGURES {
            report.workload_table(plan, findings, figure);
        }
    }
    report.bulk_table(findings);
    if findings.len() > 1 {
        report.verdict();
    }
    report.text
}

/// The gaps as one table.
pub(crate) fn failover_markdown(found: &[Gaps]) -> String {
    let mut report = Report {
        text: String::new(),
        worse: Vec::new(),
    };
    let rounds = found.first().map_or(0, |gaps| gaps.gaps.len());
    let title = format!("write gap after kill -9 of the leader, {rounds} rounds");
    report.header(&title, found.iter().map(|gaps| gaps.server));
    let millis = |gaps: &Gaps| -> Vec<f64> {
        let gaps = gaps.gaps.iter();
        gaps.map(|gap| gap.as_secs_f64() * 1e3).collect()
    };
    let medians: Vec<f64> = found.iter().map(|gaps| median(millis(gaps))).collect();
    let budget = Some(BUDGET_GAP_MILLIS);
    report.row("median, milliseconds", "", false, budget, &medians);
    let longest = found
        .iter()
        .map(|gaps| millis(gaps).into_iter().fold(0.0, f64::max));
    let longest: Vec<f64> = longest.collect();
    report.row("longest, milliseconds", "", false, None, &longest);
    if found.len() > 1 {
        report.verdict();
    }
    report.text
}

struct Report {
    text: String,
    worse: Vec<String>,
}

impl Report {
    fn workload_table(&mut self, plan: &Plan, findings: &[Findings], figure: &Figure<Sample>) {
        self.header(figure.title, findings.iter().map(|found| found.server));
        // The budget speaks of processor time, which is the first figure.
        let has_budget = figure.title == FIGURES[0].title;
        for (index, workload) in plan.workloads.iter().enumerate() {
            let budget = workload.budget_micros(plan.ensemble).filter(|_| has_budget);
            let values = findings.iter().map(|findings| {
                let samples = findings.samples.get(index).map_or(&[][..], Vec::as_slice);
                median(samples.iter().map(figure.of))
            });
            let values: Vec<f64> = values.collect();
            self.row(
                workload.title(),
                figure.title,
                figure.more_is_better,
                budget,
                &values,
            );
        }
    }

    fn bulk_table(&mut self, findings: &[Findings]) {
        let bulks: Vec<&Bulk> = findings
            .iter()
            .filter_map(|found| found.bulk.as_ref())
            .collect();
        let Some(first) = bulks.first() else { return };
        let title = format!("{} nodes of 100 bytes", first.nodes);
        self.header(&title, findings.iter().map(|found| found.server));
        for (figure, budget) in &BULK_FIGURES {
            let values: Vec<f64> = bulks.iter().map(|bulk| (figure.of)(bulk)).collect();
            self.row(figure.title, "", figure.more_is_better, *budget, &values);
        }
    }

    fn header(&mut self, title: &str, servers: impl Iterator<Item = &'static str>) {
        let names: Vec<&str> = servers.collect();
        let ratio = if names.len() > 1 { " ratio |" } else { "" };
        let rules = "---:|".repeat(names.len() + usize::from(names.len() > 1));
        let _ = write!(
            self.text,
            "\n| {title} | budget | {} |{ratio}\n|---|---:|{rules}\n",
            names.join(" | ")
        );
    }

    fn row(
        &mut self,
        name: &str,
        figure: &str,
        more_is_better: bool,
        budget: Option<f64>,
        values: &[f64],
    ) {
        let budget = budget.map_or_else(|| "-".to_owned(), number);
        let _ = write!(self.text, "| {name} | {budget} |");
        for value in values {
            let _ = write!(self.text, " {} |", number(*value));
        }
        if let (&[theirs, ..], Some(&ours), true) = (values, values.last(), values.len() > 1) {
            let _ = write!(self.text, " {:.2} |", ours / theirs);
            if if more_is_better {
                ours < theirs
            } else {
                ours > theirs
            } {
                self.worse
                    .push([name, figure].join(" ").trim_end().to_owned());
            }
        }
        self.text.push('\n');
    }

    fn verdict(&mut self) {
        if self.worse.is_empty() {
            self.text.push_str("\nNo line is worse than Apache's.\n");
        }
        for line in &self.worse {
            let _ = writeln!(self.text, "\nWorse than Apache's: {line}");
        }
    }
}

/// Three digits that mean something, as many as such a measurement has.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Timing, Workload};

    fn findings(server: &'static str, micros: f64, per_second: f64) -> Findings {
        let sample = Sample {
            requests: 10,
            cpu_micros_per_request: micros,
            requests_per_second: per_second,
            p50: Duration::from_millis(1),
            p99: Duration::from_millis(2),
            resident_bytes: 0,
            load_cpu_micros_per_request: 1.0,
        };
        let bulk = Bulk {
            nodes: 5,
            cpu_micros_per_create: micros,
            resident_bytes_empty: 1_000_000,
            resident_bytes_loaded: 2_000_000,
            resident_bytes_restarted: 2_000_000,
            restarts: vec![Duration::from_millis(700)],
        };
        Findings {
            server,
            samples: vec![vec![sample; 3]],
            bulk: Some(bulk),
        }
    }

    #[test]
    fn gaps_are_compared_by_their_medians() {
        let gaps = |server, millis: [u64; 3]| Gaps {
            server,
            gaps: millis.map(Duration::from_millis).to_vec(),
        };
        let found = [
            gaps("Apache", [600, 700, 900]),
            gaps("Gamekeeper", [50, 70, 1000]),
        ];
        let text = failover_markdown(&found);
        assert!(text.contains("after kill -9 of the leader, 3 rounds | budget | Apache |"));
        assert!(text.contains("| median, milliseconds | 100 | 700 | 70.0 | 0.10 |"));
        assert!(text.contains("| longest, milliseconds | - | 900 | 1000 | 1.11 |"));
        assert!(text.contains("Worse than Apache's: longest"));
    }

    #[test]
    fn the_report_compares_and_names_what_is_worse() {
        let plan = Plan {
            installations: Vec::new(),
            ensemble: 1,
            cores: None,
            workloads: vec![Workload::Get16x16],
            timing: Timing {
                warm_up: Duration::ZERO,
                measure: Duration::ZERO,
            },
            rounds: 3,
            bulk_nodes: 5,
            restarts: 1,
        };
        let found = [
            findings("Apache", 14.0, 60_000.0),
            findings("Gamekeeper", 2.1, 50_000.0),
        ];
        let text = markdown(&plan, &found);
        let title = Workload::Get16x16.title();
        assert!(
            text.contains(&format!("| {title} | 2.00 | 14.0 | 2.10 | 0.15 |")),
            "{text}"
        );
        assert!(
            text.contains("| restart until it serves, milliseconds | 600 | 700 | 700 | 1.00 |")
        );
        assert!(text.contains(&format!("Worse than Apache's: {title} requests per second")));
        assert_eq!(text.matches("Worse than").count(), 1);
    }
}
