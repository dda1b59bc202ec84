//! The page's TypeScript types, generated from the Rust ones and committed as `client/web/src/protocol/index.ts`.
//!
//! Owns the list of types and constants that the page sees; knows nothing of what they mean. The test here fails when
//! the committed file is stale; `UPDATE_TYPES=1 cargo test -p protocol typescript` rewrites it.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ts_rs::{Config, TS, TypeVisitor};

use super::{branding, error, node_status, probe, profile, report, samples, socket, test};
use crate::limits;

const HEADER: &str = "\
// Generated from the Rust crate `protocol`, which is the one source of these types. Do not edit.
// To rewrite it: UPDATE_TYPES=1 cargo test -p protocol typescript
";

/// Collects a type and everything it is made of, by name.
struct Declarations<'a> {
    config: &'a Config,
    seen: Vec<TypeId>,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types of ours have a file to be exported to; numbers, strings and lists have none.
        if T::output_path().is_none() || self.seen.contains(&TypeId::of::<T>()) {
            return;
        }
        self.seen.push(TypeId::of::<T>());
        let docs = T::docs().unwrap_or_default();
        let declaration = T::decl(self.config);
        let replaced = self.by_name.insert(
            T::ident(self.config),
            format!("{docs}export {declaration}\n"),
        );
        assert_eq!(replaced, None, "two types share one TypeScript name");
        T::visit_dependencies(self);
    }
}

fn generate() -> String {
    // Every 64-bit integer on the wire is a count of microseconds, bytes or bits a second, far below 2^53.
    let config = Config::new().with_large_int("number");
    let mut declarations = Declarations {
        config: &config,
        seen: Vec::new(),
        by_name: BTreeMap::new(),
    };
    declarations.visit::<branding::Branding>();
    declarations.visit::<error::ErrorReply>();
    declarations.visit::<node_status::HouseholdHealth>();
    declarations.visit::<node_status::NodeHealth>();
    declarations.visit::<node_status::NodeStats>();
    declarations.visit::<node_status::ProcessHealthReport>();
    declarations.visit::<profile::HouseholdCatalogue>();
    declarations.visit::<profile::SessionClientMessage>();
    declarations.visit::<profile::SessionNodeMessage>();
    declarations.visit::<profile::SessionRedirect>();
    declarations.visit::<report::Report>();
    declarations.visit::<samples::TestSamples>();
    declarations.visit::<socket::NodeMessage>();
    declarations.visit::<socket::UploadReply>();
    declarations.visit::<socket::UploaderMessage>();
    declarations.visit::<test::TestAdmission>();
    declarations.visit::<test::TestRequest>();
    declarations.visit::<test::TestStatus>();

    let mut text = String::from(HEADER);
    for (docs, name, value) in [
        (
            "`kind` of a binary probe.",
            "PROBE_KIND",
            usize::from(probe::PROBE_KIND),
        ),
        (
            "`kind` of a binary echo.",
            "ECHO_KIND",
            usize::from(probe::ECHO_KIND),
        ),
        (
            "Length of a binary probe in bytes.",
            "PROBE_BYTES",
            probe::PROBE_BYTES,
        ),
        (
            "Length of a binary echo in bytes.",
            "ECHO_BYTES",
            probe::ECHO_BYTES,
        ),
        (
            "`kind` of a binary traffic message.",
            "TRAFFIC_KIND",
            usize::from(profile::TRAFFIC_KIND),
        ),
        (
            "Length of a binary traffic message's header in bytes.",
            "TRAFFIC_HEADER_BYTES",
            profile::TRAFFIC_HEADER_BYTES,
        ),
        (
            "In a traffic message's flags: the last message of a segment.",
            "FLAG_SEGMENT_END",
            usize::from(profile::FLAG_SEGMENT_END),
        ),
        (
            "In a traffic message's flags: a key frame.",
            "FLAG_KEYFRAME",
            usize::from(profile::FLAG_KEYFRAME),
        ),
        (
            "Most probes that one report may hold.",
            "REPORT_PROBES_MAX",
            limits::REPORT_PROBES_MAX,
        ),
        (
            "Most goodput samples that one report may hold.",
            "REPORT_GOODPUT_SAMPLES_MAX",
            limits::REPORT_GOODPUT_SAMPLES_MAX,
        ),
    ] {
        write!(text, "\n/** {docs} */\nexport const {name} = {value};\n").expect("into a String");
    }
    for declaration in declarations.by_name.values() {
        text.push('\n');
        for line in declaration.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

fn committed_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/web/src/protocol/index.ts")
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the one test that compares with a file, and rewrites it when asked to"
)]
fn committed_typescript_types_are_those_of_the_rust_types() {
    let path = committed_file();
    let generated = generate();
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("create folder");
        std::fs::write(&path, &generated).expect("write the types");
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(
        committed == generated.as_bytes(),
        "client/web/src/protocol/index.ts is stale; run `UPDATE_TYPES=1 cargo test -p protocol typescript`"
    );
}
