//! The process itself, under the names that Prometheus' own libraries use.

use haulier_wire::Timestamp;
use prometheus::{Counter, Gauge, IntCounter, IntGauge};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::Families;
use crate::telemetry::log;

#[derive(Clone, Debug)]
pub(super) struct ProcessMetrics {
    resident: IntGauge,
    open_files: IntGauge,
    most_files: IntGauge,
    cpu_seconds: Counter,
    panics: IntCounter,
}

impl ProcessMetrics {
    pub(super) fn new(families: &Families<'_>, started: Timestamp) -> prometheus::Result<Self> {
        let start: Gauge =
            families.fraction("process_start_time_seconds", "When the process started, in seconds since 1970.")?;
        start.set(started.as_duration().as_secs_f64());
        Ok(Self {
            resident: families.gauge("process_resident_memory_bytes", "Memory of the process.")?,
            open_files: families.gauge("process_open_fds", "Open files and sockets.")?,
            most_files: families.gauge("process_max_fds", "Most files and sockets that may be open.")?,
            cpu_seconds: families.add(Counter::new("process_cpu_seconds_total", "Processor time of the process.")?)?,
            panics: families.counter("haulier_panics_total", "Faults of the server that ended a task.")?,
        })
    }

    /// Asks the kernel. What it does not tell, as on other systems than Linux, stays as it was.
    pub(super) fn read(&self) {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            // Without the one that lists them.
            self.open_files.set(i64::try_from(entries.count()).unwrap_or(i64::MAX) - 1);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            self.most_files.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
        let used = clock_gettime(ClockId::ProcessCPUTime);
        if let Ok(used) = std::time::Duration::try_from(used) {
            self.cpu_seconds.inc_by((used.as_secs_f64() - self.cpu_seconds.get()).max(0.0));
        }
        self.panics.inc_by(log::panics().saturating_sub(self.panics.get()));
    }
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}
