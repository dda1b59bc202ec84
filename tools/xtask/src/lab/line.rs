//! A line as three network namespaces: home, the line itself, node.
//!
//! The line is a bridge with a token bucket and a drop-tail queue on each of its two ports. The queues are not in the
//! sender's own namespace: Linux lets a socket put only a small share into a queue on its own host (TCP small
//! queues), which held four flows at 83 ms in a queue of 200 ms; behind a bridge the same flows fill it.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::ending::{self, Ending, Ends};
use crate::process::quiet;

/// The home's address; RFC 2544 sets this network aside for benchmarks.
pub(crate) const HOME_ADDRESS: &str = "198.18.0.1";
/// The node's address.
pub(crate) const NODE_ADDRESS: &str = "198.18.0.2";
/// The home's IPv6 address; RFC 5180 sets this network aside for benchmarks.
pub(crate) const HOME_ADDRESS_V6: &str = "2001:2::1";
/// The node's IPv6 address.
pub(crate) const NODE_ADDRESS_V6: &str = "2001:2::2";

const PREFIX: &str = "bbl-";
/// An Ethernet frame with 1500 bytes of IP, as the queue counts it.
const FRAME_BYTES: u64 = 1514;
/// The bucket holds what the rate sends in this time, or two frames: small beside the queue, enough for the timer.
const BURST_US: u64 = 1000;

/// Numbers the lines of one process.
static LINES: AtomicU32 = AtomicU32::new(0);

/// Rates and queue of a line.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct LineShape {
    /// From the node to the home.
    pub(crate) down_mbps: u32,
    /// From the home to the node.
    pub(crate) up_mbps: u32,
    /// Depth of the queue in each direction, at that direction's rate.
    pub(crate) queue_ms: u32,
}

/// A line that exists until it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    home: Namespace,
    node: Namespace,
    _middle: Namespace,
}

#[derive(Debug)]
struct Namespace {
    name: String,
    _ends: Ends,
}

impl Line {
    /// Makes the namespaces and joins them.
    ///
    /// # Errors
    /// Names the command that the system refused, with its complaint.
    pub(crate) fn create(shape: LineShape) -> Result<Self> {
        ending::remove_leftovers(PREFIX);
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        let home = Namespace::create(number, "home")?;
        let middle = Namespace::create(number, "line")?;
        let node = Namespace::create(number, "node")?;

        middle.ip("link add bridge type bridge")?;
        for (end, port) in [(&home, "home"), (&node, "node")] {
            end.ip(&format!(
                "link add line type veth peer name {port} netns {}",
                middle.name
            ))?;
            middle.ip(&format!("link set {port} master bridge"))?;
            // Frames of one packet each: a queue in bytes is then a queue in milliseconds.
            for (namespace, device) in [(end, "line"), (&middle, port)] {
                namespace.run(&format!("ethtool -K {device} tso off gso off gro off"))?;
                namespace.ip(&format!("link set {device} up"))?;
            }
        }
        middle.ip("link set bridge up")?;
        home.address(HOME_ADDRESS, HOME_ADDRESS_V6)?;
        node.address(NODE_ADDRESS, NODE_ADDRESS_V6)?;
        // A subscriber's machine sends with cubic whatever this machine prefers. The node has to choose by itself.
        home.ip(&format!(
            "route replace 198.18.0.0/30 dev line src {HOME_ADDRESS} congctl cubic"
        ))?;
        // In the place of the route that came with the address, which has this metric.
        home.ip("-6 route replace 2001:2::/64 dev line metric 256 congctl cubic")?;
        middle.shape("home", shape.down_mbps, shape.queue_ms)?;
        middle.shape("node", shape.up_mbps, shape.queue_ms)?;
        Ok(Self {
            home,
            node,
            _middle: middle,
        })
    }

    /// A command at the home end.
    #[must_use]
    pub(crate) fn at_home(&self, program: &str) -> Command {
        self.home.command(program)
    }

    /// A command at the node's end.
    #[must_use]
    pub(crate) fn at_node(&self, program: &str) -> Command {
        self.node.command(program)
    }
}

impl Namespace {
    fn create(number: u32, end: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{number}-{end}", std::process::id());
        quiet(Command::new("ip").args(["netns", "add", &name])).context(
            "a network namespace could not be made; the lab needs root and a kernel with namespaces",
        )?;
        let namespace = Self {
            _ends: Ending::Namespace(name.clone()).register(),
            name,
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    fn run(&self, words: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        quiet(command.args(words.split_whitespace()))
    }

    fn ip(&self, words: &str) -> Result<()> {
        quiet(
            Command::new("ip")
                .args(["-n", &self.name])
                .args(words.split_whitespace()),
        )
    }

    fn address(&self, v4: &str, v6: &str) -> Result<()> {
        self.ip(&format!("address add {v4}/30 dev line"))?;
        // Without duplicate address detection the address works at once.
        self.ip(&format!("address add {v6}/64 dev line nodad"))
    }

    fn shape(&self, device: &str, rate_mbps: u32, queue_ms: u32) -> Result<()> {
        let bytes_per_ms = u64::from(rate_mbps) * 125;
        let burst = (bytes_per_ms * BURST_US / 1000).max(2 * FRAME_BYTES);
        let limit = (bytes_per_ms * u64::from(queue_ms)).max(2 * FRAME_BYTES);
        self.run(&format!(
            "tc qdisc add dev {device} root tbf rate {rate_mbps}mbit burst {burst} limit {limit}"
        ))
    }
}
