//! One table for each storm, in Markdown.

use std::collections::BTreeMap;

use super::{Arguments, Series, Storm, source::Place, tool::Tool};
use crate::bench::figures::{median, spread};

/// Figures of Falco 0.44 with the modern eBPF engine and every event written, from another machine
/// of this kind (kernel 6.18, two cores).
fn falco(storm: Storm) -> &'static str {
    match storm {
        Storm::Exec => {
            "| Falco 0.44 *(measured elsewhere)* | 1.15 | 1.38 | 1.37 | 74 µs | 0.25 | 85 MiB | 10,000 ms |"
        }
        Storm::Connect => {
            "| Falco 0.44 *(measured elsewhere)* | 1.23 | – | 1.37 | 33 µs | 0.50 to 0.76 | 85 MiB | 10,000 ms |"
        }
    }
}

pub(super) fn print(
    storm: Storm,
    all: &BTreeMap<Tool, Series>,
    place: &Place,
    arguments: Arguments,
) {
    let (what, count) = match storm {
        Storm::Exec => ("fork+exec", arguments.execs),
        Storm::Connect => ("connects", arguments.connects),
    };
    println!(
        "\n{} rounds of {count} {what}, every event written to a file; medians, ± half the \
         distance between quartiles\n",
        arguments.rounds
    );
    println!(
        "| | 1 worker | 2 workers | getppid | CPU per event | lines per event | RSS | first line after |\n\
         |---|---|---|---|---|---|---|---|"
    );
    let base = all.get(&Tool::Nothing);
    for (tool, series) in all {
        let name = tool.name(storm, place);
        if let Some(why) = &series.refused {
            println!(
                "| {name} | {} |||||||",
                why.lines().next().unwrap_or_default()
            );
            continue;
        }
        println!("{}", row(&name, series, base));
    }
    println!("{}", falco(storm));
}

fn row(name: &str, series: &Series, base: Option<&Series>) -> String {
    let ratio = |of: fn(&Series) -> &[f64]| {
        let base = base.map_or(f64::NAN, |base| median(of(base)));
        let figures = of(series);
        format!("{:.3} ± {:.1} %", median(figures) / base, spread(figures))
    };
    let cells = [
        ratio(|series| &series.storm[0]),
        ratio(|series| &series.storm[1]),
        ratio(|series| &series.getppid),
    ];
    let own = if series.cpu.is_empty() {
        "| – | – | – | – |".to_owned()
    } else {
        format!(
            "| {:.2} µs | {:.3} | {:.1} MiB | {:.0} ms |",
            median(&series.cpu),
            median(&series.lines),
            median(&series.memory),
            median(&series.ready)
        )
    };
    format!("| {name} | {} {own}", cells.join(" | "))
}
