//! The command line of `bufferbloatd`, made from the table of settings.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Arg, ArgAction, ArgMatches, Command};
use protocol::limits::LOGO_BYTES_MAX;

use super::config::{
    ConfigErrors, Kernel, Kind, Loaded, SETTINGS, Setting, Sources, effective_toml, load,
    sample_toml,
};
use super::supervisor::{self, End};
use super::tls::Pair;
use super::{acme, log, os_error, status, test_certificate};
use crate::runtime::tls::Trust;

const CONFIG: &str = "config";
const CONFIG_VARIABLE: &str = "BUFFERBLOATD_CONFIG";
/// The subcommand that prints what is in force; an upgrade asks the new program by it.
pub(super) const CHECK_CONFIG: &str = "check-config";
const SAMPLE_CONFIG: &str = "sample-config";
const STATUS: &str = "status";
const URL: &str = "url";
const INSECURE: &str = "insecure";
const MAKE_TEST_CERTIFICATE: &str = "make-test-certificate";
const FOLDER: &str = "folder";
const NAMES: &str = "names";
/// What is read when nobody names a file, where it exists.
const DEFAULT_FILE: &str = "/etc/libreqos-bufferbloat/config.toml";
/// What `clap` exits with for a wrong command line; a wrong configuration is the same fault.
const EXIT_USAGE: u8 = 2;

/// Parses the command line and does what it says.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // A closed standard output or error changes nothing about the exit code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE));
        }
    };
    if matches.subcommand_name() == Some(SAMPLE_CONFIG) {
        return print(&sample_toml());
    }
    if let Some((STATUS, of_status)) = matches.subcommand()
        && let Some(url) = of_status.get_one::<String>(URL)
    {
        let trust = if of_status.get_flag(INSECURE) {
            Trust::Anybody
        } else {
            Trust::System
        };
        return status::run(url, trust);
    }
    if let Some((MAKE_TEST_CERTIFICATE, arguments)) = matches.subcommand() {
        return make_test_certificate(arguments);
    }
    let loaded = match configuration(&matches) {
        Ok(loaded) => loaded,
        Err(errors) => {
            os_error::complain(&errors);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if matches.subcommand_name() == Some(STATUS) {
        return match supervisor::url_of(&loaded.config) {
            // The node of this machine, whose certificate is for the name that the world has for it.
            Some(url) => status::run(&url, Trust::Anybody),
            None => {
                os_error::complain(
                    &"the configured port is 0, which is another at each start: name the node with --url",
                );
                ExitCode::from(EXIT_USAGE)
            }
        };
    }
    if matches.subcommand_name() == Some(CHECK_CONFIG) {
        // A node would not start with a certificate that cannot be used, nor may a running one upgrade to it.
        if let Some(files) = &loaded.config.tls
            && let Err(fault) = Pair::read(files, SystemTime::now())
        {
            os_error::complain(&fault);
            return ExitCode::from(EXIT_USAGE);
        }
        if let Some(wanted) = &loaded.config.acme
            && let Err(fault) = acme::check(wanted)
        {
            os_error::complain(&fault);
            return ExitCode::from(EXIT_USAGE);
        }
        return print(&effective_toml(&loaded));
    }
    let log = log::start(loaded.config.log_level, loaded.config.log_format);
    match supervisor::run(loaded, &|| configuration(&matches)) {
        End::Exit(code) => code,
        End::Upgrade(successor) => {
            // What waits is written before this program is another.
            drop(log);
            let error = successor.start();
            os_error::complain(&format!("not upgraded: {}", os_error::reason(&error)));
            ExitCode::FAILURE
        }
    }
}

fn make_test_certificate(arguments: &ArgMatches) -> ExitCode {
    let folder = arguments.get_one::<String>(FOLDER);
    let folder = PathBuf::from(folder.map_or("certificates", String::as_str));
    let names: Vec<String> = match arguments.get_many::<String>(NAMES) {
        Some(names) => names.cloned().collect(),
        None => ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .into_iter()
            .chain(Some(host_name()).filter(|name| name != "localhost"))
            .collect(),
    };
    if let Err(fault) = test_certificate::make(&folder, &names) {
        os_error::complain(&fault);
        return ExitCode::FAILURE;
    }
    let file = |name: &str| folder.join(name).display().to_string();
    print(&format!(
        "Made for {}. Browsers will warn of it.\n\n    bufferbloatd --ssl-certfile {} --ssl-keyfile {}\n",
        names.join(", "),
        file(test_certificate::CERTIFICATE),
        file(test_certificate::KEY),
    ))
}

/// A reader that has seen enough (`head`) is no error.
fn print(text: &str) -> ExitCode {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    ExitCode::SUCCESS
}

/// Every flag, global so that it may stand before and after `check-config`.
fn command() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .global(true)
        .help(format!(
            "TOML file with the keys of sample-config; empty for none [default: {DEFAULT_FILE}, where it exists] \
             [env: {CONFIG_VARIABLE}]"
        ));
    Command::new("bufferbloatd")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A bufferbloat test node: finds out what load does to a line's latency.")
        .long_about(
            "A bufferbloat test node: finds out what load does to a line's latency.\n\n\
             Started without options it serves the test page at http://localhost:8000/. A flag beats the\n\
             environment, which beats the file, which beats the default.",
        )
        .after_help(
            "Signals: SIGTERM or Ctrl-C stops within 5 s (a second one at once); SIGHUP reads the file again, changes \
             what a running node can, and logs what needs a restart; SIGUSR1 makes the log one level louder, SIGUSR2 \
             quieter; SIGRTMIN drains the node and starts its program file anew, refusing nobody.",
        )
        .subcommand_required(false)
        // A switch without a value may stand before one.
        .subcommand_precedence_over_arg(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new(CHECK_CONFIG)
                .about("Print the effective configuration with the source of each value, or what is wrong with it"),
        )
        .subcommand(
            Command::new(MAKE_TEST_CERTIFICATE)
                .about("Make a certificate for trying HTTPS out, signed by itself")
                .arg(
                    Arg::new(FOLDER)
                        .default_value("certificates")
                        .help("Where to write certificate.pem and key.pem"),
                )
                .arg(Arg::new(NAMES).num_args(0..).help(
                    "Host names and addresses that it is for [default: localhost and this host's name]",
                )),
        )
        .subcommand(Command::new(SAMPLE_CONFIG).about("Print a configuration file with every key, commented"))
        .subcommand(
            Command::new(STATUS)
                .about("Show how a running node fares")
                .after_help(
                    "Exit code: 0 when all of the node serves, 1 when something is missing, 3 when nobody answers.",
                )
                .arg(
                    Arg::new(URL)
                        .long(URL)
                        .value_name("URL")
                        .help("The node, such as http://localhost:8000 [default: the one of this configuration]"),
                )
                .arg(
                    Arg::new(INSECURE)
                        .long(INSECURE)
                        .action(ArgAction::SetTrue)
                        .requires(URL)
                        .help("Take any certificate"),
                ),
        )
        .arg(config)
        .args(SETTINGS.iter().map(argument))
}

fn argument(setting: &'static Setting) -> Arg {
    // `--production` alone is as good as `--production true`.
    let is_switch = setting.kind == Kind::Boolean;
    Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.value_name)
        .help_heading(setting.group.heading())
        .global(true)
        // A value such as -1 gets our own answer, which tells the range.
        .allow_hyphen_values(!is_switch)
        .num_args(if is_switch { 0..=1 } else { 1..=1 })
        .default_missing_value("true")
        .action(ArgAction::Set)
        .help(format!(
            "{}{} [default: {}] [env: {}]",
            setting.help,
            range(setting),
            setting.default_text(),
            setting.env
        ))
}

fn range(setting: &Setting) -> String {
    match setting.kind {
        Kind::Integer { min, max } => format!(", {min} to {max}"),
        Kind::Boolean | Kind::Text | Kind::List | Kind::Choice(_) => String::new(),
    }
}

/// Reads all sources anew; on SIGHUP too.
fn configuration(matches: &ArgMatches) -> Result<Loaded, ConfigErrors> {
    let mut sources = Sources::default();
    for setting in SETTINGS {
        if let Some(text) = matches.get_one::<String>(setting.flag) {
            sources.add_flag(setting.key, text.clone());
        }
    }
    sources.add_environment(|name| std::env::var(name).ok());
    let named = matches
        .get_one::<String>(CONFIG)
        .cloned()
        .or_else(|| std::env::var(CONFIG_VARIABLE).ok());
    let file = config_file(named, Path::new(DEFAULT_FILE));
    let file_faults = file.map_or(Ok(()), |path| sources.add_file(&path));
    let kernel = Kernel {
        host_name: host_name(),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        offers_congestion_control: &offers_congestion_control,
        read_file: &read_file,
    };
    match (load(&sources, &kernel), file_faults) {
        (loaded, Ok(())) => loaded,
        (Ok(_), Err(faults)) => Err(ConfigErrors(faults)),
        (Err(errors), Err(faults)) => Err(ConfigErrors([faults, errors.0].concat())),
    }
}

/// The file that somebody named; without a word, the default one if it exists. An empty name is no file at all.
fn config_file(named: Option<String>, default: &Path) -> Option<PathBuf> {
    match named {
        Some(path) => (!path.is_empty()).then(|| PathBuf::from(path)),
        // One that exists and cannot be read is told, not passed over.
        None => (!matches!(default.try_exists(), Ok(false))).then(|| default.to_owned()),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// Only as much of it as tells that it has too much, for it may be any file.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| format!("cannot be read: {}", os_error::reason(&error));
    let file = File::open(path).map_err(fault)?;
    if !file.metadata().map_err(fault)?.is_file() {
        return Err("cannot be read: it is not a file".to_owned());
    }
    let mut content = Vec::new();
    let bytes_max = LOGO_BYTES_MAX as u64 + 1;
    file.take(bytes_max)
        .read_to_end(&mut content)
        .map_err(fault)?;
    Ok(content)
}

/// Asks by trying: the kernel may have to load a module, and may allow some to root only.
fn offers_congestion_control(name: &str) -> Result<(), String> {
    let tried = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .or_else(|_| socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None))
        .and_then(|socket| socket.set_tcp_congestion(name.as_bytes()));
    let list = |what: &str| {
        let path = format!("/proc/sys/net/ipv4/tcp_{what}_congestion_control");
        std::fs::read_to_string(path)
            .map_or_else(|_| "unknown".to_owned(), |list| list.trim().to_owned())
    };
    match tried {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(format!(
            "needs root or CAP_NET_ADMIN; allowed to everybody: {}",
            list("allowed")
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!(
            "this kernel does not offer it; available: {}",
            list("available")
        )),
        Err(error) => Err(os_error::reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn help_tells_every_flag_with_its_default_and_variable() {
        let help = command().render_help().to_string();
        for setting in SETTINGS {
            assert!(
                help.contains(&format!("--{} <", setting.flag))
                    || help.contains(&format!("--{} [<", setting.flag)),
                "{}",
                setting.flag
            );
            assert!(help.contains(setting.env), "{}", setting.env);
        }
        assert!(help.contains("Limits:"), "{help}");
    }

    #[test]
    fn the_default_file_is_read_where_it_exists_and_nobody_names_another() {
        let there = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let absent = Path::new("/nonexistent/config.toml");
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(config_file(None, there), Some(there.to_owned()));
        assert_eq!(config_file(None, absent), None);
        assert_eq!(config_file(named("a.toml"), there), Some("a.toml".into()));
        assert_eq!(config_file(named(""), there), None);
    }

    #[test]
    fn a_congestion_control_that_no_kernel_has_is_refused_with_those_it_has() {
        let reason = offers_congestion_control("nosuchthing").unwrap_err();
        assert!(
            reason.starts_with("this kernel does not offer it; available: "),
            "{reason}"
        );
        assert!(
            reason.contains("reno") || reason.contains("cubic"),
            "{reason}"
        );
    }
}
