//! The machine that is measured: without it no figure means anything.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How often the disk is asked to sync.
const SYNCS: usize = 50;

/// What stands above the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gib: u64,
    /// Kernel and file system of the stores' folder.
    pub(super) system: String,
    pub(super) filesystem: String,
    /// The median of writing 4 KiB and waiting for the disk.
    pub(super) sync_us: u64,
    /// How busy others kept it when the run began.
    pub(super) load_average: String,
    /// Whether the service under test was built for speed; this binary was built with it.
    pub(super) optimised: bool,
}

pub(super) fn describe(folder: &Path) -> anyhow::Result<Machine> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or_default();
    let load = read("/proc/loadavg");
    Ok(Machine {
        processor: after(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: kib >> 20,
        system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        filesystem: filesystem(&read("/proc/mounts"), &folder.canonicalize()?),
        sync_us: u64::try_from(sync_time(folder)?.as_micros())?,
        load_average: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        optimised: !cfg!(debug_assertions),
    })
}

/// The type of the file system whose mount point is the longest above the folder.
fn filesystem(mounts: &str, folder: &Path) -> String {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    mounts
        .lines()
        .filter_map(mount)
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(String::new, |(_, kind)| kind)
}

fn sync_time(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join(format!("tickrelay-bench-{}.sync", std::process::id()));
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}
