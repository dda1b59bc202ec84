//! The truth test: the figures of page and client through an emulated line, held against what ICMP ping sees on such a line.

use std::thread;

use anyhow::{Result, bail};
use serde_json::Value;

use super::count::Counts;
use super::prerequisites;
use super::step::install_page_packages;
use crate::lab::line::{Line, LineShape};
use crate::lab::truth::Truth;
use crate::lab::{client, page, truth};
use crate::third_party::check::{Verdict, report};

/// The line that the product is proven on.
const SHAPE: LineShape = LineShape {
    down_mbps: 50,
    up_mbps: 10,
    queue_ms: 200,
};
/// How much of its depth a queue that four cubic flows keep full shows on average: cubic falls back to 70 % of its
/// window after a loss, so between 70 % and 100 %.
const QUEUE_SHARE: std::ops::RangeInclusive<f64> = 0.7..=1.05;

pub(crate) fn run() -> Result<Counts> {
    let needs = ["ip", "tc", "ethtool", "ping", "iperf3", "chromium", "node"];
    if let Some(counts) = prerequisites::stand_in_without(&needs) {
        return Ok(counts);
    }
    if let Some(reason) = linklab::obstacle() {
        println!("skipped: {reason}");
        return Ok(Counts::skip());
    }
    super::build_product()?;
    install_page_packages()?;
    let mut verdicts = vec![("the_lab_leaves_nothing_behind", leaves_nothing())];
    // Both cost the machine little, and each has a line of its own.
    let (truth, by_client) = thread::scope(|scope| {
        let by_client = scope.spawn(|| client::report_through(SHAPE));
        (truth::measure(SHAPE), by_client.join())
    });
    let truth = truth?;
    let by_client = by_client.unwrap_or_else(|_| bail!("the chore itself panicked"));
    println!("{}", serde_json::to_string_pretty(&truth)?);
    for (name, phase) in [
        (
            "ping_sees_the_queue_filled_by_a_download",
            &truth.seen.download,
        ),
        (
            "ping_sees_the_queue_filled_by_an_upload",
            &truth.seen.upload,
        ),
    ] {
        let share = phase.latency_increase_ms / f64::from(SHAPE.queue_ms);
        let text = format!(
            "{:.0} ms of {} ms",
            phase.latency_increase_ms, SHAPE.queue_ms
        );
        verdicts.push((name, Verdict::of(QUEUE_SHARE.contains(&share), text)));
    }
    verdicts.extend(judge(PAGE, page::report_through(SHAPE), &truth));
    verdicts.extend(judge(CLIENT, by_client, &truth));
    Ok(verdicts
        .into_iter()
        .map(|(name, verdict)| report(name, verdict))
        .sum())
}

/// The tests of one instrument, by name.
struct Names {
    reports: &'static str,
    saturates: [&'static str; 2],
    is_true: [&'static str; 2],
}

const PAGE: Names = Names {
    reports: "the_page_reports_through_a_line",
    saturates: [
        "the_page_saturates_the_downlink",
        "the_page_saturates_the_uplink",
    ],
    is_true: [
        "the_pages_download_increase_is_the_truth",
        "the_pages_upload_increase_is_the_truth",
    ],
};
const CLIENT: Names = Names {
    reports: "the_client_reports_through_a_line",
    saturates: [
        "the_client_saturates_the_downlink",
        "the_client_saturates_the_uplink",
    ],
    is_true: [
        "the_clients_download_increase_is_the_truth",
        "the_clients_upload_increase_is_the_truth",
    ],
};

fn judge(names: Names, said: Result<Value>, truth: &Truth) -> Vec<(&'static str, Verdict)> {
    let said = match said {
        Ok(said) => said,
        Err(error) => return vec![(names.reports, Verdict::Failed(format!("{error:#}")))],
    };
    println!("{:#}", said["phases"]);
    // With both directions full, who holds which queue depends on who came first: told, not judged.
    match page::check_increase(&said, "bidirectional", truth) {
        Ok(text) => println!("bidirectional: {text}"),
        Err(error) => println!("bidirectional: {error:#}"),
    }
    let [downlink, uplink] = names.saturates;
    let [download, upload] = names.is_true;
    let saturation = |phase, direction, rate_mbps| {
        page::check_saturation(&said, phase, direction, rate_mbps).into()
    };
    vec![
        (downlink, saturation("download", "down", SHAPE.down_mbps)),
        (uplink, saturation("upload", "up", SHAPE.up_mbps)),
        (
            download,
            page::check_increase(&said, "download", truth).into(),
        ),
        (upload, page::check_increase(&said, "upload", truth).into()),
    ]
}

fn leaves_nothing() -> Verdict {
    let made = Line::create(SHAPE).map(drop);
    let prefix = format!("bbl-{}-", std::process::id());
    let left = crate::process::output(
        std::process::Command::new("ip").args(["netns", "list"]),
        std::time::Duration::from_secs(10),
    );
    match (made, left) {
        (Ok(()), Ok(left)) => Verdict::of(!left.contains(&prefix), left),
        (Err(error), _) | (_, Err(error)) => Verdict::Failed(format!("{error:#}")),
    }
}
