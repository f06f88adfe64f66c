//! The scenarios: what is sent, and to which subscribers.

use super::answer::Row;
use super::plan::{Needs, Scale};
use super::player::{Cast, Part, Played};
use super::process::Usage;
use super::stage::{Bench, Stage};
use super::{Durability, hanging, outage, readers, stored};

/// One scenario of the table.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether it runs only when it is named, because it takes long.
    pub(super) on_request: bool,
    /// Whether it repeats itself enough, or is too long to be run again.
    pub(super) once: bool,
    course: Course,
}

/// How a scenario goes.
enum Course {
    /// One window on a fresh store, then everything is drained.
    Window(Shape),
    /// Windows with and without a subscriber that hangs.
    Hanging,
    /// A subscriber that is away, a backlog, and everything at once.
    Outage,
    /// Windows on a store that holds a lot already.
    Stored,
    /// A window with an analyst at the same file.
    Analyst,
    /// A window with a reading transaction left open.
    Pinned,
}

impl Scenario {
    /// How long it takes and how much disk, about.
    pub(super) const fn needs(&self, scale: &Scale) -> Needs {
        match self.course {
            Course::Window(shape) => shape.needs(scale),
            Course::Hanging => hanging::needs(scale),
            Course::Outage => outage::needs(scale),
            Course::Stored => stored::needs(scale),
            Course::Analyst => readers::analyst_needs(scale),
            Course::Pinned => readers::pinned_needs(scale),
        }
    }
}

/// What is sent in a window.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    connections: usize,
    /// Webhooks a second; as fast as the answers come when `None`.
    rate: Option<f64>,
    /// How long, when it is not cut short.
    seconds: u64,
    batch: usize,
    cast: Cast,
    subscribers: u64,
}

impl Shape {
    const fn needs(&self, scale: &Scale) -> Needs {
        let most_per_s = match (self.rate, self.batch) {
            (Some(_), _) => 3_000,
            (None, 1) => 30_000,
            (None, _) => 80_000,
        };
        Needs::of_window(scale, self.seconds, most_per_s)
    }
}

/// 256 connections, one report in a webhook, one subscriber.
const SATURATED: Shape = Shape {
    connections: 256,
    rate: None,
    seconds: 10,
    batch: 1,
    cast: Cast::Meta,
    subscribers: 1,
};

const fn closed(connections: usize, subscribers: u64) -> Course {
    Course::Window(Shape {
        connections,
        subscribers,
        ..SATURATED
    })
}

const fn open(rate: f64, subscribers: u64) -> Course {
    Course::Window(Shape {
        rate: Some(rate),
        subscribers,
        ..SATURATED
    })
}

const fn batches(batch: usize, cast: Cast) -> Course {
    Course::Window(Shape {
        connections: 8,
        batch,
        cast,
        subscribers: 0,
        ..SATURATED
    })
}

const fn scenario(name: &'static str, course: Course, about: &'static str) -> Scenario {
    Scenario {
        name,
        about,
        on_request: false,
        once: false,
        course,
    }
}

const fn long(name: &'static str, course: Course, about: &'static str) -> Scenario {
    Scenario {
        on_request: true,
        ..scenario(name, course, about)
    }
}

const fn once(name: &'static str, course: Course, about: &'static str) -> Scenario {
    Scenario {
        once: true,
        ..long(name, course, about)
    }
}

/// Every scenario, in the order of the table.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("closed-1", closed(1, 1), "one connection, one subscriber"),
    scenario("closed-32", closed(32, 1), "32 connections, one subscriber"),
    scenario(
        "closed-256",
        closed(256, 1),
        "256 connections, one subscriber",
    ),
    scenario(
        "ingest-256",
        closed(256, 0),
        "256 connections, no subscriber",
    ),
    scenario(
        "open-200",
        open(200.0, 1),
        "200 webhooks a second, one subscriber",
    ),
    scenario(
        "open-1000",
        open(1000.0, 1),
        "1000 webhooks a second, one subscriber",
    ),
    scenario(
        "open-3000",
        Course::Window(steady(3000.0, 60)),
        "3000 webhooks a second for a minute, one subscriber",
    ),
    scenario(
        "batch-100",
        batches(100, Cast::Infobip),
        "100 Infobip reports in a webhook, no subscriber",
    ),
    scenario(
        "batch-1000",
        batches(1000, Cast::Meta),
        "1000 Meta statuses in a webhook, no subscriber",
    ),
    scenario(
        "fan-10",
        open(300.0, 10),
        "300 webhooks a second, 10 subscribers",
    ),
    scenario(
        "fan-100",
        open(30.0, 100),
        "30 webhooks a second, 100 subscribers",
    ),
    scenario(
        "analyst",
        Course::Analyst,
        "1000 webhooks a second beside an analyst's queries",
    ),
    once(
        "hanging",
        Course::Hanging,
        "200 webhooks a second, one of ten subscribers hanging, in pairs of windows",
    ),
    long(
        "outage",
        Course::Outage,
        "a subscriber is away; its backlog drains while 200 webhooks a second come",
    ),
    long(
        "stored",
        Course::Stored,
        "a store that holds a lot: saturated, 3000 a second, the ready queries, starting",
    ),
    once(
        "pinned",
        Course::Pinned,
        "1000 webhooks a second beside a reading transaction that is left open",
    ),
];

/// Runs a scenario; returns its rows.
pub(super) fn run(
    bench: &Bench,
    scenario: &Scenario,
    durability: Durability,
) -> anyhow::Result<Vec<Row>> {
    match scenario.course {
        Course::Window(shape) => {
            let mut stage = Stage::open(bench, durability)?;
            subscribe(&stage, shape)?;
            let row = window(&mut stage, scenario.name, shape)?;
            Ok(vec![weighed(&mut stage, row, 0)?])
        }
        Course::Hanging => hanging::run(bench, durability),
        Course::Outage => outage::run(bench, durability),
        Course::Stored => stored::run(bench, durability),
        Course::Analyst => readers::analyst(bench, durability),
        Course::Pinned => readers::pinned(bench, durability),
    }
    .map(|mut rows| {
        for row in &mut rows {
            durability.as_str().clone_into(&mut row.durability);
        }
        rows
    })
}

/// So many webhooks a second, one subscriber.
pub(super) const fn steady(rate: f64, seconds: u64) -> Shape {
    Shape {
        rate: Some(rate),
        seconds,
        ..SATURATED
    }
}

/// As fast as the answers come, one subscriber.
pub(super) const fn saturated() -> Shape {
    SATURATED
}

pub(super) fn subscribe(stage: &Stage<'_>, shape: Shape) -> anyhow::Result<()> {
    for number in 0..shape.subscribers {
        stage.subscribe(&format!("subscriber-{number}"), &number.to_string())?;
    }
    Ok(())
}

/// One window, then everything is drained.
pub(super) fn window(stage: &mut Stage<'_>, name: &str, shape: Shape) -> anyhow::Result<Row> {
    let part = stage.part()?;
    let part = Part {
        connections: shape.connections,
        rate: shape.rate,
        seconds: stage.bench.seconds(shape.seconds),
        batch: shape.batch,
        cast: shape.cast,
        // Without a subscriber nothing is compared with it.
        log: part.log.clone().filter(|_| shape.subscribers > 0),
        ..part
    };
    let window = Window::begin(stage, part)?;
    let played = stage.play(&window.part)?;
    window.end(stage, name, &played, shape.subscribers)
}

/// A window that has begun: what is sent in it, and how things stood before.
pub(super) struct Window {
    pub(super) part: Part,
    before: Usage,
    last_report: i64,
}

impl Window {
    pub(super) fn begin(stage: &Stage<'_>, part: Part) -> anyhow::Result<Self> {
        Ok(Self {
            part,
            last_report: stage.last_report()?,
            before: stage.service()?.usage(),
        })
    }

    /// Drains everything, and measures it.
    pub(super) fn end(
        self,
        stage: &mut Stage<'_>,
        name: &str,
        played: &Played,
        subscribers: u64,
    ) -> anyhow::Result<Row> {
        stage.drain(&self.part, played.distinct * subscribers)?;
        let after = stage.service()?.usage();
        let mut row = Row::new(name);
        row.acks(played);
        row.usage(stage.idle, self.before, after, played.reports);
        let stored = stage.reports_after(self.last_report)?;
        row.stored(played, stored);
        if subscribers == 0 {
            row.ingest(played, stored);
            return Ok(row);
        }
        let subscribers: Vec<u64> = (0..subscribers).collect();
        for outcome in stage.outcomes(&[&self.part], &subscribers)? {
            row.forwards(&outcome);
        }
        Ok(row)
    }
}

/// Stops the service and adds what the store's file has grown by since `bytes`.
pub(super) fn weighed(stage: &mut Stage<'_>, mut row: Row, bytes: u64) -> anyhow::Result<Row> {
    stage.stop()?;
    row.disk(stage.store_bytes().saturating_sub(bytes));
    Ok(row)
}
