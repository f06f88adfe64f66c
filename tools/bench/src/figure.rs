//! Everything that is measured: how it is called in the JSON and in tables, and what it means.

/// A kind of figure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// Its name in the JSON.
    pub(super) key: &'static str,
    /// Its name in tables.
    pub(super) title: &'static str,
    /// Digits behind the point.
    pub(super) digits: usize,
    /// What it means, in words for the page.
    pub(super) meaning: &'static str,
}

const fn figure(
    key: &'static str,
    title: &'static str,
    digits: usize,
    meaning: &'static str,
) -> Figure {
    Figure {
        key,
        title,
        digits,
        meaning,
    }
}

/// Declares the figures and the list of them all.
macro_rules! figures {
    ($($name:ident = $key:literal, $title:literal, $digits:literal, $meaning:literal;)*) => {
        $(pub(super) const $name: Figure = figure($key, $title, $digits, $meaning);)*
        /// All of them, in the order of tables.
        pub(super) const ALL: &[Figure] = &[$($name),*];
    };
}

figures! {
    WINDOW_S = "window_s", "window s", 0, "from when the first webhook should have left until the last should, to a second";
    WEBHOOKS = "webhooks", "webhooks", 0, "webhooks that were acknowledged";
    REPORTS = "reports", "reports", 0, "reports in them";
    WEBHOOKS_PER_S = "webhooks_per_s", "webhooks/s", 0, "webhooks acknowledged in a second";
    REPORTS_PER_S = "reports_per_s", "reports/s", 0, "reports in a second that arrived, until the last of their forwards had; without a subscriber, those that are in the store";
    ACK_P50_MS = "ack_p50_ms", "ack p50", 2, "ms from when a webhook should have left to its 200: half of them took at most this";
    ACK_P99_MS = "ack_p99_ms", "p99", 2, "the same for 99 of 100";
    ACK_P999_MS = "ack_p999_ms", "p99.9", 2, "the same for 999 of 1000";
    ACK_WORST_MS = "ack_worst_ms", "worst 2 s", 2, "the ack p99 of the worst two seconds";
    TRANSIT_P50_MS = "transit_p50_ms", "transit p50", 2, "ms from when a webhook should have left, as for the ack, to its forward's arrival at the subscriber: half of them took at most this";
    TRANSIT_P99_MS = "transit_p99_ms", "p99", 2, "the same for 99 of 100";
    FORWARDS_PER_S = "forwards_per_s", "forwards/s", 0, "forwards in a second that arrived, each once, until the last had";
    FLOOR_PERCENT = "floor_percent", "% floor", 0, "webhooks/s whose report is in the store, as a share of the floor of the same round: a bare server that commits the raw body before it answers; not for batches, whose webhooks are few and large";
    CEILING_PERCENT = "ceiling_percent", "% ceil.", 0, "forwards/s as a share of the ceiling of the same round: signed posts without a store";
    REFUSED = "refused", "refused", 0, "webhooks answered otherwise than 2xx, or not at all";
    LOST = "lost", "lost", 0, "forwards of acknowledged reports that never arrived; without a subscriber, acknowledged reports that are not in the store";
    UNSTORED = "unstored", "unstored", 0, "acknowledged reports, those that filled the store included, that the store's file does not hold when it is counted afterwards";
    REPEATED = "repeated", "repeated", 0, "forwards that arrived again, until nothing had come for a second";
    REORDERED = "reordered", "reordered", 0, "forwards that arrived after a later one of the same message";
    IDLE_MIB = "idle_mib", "idle MiB", 1, "resident memory right after the start";
    PEAK_MIB = "peak_mib", "peak MiB", 1, "the most resident memory until then";
    CPU_S_PER_1000 = "cpu_s_per_1000", "CPU s/1000", 3, "seconds of the service's processor time for 1000 reports";
    DISK_PER_REPORT = "disk_per_report", "B/report", 0, "bytes of the store's file for a report, raw webhook and forwards included";
    OTHERS_RATIO = "others_ratio", "others' ratio", 2, "the nine others' median transit p99 beside a hanging subscriber, divided by the same beside a well one";
    OTHERS_WELL_MS = "others_well_ms", "others beside a well one", 2, "their median transit p99 (ms) when the tenth is well";
    OTHERS_HUNG_MS = "others_hung_ms", "others beside a hanging one", 2, "their median transit p99 (ms) when the tenth hangs";
    PAIRS = "pairs", "pairs", 0, "pairs of windows, interleaved";
    TIMEOUTS = "timeouts", "timed out", 0, "attempts of the hanging subscriber that had timed out when a window ended, in the window with the fewest";
    BACKLOG = "backlog", "backlog", 0, "forwards that waited for the subscriber when it came back";
    DRAINED_S = "drained_s", "drained s", 1, "seconds from the first forward after the outage until the last of the backlog had arrived";
    NOTICED_S = "noticed_s", "noticed s", 1, "seconds from the subscriber's return until the breaker's probe found it: the first forward's arrival";
    OUTAGE_S = "outage_s", "outage s", 1, "seconds that the subscriber was away: its connections cut, its port closed";
    CALM_PEAK_MIB = "calm_peak_mib", "calm peak MiB", 1, "the most resident memory of the same service, freshly started on an empty store, under the same 200 webhooks a second to one subscriber";
    BACKLOG_MIB = "backlog_mib", "backlog MiB", 1, "the most resident memory of a freshly started service while it holds the backlog through the rest of the outage and drains it beside 200 webhooks a second, less that of the same without a backlog (calm peak)";
    STORED = "stored", "stored", 0, "reports that the store held before, counted in its file";
    STORED_PER_S = "stored_per_s", "stored/s", 0, "reports that got into the store in a second while it was filled, 1000 in a webhook, one of 500 sent twice";
    STORE_MB = "store_mb", "store MB", 0, "the store's file, in millions of bytes";
    READY_CLEAN_MS = "ready_clean_ms", "ready after a stop", 0, "ms from the process's start to its first 200 of /readyz, the worst of three";
    READY_KILLED_MS = "ready_killed_ms", "ready after kill -9", 0, "the same after `kill -9` while saturated, the worst of three";
    QUERIES = "queries", "queries", 0, "queries that were answered meanwhile";
    SLOWEST_MS = "slowest_ms", "slowest query", 0, "ms that the slowest of them took";
    SLOWEST_READY_MS = "slowest_ready_ms", "slowest ready query", 0, "ms that the slowest ready query took, those for a copy aside";
    WAL_MIB = "wal_mib", "WAL MiB", 1, "the largest the write-ahead log was";
    WAL_LIMIT_MIB = "wal_limit_mib", "WAL limit MiB", 0, "the configured `wal_limit`";
    ALARM = "alarm", "alarm", 0, "1 when the log named the process that held the write-ahead log";
    WAL_HELD = "wal_held", "held", 0, "1 when the write-ahead log stayed within its limit or the alarm named the reader";
    WAL_AFTER_MIB = "wal_after_mib", "WAL MiB after", 1, "the write-ahead log once the reader had ended and nobody did anything";
    WAL_SHRUNK_S = "wal_shrunk_s", "shrunk s", 1, "seconds from the reader's end until it was within its limit again";
}
