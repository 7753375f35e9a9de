//! `cargo xtask bench idle`: what the sensor costs an idle machine.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{
    figures::{anonymous_mib, cpu_seconds},
    variant::Variant,
};

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Arguments {
    /// Seconds of the measurement
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    println!("{:<24}{:>12}{:>12}", "", "of a core", "RSS");
    for variant in Variant::ALL {
        let Some(sensor) = variant.start() else {
            continue;
        };
        sensor.settle();
        let before = cpu_seconds(sensor.pid())?;
        thread::sleep(Duration::from_secs(arguments.seconds.into()));
        let share = (cpu_seconds(sensor.pid())? - before) / f64::from(arguments.seconds);
        let memory = anonymous_mib(sensor.pid())?;
        println!(
            "{:<24}{:>10.3} %{memory:>8.1} MiB",
            variant.name(),
            share * 100.0
        );
        sensor.stop().counters().assert_complete();
    }
    Ok(())
}
