//! OpenMetrics text as Prometheus' older text format (version 0.0.4), for programs that know only that one, `promtool
//! check metrics` among them: no units, no end mark, no info type, and a counter's family is called as its samples are.

/// The same families in the older format.
#[must_use]
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut classic = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            // A family's help comes before its type, which decides on its name.
            (Some("#"), Some("HELP"), Some(_), words) => help = Some(words.unwrap_or_default()),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (name, kind) = match kind {
                    "counter" => (format!("{name}_total"), kind),
                    "info" => (format!("{name}_info"), "gauge"),
                    _ => (name.to_owned(), kind),
                };
                let help = help.take().unwrap_or_default();
                classic.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            }
            (Some("#"), ..) => {}
            _ => {
                classic.push_str(line);
                classic.push('\n');
            }
        }
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_called_as_its_samples_and_an_info_is_a_gauge() {
        let open = "# HELP a_node Version.\n# TYPE a_node info\na_node_info{version=\"# 1\"} 1\n\
                    # HELP b_bytes Sent all.\n# TYPE b_bytes counter\n# UNIT b_bytes bytes\nb_bytes_total 1\n\
                    # HELP c Now.\n# TYPE c gauge\nc 2.5\n# EOF\n";
        let classic = "# HELP a_node_info Version.\n# TYPE a_node_info gauge\na_node_info{version=\"# 1\"} 1\n\
                       # HELP b_bytes_total Sent all.\n# TYPE b_bytes_total counter\nb_bytes_total 1\n\
                       # HELP c Now.\n# TYPE c gauge\nc 2.5\n";
        assert_eq!(from_open_metrics(open), classic);
    }
}
