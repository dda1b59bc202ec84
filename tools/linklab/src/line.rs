//! A line between two namespaces, alive until it is dropped.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::device::{Device, NAME};
use crate::ending;
use crate::error::Result;
use crate::namespace::{self, Namespace};
use crate::pump::{Direction, Parts};
use crate::record::Record;
use crate::spec::LineSpec;
use crate::statistics::{QueueStatistics, Snapshot};

/// The home's address; RFC 2544 sets this network aside for benchmarks.
pub const HOME_ADDRESS: &str = "198.18.0.1";
/// The node's address.
pub const NODE_ADDRESS: &str = "198.18.0.2";
/// The home's IPv6 address; RFC 5180 sets this network aside for benchmarks.
pub const HOME_ADDRESS_V6: &str = "2001:2::1";
/// The node's IPv6 address.
pub const NODE_ADDRESS_V6: &str = "2001:2::2";

/// Numbers the lines of one process.
static LINES: AtomicU32 = AtomicU32::new(0);

/// A line: two namespaces, a device in each, and a thread for each direction.
///
/// It is gone when this is dropped, with every process that still runs at one of its ends. Programs that call
/// [`crate::ending::end_everything_on_signals`] leave nothing behind when they are told to stop either; what a killed one
/// left is removed when the next line is made.
pub struct Line {
    spec: LineSpec,
    down: Direction,
    up: Direction,
    record: Option<Record>,
    start: Mark,
    home: Namespace,
    node: Namespace,
}

/// An instant in a line's life, to count from.
#[derive(Clone, Debug)]
pub struct Mark {
    down: Snapshot,
    up: Snapshot,
}

impl Line {
    /// Makes a line; it carries packets at once, and its schedules of rates begin.
    ///
    /// # Errors
    /// When the specification describes no line, or with what the system refused. It needs root.
    pub fn create(spec: &LineSpec) -> Result<Self> {
        let [down, up] = spec.link_configs()?;
        ending::remove_leftovers(namespace::PREFIX);
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        let home = Namespace::create(number, "home")?;
        let node = Namespace::create(number, "node")?;
        let at_home = Arc::new(Device::create(&home)?);
        let at_node = Arc::new(Device::create(&node)?);
        set_up(&home, HOME_ADDRESS, HOME_ADDRESS_V6, &spec.home_congestion)?;
        set_up(&node, NODE_ADDRESS, NODE_ADDRESS_V6, &spec.node_congestion)?;
        let origin = std::time::Instant::now();
        let down = Direction::start(Parts {
            name: "down",
            link: down,
            overhead_bytes: spec.overhead_bytes,
            from: Arc::clone(&at_node),
            to: Arc::clone(&at_home),
            origin,
        })?;
        let up = Direction::start(Parts {
            name: "up",
            link: up,
            overhead_bytes: spec.overhead_bytes,
            from: at_home,
            to: at_node,
            origin,
        })?;
        let start = Mark {
            down: down.snapshot()?,
            up: up.snapshot()?,
        };
        Ok(Self {
            spec: spec.clone(),
            down,
            up,
            record: None,
            start,
            home,
            node,
        })
    }

    /// What it was made from.
    #[must_use]
    pub const fn spec(&self) -> &LineSpec {
        &self.spec
    }

    /// Whether its threads run before all others (`SCHED_FIFO`); without it a busy machine makes packets late.
    #[must_use]
    pub const fn is_realtime(&self) -> bool {
        self.down.is_realtime && self.up.is_realtime
    }

    /// A command at the home end.
    #[must_use]
    pub fn at_home(&self, program: &str) -> Command {
        self.home.command(program)
    }

    /// A command at the node's end.
    #[must_use]
    pub fn at_node(&self, program: &str) -> Command {
        self.node.command(program)
    }

    /// Calls `work` on a thread at the home end: sockets that it opens are there.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn enter_home<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.home.enter(work)
    }

    /// Calls `work` on a thread at the node's end.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn enter_node<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.node.enter(work)
    }

    /// Begins the schedules of both directions' rates anew.
    ///
    /// # Errors
    /// When a thread of the line has ended.
    pub fn restart_schedule(&self) -> Result<()> {
        self.down.restart_schedule()?;
        self.up.restart_schedule()
    }

    /// Remembers this instant.
    ///
    /// # Errors
    /// When a thread of the line has ended.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark {
            down: self.down.snapshot()?,
            up: self.up.snapshot()?,
        })
    }

    /// What both directions did since an instant: the true delays of the packets that left the queues after it.
    ///
    /// # Errors
    /// When a thread of the line has ended.
    pub fn since(&self, mark: &Mark) -> Result<QueueStatistics> {
        let now = self.mark()?;
        let duration = now.down.at - mark.down.at;
        Ok(QueueStatistics {
            duration_s: duration.as_secs_f64(),
            down: now.down.since(&mark.down),
            up: now.up.since(&mark.up),
        })
    }

    /// What both directions did since the line was made.
    ///
    /// # Errors
    /// When a thread of the line has ended.
    pub fn statistics(&self) -> Result<QueueStatistics> {
        self.since(&self.start)
    }

    /// From now on writes a row of CSV for every 100 ms and direction, until [`Line::finish`] or the line's end.
    ///
    /// # Errors
    /// When a thread can't be had.
    pub fn record(&mut self, writer: impl Write + Send + 'static) -> Result<()> {
        let (record, rows) = Record::start(writer)?;
        self.down.record(rows.clone())?;
        self.up.record(rows)?;
        self.record = Some(record);
        Ok(())
    }

    /// Ends the line and completes its record.
    ///
    /// # Errors
    /// When the record could not be written.
    pub fn finish(self) -> Result<()> {
        let Self {
            down, up, record, ..
        } = self;
        // The rows' senders go with the directions.
        drop((down, up));
        record.map_or(Ok(()), Record::finish)
    }
}

/// Why lines can't be made here; `None` when they can.
#[must_use]
pub fn obstacle() -> Option<String> {
    namespace::obstacle()
}

fn set_up(namespace: &Namespace, v4: &str, v6: &str, congestion: &str) -> Result<()> {
    // Without it the line would carry packets of the hosts' own before anybody uses it.
    namespace.ip(&format!("link set {NAME} addrgenmode none"))?;
    namespace.ip(&format!("address replace {v4}/30 dev {NAME}"))?;
    // Without duplicate address detection the address works at once.
    namespace.ip(&format!("address replace {v6}/64 dev {NAME} nodad"))?;
    namespace.ip(&format!("link set {NAME} up"))?;
    let congestion = match congestion {
        "" => String::new(),
        name => format!("congctl {name}"),
    };
    namespace.ip(&format!(
        "route replace 198.18.0.0/30 dev {NAME} src {v4} {congestion}"
    ))?;
    // In the place of the route that came with the address, which has this metric: beside it nobody would take this one.
    namespace.ip(&format!(
        "-6 route replace 2001:2::/64 dev {NAME} metric 256 {congestion}"
    ))
}
