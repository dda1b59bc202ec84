//! `compare`: the node and its peers side by side, in turns within one run, and what came of it as a table, JSON and a page.

mod bulk;
mod curves;
mod http2;
mod iperf3;
mod nginx;
mod openings;
mod page;
mod paper;
mod plot;
mod programs;
mod pulse;
mod results;
mod scenario;
mod sealed;
mod secure;
mod server;
mod start_of_load;
mod table;
mod targets;
mod transfer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::bulk::Layer;
use self::iperf3::Iperf3;
use self::nginx::Nginx;
use self::results::{Machine, Opening, Results, Side, Tail, Transfer};
use self::scenario::{SCENARIOS, Scenario, What};
use self::secure::Certificate;
use self::server::Server;
use crate::node::Node;

/// A run of flows is measured for this long, after its warm-up.
const WINDOW: Duration = Duration::from_secs(1);
const QUICK_WINDOW: Duration = Duration::from_millis(600);
/// After its start a node's memory settles.
const SETTLE: Duration = Duration::from_secs(2);
/// Households at which the curve is taken.
const HOUSEHOLDS: [usize; 4] = [1, 30, 100, 300];
const QUICK_HOUSEHOLDS: [usize; 2] = [1, 10];
const HOUSEHOLDS_DURATION: Duration = Duration::from_secs(15);
const QUICK_HOUSEHOLDS_DURATION: Duration = Duration::from_secs(5);
/// With `--long`, of the promised number of households.
const LONG_HOUSEHOLDS: usize = 100;
const LONG_DURATION: Duration = Duration::from_secs(300);
const FLOWS: [usize; 5] = [1, 4, 16, 64, 256];
const LOOPS: [usize; 3] = [1, 2, 4];
const IDLE_CONNECTIONS: usize = 10_000;
const QUICK_IDLE_CONNECTIONS: usize = 1_000;

/// The arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the scenarios whose names begin so (may be repeated); the others' results are kept.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Fewer and shorter turns: to see that everything works, not to publish.
    #[arg(long)]
    quick: bool,
    /// 100 households for five minutes, not for a quarter of one.
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// Print the scenarios and run nothing.
    #[arg(long)]
    list: bool,
    /// Turns of each server in a scenario; ratios are of turns that followed each other.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    turns: u8,
    /// The node.
    #[arg(long, default_value = "target/release/bufferbloatd")]
    node: PathBuf,
    /// Where results.json, RESULTS.md and its pictures are written.
    #[arg(long, default_value = "bench")]
    folder: PathBuf,
}

/// What a scenario is run with.
struct Run<'a> {
    turns: usize,
    window: Duration,
    is_quick: bool,
    is_long: bool,
    program: &'a Path,
    node: Server,
    /// Another one, which speaks TLS.
    secure_node: Server,
    nginx: Option<Server>,
    iperf3: Option<Iperf3>,
    certificate: Certificate,
}

/// Runs what was asked for.
///
/// # Errors
/// When a server does not start or a transfer fails. What was measured before is kept.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for scenario in SCENARIOS {
            println!("{:<20} {}", scenario.name, scenario.title);
        }
        return Ok(());
    }
    let is_wanted = |scenario: &Scenario| {
        let only = &arguments.only;
        only.is_empty() || only.iter().any(|prefix| scenario.name.starts_with(prefix))
    };
    let wanted: Vec<&Scenario> = SCENARIOS.iter().filter(|each| is_wanted(each)).collect();
    ensure!(
        !wanted.is_empty(),
        "no scenario has such a name; see --list"
    );
    std::fs::create_dir_all(&arguments.folder)
        .with_context(|| arguments.folder.display().to_string())?;
    let path = arguments.folder.join("results.json");
    let mut results = Results::load(&path)?;
    results.machine = Machine::here();
    results.peers = [("nginx", "-v"), ("iperf3", "--version")]
        .map(|(name, flag)| (name.to_owned(), programs::version(name, flag)))
        .into();
    // Debian has no package of it that this bench could have been tried with: it is only looked for.
    let librespeed = ["librespeed-rs", "speedtest-go", "librespeed"];
    let librespeed = librespeed
        .iter()
        .find_map(|name| programs::version(name, "--version"));
    results.peers.insert("LibreSpeed".to_owned(), librespeed);
    let run = start(arguments)?;
    for scenario in wanted {
        run.scenario(scenario, &mut results)
            .with_context(|| scenario.name.to_owned())?;
        results.save(&path)?;
        // Whoever interrupts it keeps what there is.
        page::write(&arguments.folder, &results)?;
    }
    drop(run);
    print!("{}", table::of(&results));
    Ok(())
}

fn start(arguments: &Arguments) -> Result<Run<'_>> {
    let plain = ["--connections-max", "20000"].map(str::to_owned);
    let certificate = Certificate::make(&arguments.node)?;
    let secure = [plain.to_vec(), certificate.node_arguments()].concat();
    Ok(Run {
        turns: if arguments.quick {
            2
        } else {
            usize::from(arguments.turns)
        },
        window: if arguments.quick {
            QUICK_WINDOW
        } else {
            WINDOW
        },
        is_quick: arguments.quick,
        is_long: arguments.long,
        program: &arguments.node,
        node: Server::Node(Node::start(&arguments.node, &plain)?),
        secure_node: Server::Node(Node::start(&arguments.node, &secure)?),
        nginx: Nginx::start(&certificate)?.map(Server::Nginx),
        iperf3: Iperf3::start()?,
        certificate,
    })
}

impl Run<'_> {
    fn scenario(&self, scenario: &Scenario, results: &mut Results) -> Result<()> {
        eprintln!("{} …", scenario.name);
        let name = scenario.name.to_owned();
        match scenario.what {
            What::Transfer { .. } => {
                results.transfers.insert(name, self.transfer(scenario)?);
            }
            What::Openings => self.openings(results)?,
            What::IdleMemory => self.idle(results)?,
            What::StartOfLoad => {
                let Server::Node(node) = &self.node else {
                    return Ok(());
                };
                let tests = if self.is_quick { 20 } else { 200 };
                results.start_of_load = Some(start_of_load::measure(node.main, tests)?);
            }
            What::Households => {
                let (counts, usual): (&[usize], Duration) = if self.is_quick {
                    (&QUICK_HOUSEHOLDS, QUICK_HOUSEHOLDS_DURATION)
                } else {
                    (&HOUSEHOLDS, HOUSEHOLDS_DURATION)
                };
                for &count in counts {
                    let duration = if self.is_long && count == LONG_HOUSEHOLDS {
                        LONG_DURATION
                    } else {
                        usual
                    };
                    let households = curves::households(self.program, count, duration)?;
                    results.households.insert(count, households);
                }
            }
            What::Flows => {
                for flows in FLOWS {
                    let cost = curves::download(&self.node, flows, self.window)?;
                    results.flows.insert(flows, cost);
                }
            }
            What::Loops => {
                for loops in LOOPS {
                    let arguments = ["--loops".to_owned(), loops.to_string()];
                    let node = Server::Node(Node::start(self.program, &arguments)?);
                    let cost = curves::download(&node, 8, self.window)?;
                    results.loops.insert(loops, cost);
                }
            }
        }
        Ok(())
    }

    /// The servers in turns: A B C A B C.
    fn transfer(&self, scenario: &Scenario) -> Result<Transfer> {
        let What::Transfer { kind, flows } = scenario.what else {
            anyhow::bail!("no transfer");
        };
        let our = match kind.layer {
            Layer::Plain => &self.node,
            Layer::Tls | Layer::Http2 { .. } => &self.secure_node,
        };
        let mut node = Side::default();
        let mut nginx = self.nginx.as_ref().map(|server| (server, Side::default()));
        // It does plain TCP only, and says nothing of latency.
        let has_iperf3 = scenario.is_plain() && flows > 0;
        let iperf3 = self.iperf3.as_ref().filter(|_| has_iperf3);
        let mut iperf3 = iperf3.map(|server| (server, Side::default()));
        let (mut node_rtts, mut nginx_rtts) = (Vec::new(), Vec::new());
        for _ in 0..self.turns {
            let sample = transfer::measure(our, kind, flows, self.window)?;
            node.push(sample, &mut node_rtts);
            if let Some((server, side)) = &mut nginx {
                let sample = transfer::measure(server, kind, flows, self.window)?;
                side.push(sample, &mut nginx_rtts);
            }
            if let Some((server, side)) = &mut iperf3 {
                let sample = server.measure(kind.action.is_upload(), flows, self.window)?;
                side.push(sample, &mut Vec::new());
            }
        }
        node.rtt_us = Tail::of(node_rtts);
        let nginx = nginx.map(|(_, mut side)| {
            side.rtt_us = Tail::of(nginx_rtts);
            side
        });
        Ok(Transfer {
            what: scenario.title.to_owned(),
            flows,
            is_upload: kind.action.is_upload(),
            node,
            nginx,
            iperf3: iperf3.map(|(_, side)| side),
        })
    }

    fn servers(&self) -> impl Iterator<Item = (&'static str, &Server)> {
        let nginx = self.nginx.as_ref().map(|server| ("nginx", server));
        std::iter::once(("node", &self.node)).chain(nginx)
    }

    fn openings(&self, results: &mut Results) -> Result<()> {
        let mut collected: Vec<_> = self
            .servers()
            .map(|(name, server)| (name, server, Vec::new(), Vec::new(), Vec::new()))
            .collect();
        for _ in 0..self.turns {
            for (_, server, rates, costs, times) in &mut collected {
                let (per_s, cpu_us_each, first_bytes) = openings::rate(server, self.window)?;
                rates.push(per_s);
                costs.push(cpu_us_each);
                times.extend(first_bytes);
            }
        }
        for (name, _, per_s, cpu_us_each, times) in collected {
            let opening = Opening {
                per_s,
                cpu_us_each,
                first_byte_us: openings::tail(times)?,
            };
            results.openings.insert(name.to_owned(), opening);
        }
        Ok(())
    }

    fn idle(&self, results: &mut Results) -> Result<()> {
        let connections = if self.is_quick {
            QUICK_IDLE_CONNECTIONS
        } else {
            IDLE_CONNECTIONS
        };
        // Nodes that have served nothing yet.
        let plain = ["--connections-max", "20000"].map(str::to_owned);
        let secure = [plain.to_vec(), self.certificate.node_arguments()].concat();
        for (name, arguments, is_secure) in
            [("", plain.as_slice(), false), (", TLS", &secure, true)]
        {
            let fresh = Server::Node(Node::start(self.program, arguments)?);
            std::thread::sleep(SETTLE);
            let nginx = self.nginx.as_ref().map(|server| ("nginx", server));
            for (server_name, server) in std::iter::once(("node", &fresh)).chain(nginx) {
                let connector = if is_secure {
                    Some(secure::connector(secure::HTTP1)?)
                } else {
                    None
                };
                let idle = openings::idle(server, connector, connections)?;
                results.idle.insert(format!("{server_name}{name}"), idle);
            }
        }
        Ok(())
    }
}
