//! Ctrl-C and its kin: nothing that was started is left behind, and no folder either.
//!
//! The processes that take part are ended; whoever waits for one of them fails with that, and
//! cleans up on the way out as after any failure.

use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// The processes that run, none of which was waited for yet.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// What an interrupted program exits with, as shells have it.
pub(super) const EXIT_CODE: u8 = 130;

fn running() -> MutexGuard<'static, Vec<Pid>> {
    // Whoever panicked with it in hand left a list of processes.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the user wants it to end.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}

/// From now on Ctrl-C, a request to terminate and a closed terminal end what runs; the second
/// time, this process at once.
#[expect(clippy::exit, reason = "a second signal waits for nothing")]
pub(super) fn watch() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listen = |kind| {
        let _inside = runtime.enter();
        signal(kind).context("cannot listen to signals")
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let wait = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            if INTERRUPTED.swap(true, Ordering::AcqRel) {
                std::process::exit(i32::from(EXIT_CODE));
            }
            for pid in running().iter() {
                // It may have ended by itself.
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || runtime.block_on(wait))
        .context("cannot start the thread that listens to signals")
        .map(drop)
}

/// A process of ours: ended when it is dropped or the user interrupts.
pub(super) struct Process {
    pub(super) child: Child,
    pid: Pid,
}

impl Process {
    /// Starts it, in a process group of its own: a terminal's Ctrl-C is for us alone to pass on.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let program = command.get_program().to_owned();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut running = running();
        let pid = Pid::from_child(&child);
        running.push(pid);
        if is_interrupted() {
            // The others were ended a moment ago.
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(Self { child, pid })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        // Once it was waited for, its id may be another's.
        let mut running = running();
        let status = self.child.try_wait()?;
        if status.is_some() {
            running.retain(|pid| *pid != self.pid);
        }
        Ok(status)
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Ends it at once, as `kill -9` does.
    pub(super) fn kill(&mut self) -> std::io::Result<()> {
        running().retain(|pid| *pid != self.pid);
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}
