//! `cargo xtask bench getppid`: what every other system call pays.

use std::time::Instant;

use super::{
    figures::{median, spread},
    variant::Variant,
};
use crate::shell::say;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Rounds of each variant
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// System calls of one loop
    #[arg(long, default_value_t = 5_000_000)]
    calls: u32,
}

pub(super) fn run(arguments: Arguments) {
    let variants = [Variant::Without, Variant::Written];
    let mut series = [Vec::new(), Vec::new()];
    loop_of_calls(arguments.calls);
    for round in 1..=arguments.rounds {
        say(format_args!("round {round} of {}", arguments.rounds));
        for (variant, series) in variants.iter().zip(&mut series) {
            let sensor = variant.start();
            series.push(loop_of_calls(arguments.calls));
            if let Some(sensor) = sensor {
                let _ = sensor.stop();
            }
        }
    }
    println!(
        "\n{} rounds of {} getppid, medians\n",
        arguments.rounds, arguments.calls
    );
    for (variant, figures) in variants.iter().zip(&series) {
        println!(
            "{:<24}{:>8.1} ns{:>8.3} (± {:.1} %)",
            variant.name(),
            median(figures),
            median(figures) / median(&series[0]),
            spread(figures)
        );
    }
}

/// Nanoseconds of one call.
pub(super) fn loop_of_calls(calls: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        // SAFETY: takes nothing and cannot fail; by number, so that no library answers it.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
